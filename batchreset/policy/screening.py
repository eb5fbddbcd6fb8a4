"""Who is left out, and why. The order of the rules is the order of what a reader would want to be told first."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchreset.model import Account, Kind, Mark, Method, PasswordSource, Reason
from batchreset.policy.roles import Holders
from batchreset.policy.verdict import time_of
from batchreset.values import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchreset.model import Operator
    from batchreset.settings import Settings

#: By what names the accounts go that Entra Connect and cloud sync sign in with: where roles may not be read, they tell.
#: Source: Microsoft's "Accounts used for Microsoft Entra Connect".
_SYNCHRONISES = re.compile(
    r"(sync_.+_[0-9a-f]{8,}|adtoaadsyncserviceaccount)@.+\.(onmicrosoft\.(com|us)|onmschina\.cn)", re.IGNORECASE
)


#: Of accounts that go by one name, as many are told.
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Rules:
    """What screening knows besides the account itself: what was asked for, and what was read once for the tenant."""

    settings: Settings
    #: The route of the run, never `auto`.
    method: Method
    operator: Operator
    #: Accounts never to be touched, by object id or UPN in lower case, each with the words for why.
    protected: Mapping[str, str] = field(default_factory=dict)
    holders: Holders = field(default_factory=Holders)
    #: The tenant's verified domains in lower case, and whether each is federated.
    domains: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why an account is left out."""

    reason: Reason
    detail: str | None = None


def unclear(key: str, found: Sequence[Account]) -> Exclusion | None:
    """Say why it is not clear who is meant by a key, of whom the directory has `found` these; None where it is."""
    if not found:
        return Exclusion(Reason.NOT_FOUND)
    first = found[0]
    if len(found) > 1:
        hits = ", ".join(f"{account.user} ({account.object_id})" for account in found[:_LISTED])
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        return Exclusion(Reason.AMBIGUOUS, f"{len(found)} accounts have this name: {hits}{more}")
    if "\\" in key and key not in first.names:  # a NetBIOS name may be another than the DNS name begins with
        home = f"the domain {first.domain}" if first.domain else "no domain that is known"
        return Exclusion(
            Reason.AMBIGUOUS,
            f"the one account of this name is {first.user}, of {home}: if it is meant, name it by its user principal "
            "name, or without the domain",
        )
    return None


def screen(account: Account, rules: Rules) -> Exclusion | None:
    """Say why an account must not be reset, or None."""
    for reason, rule in _RULES:
        detail = rule(account, rules)
        if detail is not None:
            return Exclusion(reason, detail or None)
    return None


def marks(account: Account, rules: Rules) -> frozenset[Mark]:
    """Say what is worth knowing of an account, whether it is left out for that or not."""
    object_id = account.object_id.lower()
    by_reset = rules.method is Method.RESET_PASSWORD
    reach = rules.holders.may_be_reset if by_reset else rules.holders.may_be_updated
    told = {
        Mark.PRIVILEGED: bool(rules.holders.why_privileged(object_id)),
        Mark.RESTRICTED: account.is_restricted,
        Mark.DISABLED: account.enabled is False,
        Mark.SERVICE: account.kind is Kind.CLOUD and account.is_lasting,
        Mark.OUT_OF_REACH: reach(object_id, rules.operator.roles) is False,
    }
    return frozenset(mark for mark, applies in told.items() if applies)


def _protected(account: Account, rules: Rules) -> str | None:
    by_id = rules.protected.get(account.object_id.lower())
    return by_id if by_id is not None else rules.protected.get(account.user.lower())


def _self(account: Account, rules: Rules) -> str | None:
    own = rules.operator.object_id
    return "" if own is not None and account.object_id.lower() == own.lower() else None


def _sync_account(account: Account, rules: Rules) -> str | None:
    is_one = rules.holders.synchronises(account.object_id.lower()) or _SYNCHRONISES.fullmatch(account.user)
    return "" if is_one else None


def _privileged(account: Account, rules: Rules) -> str | None:
    why = rules.holders.why_privileged(account.object_id.lower())
    return None if rules.settings.include_privileged else why or None


def _restricted(account: Account, rules: Rules) -> str | None:
    return "" if account.is_restricted and not rules.settings.include_restricted else None


def _guest(account: Account, _rules: Rules) -> str | None:
    return "" if account.kind is Kind.GUEST else None


def _synchronised(account: Account, rules: Rules) -> str | None:
    """Leave out accounts from on-premises where they cannot be reset.

    The service makes no passwords for them, and a passwordProfile would be refused or part their password from AD's.
    """
    reaches = rules.method is Method.RESET_PASSWORD and rules.settings.password_source is not PasswordSource.SYSTEM
    return "" if account.kind is Kind.SYNCHRONISED and not reaches else None


def _federated(account: Account, rules: Rules) -> str | None:
    """Leave out accounts whose password another service holds; those from on-premises are reached by writeback."""
    domain = account.user.rpartition("@")[2].lower()
    is_elsewhere = rules.domains.get(domain, False) and account.kind is not Kind.SYNCHRONISED
    return f"{domain} is a federated domain" if is_elsewhere else None


def _disabled(account: Account, rules: Rules) -> str | None:
    return "" if rules.settings.skip_disabled and account.enabled is False else None


def _changed_since(account: Account, rules: Rules) -> str | None:
    since, changed = rules.settings.skip_changed_since, time_of(account.password_changed_at)
    if since is None or changed is None or changed <= moment(since, "--skip-changed-since"):
        return None
    return f"its password changed at {account.password_changed_at}"


#: Each rule says why in words, which may be empty, or None where it does not apply.
_RULES: tuple[tuple[Reason, Callable[[Account, Rules], str | None]], ...] = (
    (Reason.PROTECTED, _protected),
    (Reason.SELF, _self),
    (Reason.SYNC_ACCOUNT, _sync_account),
    (Reason.PRIVILEGED, _privileged),
    (Reason.RESTRICTED, _restricted),
    (Reason.GUEST, _guest),
    (Reason.SYNCHRONISED, _synchronised),
    (Reason.FEDERATED, _federated),
    (Reason.DISABLED, _disabled),
    (Reason.CHANGED_SINCE, _changed_since),
)
