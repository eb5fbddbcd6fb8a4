"""Who lives in the simulated tenant: the operator, and accounts made up for a cohort's identifiers."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

from batchreset.rehearsal.behaviour import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TENANT_ID = "7f1c9f6e-3c58-4d0e-9a53-52d3c0a1b6f4"
TENANT_NAME = "Contoso Rehearsal"
DOMAIN = "contoso.example"

# Role templates have the same id in every tenant. Source: Microsoft's "Microsoft Entra built-in roles".
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
AUTHENTICATION_ADMINISTRATOR = "c4e39bd9-1100-46d3-8c65-fb160da0071f"
HELPDESK_ADMINISTRATOR = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
USER_ADMINISTRATOR = "fe930be7-5e62-47db-91af-98c3a49a38b1"
ROLE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        GLOBAL_ADMINISTRATOR: "Global Administrator",
        AUTHENTICATION_ADMINISTRATOR: "Authentication Administrator",
        HELPDESK_ADMINISTRATOR: "Helpdesk Administrator",
        USER_ADMINISTRATOR: "User Administrator",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account as the directory holds it at first. Times are ISO 8601 UTC with seconds."""

    id: str
    user_principal_name: str
    display_name: str
    #: Empty where it is the UPN.
    mail: str = ""
    #: More addresses of its mailbox.
    aliases: tuple[str, ...] = ()
    created_at: str = "2022-03-01T08:00:00Z"
    password_changed_at: str = "2025-03-01T08:00:00Z"  # noqa: S105  a time, no password
    enabled: bool = True
    guest: bool = False
    synchronised: bool = False
    federated: bool = False
    roles: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


OPERATOR = User(
    id="0b7e7a5c-64a1-4a0e-8f55-6f6a3c1f2d10",
    user_principal_name=f"operator@{DOMAIN}",
    display_name="Rehearsal Operator",
    roles=(AUTHENTICATION_ADMINISTRATOR,),
)

#: From how many accounts on every awkward kind is there at least once.
ENOUGH_FOR_ALL_KINDS = 100


def _becomes(**changes: object) -> Callable[[User], User]:
    return lambda user: replace(user, **changes)  # type: ignore[arg-type]  # the table below names fields of User


#: Every awkward kind with its share of the cohort. A kind of None is absent from the directory.
AWKWARD: Mapping[str, tuple[float, Callable[[User], User] | None]] = MappingProxyType(
    {
        "absent": (0.01, None),
        "synchronised": (0.05, _becomes(synchronised=True)),
        "privileged": (0.01, _becomes(roles=(HELPDESK_ADMINISTRATOR,))),
        "disabled": (0.01, _becomes(enabled=False)),
        "guest": (0.005, _becomes(guest=True)),
        "lost after": (0.005, _becomes(faults=(Fault.LOST_AFTER,))),
        "lost before": (0.005, _becomes(faults=(Fault.LOST_BEFORE,))),
        "no location": (0.005, _becomes(faults=(Fault.NO_LOCATION,))),
        "unreadable": (0.005, _becomes(faults=(Fault.OPERATION_UNREADABLE,))),
        "fails": (0.005, _becomes(faults=(Fault.OPERATION_FAILS,))),
        "rejected": (0.005, _becomes(faults=(Fault.REJECTED,))),
        "unavailable": (0.01, _becomes(faults=(Fault.UNAVAILABLE,))),
    }
)


def populate(identifiers: Iterable[str], seed: int = 0, *, plain: bool = False) -> list[User]:
    """Make up an account for each UPN or object id, most of them ordinary and a few of every awkward kind.

    Identifiers are compared without regard to case; what is neither UPN nor GUID gets no account, and the operator's
    own is there already. The same identifiers and seed give the same accounts. With `plain`, all are ordinary.
    """
    rng = random.Random(seed)
    own = {OPERATOR.id, OPERATOR.user_principal_name}
    keys = dict.fromkeys(key for text in identifiers if (key := text.strip().lower()) not in own)
    users = [user for key in keys if (user := _ordinary(key, rng))]
    if plain:
        return users
    order = rng.sample(range(len(users)), len(users))
    changed: dict[int, User | None] = {}
    for share, becomes in AWKWARD.values():
        for _ in range(_number(share, len(users))):
            index = order.pop()
            changed[index] = becomes(users[index]) if becomes else None
    if len(users) >= ENOUGH_FOR_ALL_KINDS:
        index = order.pop()
        changed[index] = replace(users[index], faults=(Fault.OPERATION_NEVER_ENDS,))
    return [user for index, ordinary in enumerate(users) if (user := changed.get(index, ordinary))]


def _number(share: float, size: int) -> int:
    return max(1, round(share * size)) if size >= ENOUGH_FOR_ALL_KINDS else int(share * size)


def _ordinary(key: str, rng: random.Random) -> User | None:
    """Return a cloud account for one identifier, or None where it is none."""
    object_id = str(UUID(int=rng.getrandbits(128), version=4))
    age = timedelta(seconds=rng.randrange(3 * 365 * 86400))
    created = datetime(2022, 1, 1, tzinfo=UTC) + age / 3
    if _is_guid(key):
        object_id, upn = key, f"user.{key[-12:]}@{DOMAIN}"
    elif "@" in key:
        upn = key
    else:
        return None
    return User(
        id=object_id,
        user_principal_name=upn,
        display_name=re.sub(r"[._\-]+", " ", upn.partition("@")[0]).strip().title(),
        created_at=iso(created),
        password_changed_at=iso(created + age / 2),
    )


def iso(moment: datetime) -> str:
    """Write a time as the directory does: UTC, whole seconds, `Z`."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _is_guid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None
