"""Who lives in the simulated tenant: the operator, and accounts made up for a cohort's identifiers."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, UUID, uuid5

from batchreset.rehearsal.behaviour import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

TENANT_ID = "7f1c9f6e-3c58-4d0e-9a53-52d3c0a1b6f4"
TENANT_NAME = "Contoso Rehearsal"
DOMAIN = "contoso.example"
ON_PREMISES_DOMAIN = f"corp.{DOMAIN}"

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
    #: Where it comes from, if it is synchronised, and its name there; empty where that is the UPN's before the @.
    on_premises_domain: str = ON_PREMISES_DOMAIN
    sam_account_name: str = ""
    federated: bool = False
    #: `Guest` or `Member`; empty for what goes with `guest`.
    user_type: str = ""
    #: None for what goes with `guest`.
    creation_type: str | None = None
    #: A member of a restricted management administrative unit.
    restricted: bool = False
    never_expires: bool = False
    roles: tuple[str, ...] = ()
    #: Roles that it may activate.
    eligible_roles: tuple[str, ...] = ()
    #: `low`, `medium` or `high` where it is at risk.
    risk: str = ""
    faults: tuple[Fault, ...] = ()
    #: What goes wrong with the writes that set no password.
    step_faults: tuple[Fault, ...] = ()

    @property
    def domain(self) -> str:
        """The domain that it signs in by, in lower case."""
        return self.user_principal_name.rpartition("@")[2].lower()

    @property
    def mailbox(self) -> str:
        """The primary address of its mailbox."""
        return self.mail or self.user_principal_name

    @property
    def logon_name(self) -> str | None:
        """Its name in Active Directory, if it comes from there."""
        return (self.sam_account_name or self.user_principal_name.partition("@")[0]) if self.synchronised else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group as the directory holds it. `members` are object ids of users and of other groups."""

    id: str
    display_name: str
    members: tuple[str, ...] = ()
    #: Object ids of users.
    owners: tuple[str, ...] = ()
    is_assignable_to_role: bool = False
    roles: tuple[str, ...] = ()
    #: Roles that its members may activate.
    eligible_roles: tuple[str, ...] = ()


OPERATOR = User(
    id="0b7e7a5c-64a1-4a0e-8f55-6f6a3c1f2d10",
    user_principal_name=f"operator@{DOMAIN}",
    display_name="Rehearsal Operator",
    roles=(AUTHENTICATION_ADMINISTRATOR,),
)

#: Kept for when nobody else gets in, and never part of a cohort.
BREAK_GLASS = tuple(
    User(
        id=f"5d1f0c3a-8e2b-4c47-9a60-b3f7d2e4810{number}",
        user_principal_name=f"break-glass-{number}@{DOMAIN}",
        display_name=f"Break Glass {number}",
        never_expires=True,
    )
    for number in (1, 2)
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
        # One, where there are enough.
        "never ends": (0.0, _becomes(faults=(Fault.OPERATION_NEVER_ENDS,))),
        "restricted": (0.005, _becomes(restricted=True)),
        "service account": (0.01, _becomes(never_expires=True)),
        "may activate a role": (0.005, _becomes(eligible_roles=(USER_ADMINISTRATOR,))),
    }
)
#: Of the simulated tenant's accounts, one in so many is at risk: each time at the next of these levels.
_AT_RISK_EVERY = 20
_RISKS = ("high", "medium", "low")
#: What stands before an identifier that is a mail address.
_MAIL = "smtp:"
#: One in four accounts that are named by mail has another UPN: those whose object id begins so.
_OTHERWISE_NAMED = "0123"
#: How many accounts leaked, half of them each time.
_LEAKED = 30


def populate(identifiers: Iterable[str], seed: int = 0, *, plain: bool = False) -> list[User]:
    r"""Make up an account for each identifier, most of them ordinary and a few of every awkward kind.

    Identifiers are UPNs, object ids, `smtp:` before a mail address, which is not always the UPN, and `DOMAIN\\user` or
    `\\user`, who are synchronised. They are compared without regard to case; what is none of these gets no account, and
    those of the operator and for emergencies are there already. The same identifiers and seed give the same accounts.
    With `plain`, all are ordinary.
    """
    rng = random.Random(seed)
    own = {name for user in (OPERATOR, *BREAK_GLASS) for name in (user.id, user.user_principal_name)}
    keys = dict.fromkeys(text.strip().lower() for text in identifiers)
    made = (_ordinary(key, rng) for key in keys if key.removeprefix(_MAIL) not in own)
    users = list({user.user_principal_name: user for user in made if user}.values())
    if plain:
        return users
    order = rng.sample(range(len(users)), len(users))
    changed: dict[int, User | None] = {}
    for share, becomes in AWKWARD.values():
        for _ in range(_number(share, len(users))):
            index = order.pop()
            changed[index] = becomes(users[index]) if becomes else None
    return [user for index, ordinary in enumerate(users) if (user := changed.get(index, ordinary))]


def at_risk(users: Sequence[User]) -> list[User]:
    """Put a twentieth of the accounts at risk, the first among them."""
    return [
        user if index % _AT_RISK_EVERY else replace(user, risk=_RISKS[index // _AT_RISK_EVERY % len(_RISKS)])
        for index, user in enumerate(users)
    ]


def groups_of(users: Sequence[User], seed: int = 0) -> list[Group]:
    """Make up the groups of a tenant with these users, drawn by `seed`.

    "Emergency access" holds the break-glass accounts and may be given roles. "Leaked accounts" are thirty of the users,
    or all where there are fewer, in two groups within it.
    """
    chosen = sorted(random.Random(seed).sample(range(len(users)), min(_LEAKED, len(users))))
    leaked = [users[index].id for index in chosen]
    dumps = [_group(f"Leaked accounts: dump {number + 1}", leaked[number::2]) for number in range(2)]
    emergency = _group("Emergency access", [user.id for user in BREAK_GLASS])
    return [
        replace(emergency, is_assignable_to_role=True, roles=(GLOBAL_ADMINISTRATOR,)),
        _group("Leaked accounts", [dump.id for dump in dumps]),
        *dumps,
    ]


def _group(name: str, members: Iterable[str]) -> Group:
    return Group(id=str(uuid5(NAMESPACE_OID, name)), display_name=name, members=tuple(members))


def _number(share: float, size: int) -> int:
    return max(1, round(share * size)) if size >= ENOUGH_FOR_ALL_KINDS else int(share * size)


def _ordinary(key: str, rng: random.Random) -> User | None:
    """Return an account for one identifier, or None where it is none."""
    object_id = str(UUID(int=rng.getrandbits(128), version=4))
    age = timedelta(seconds=rng.randrange(3 * 365 * 86400))
    created = datetime(2022, 1, 1, tzinfo=UTC) + age / 3
    address = key.removeprefix(_MAIL)
    more: dict[str, Any] = {}
    domain, is_logon_name, name = key.rpartition("\\")
    if is_guid(key):
        object_id, address = key, f"user.{key[-12:]}@{DOMAIN}"
    elif is_logon_name:
        address, more = _from_premises(domain, name)
    elif key.startswith(_MAIL) and object_id[0] in _OTHERWISE_NAMED:
        upn = f"u{object_id[-12:]}@{address.rpartition('@')[2]}"
        more = {"user_principal_name": upn, **({"mail": address} if object_id[1] < "8" else {"aliases": (address,)})}
    if not all(address.partition("@")):
        return None
    ordinary = User(
        id=object_id,
        user_principal_name=address,
        display_name=re.sub(r"[._\-]+", " ", address.partition("@")[0]).strip().title(),
        created_at=iso(created),
        password_changed_at=iso(created + age / 2),
    )
    return replace(ordinary, **more)


def _from_premises(domain: str, name: str) -> tuple[str, dict[str, Any]]:
    """Return the UPN of an account of Active Directory, and what else it has."""
    home = domain if "." in domain else f"{domain or 'corp'}.{DOMAIN}"
    suffix = DOMAIN if home == ON_PREMISES_DOMAIN else home
    more = {"synchronised": True, "on_premises_domain": home, "sam_account_name": name}
    return f"{name.replace(' ', '.')}@{suffix}", more


def iso(moment: datetime) -> str:
    """Write a time as the directory does: UTC, whole seconds, `Z`."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def is_guid(text: str) -> bool:
    """Say whether a text in lower case is written as an object id."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None
