"""Who is at risk, and the route that tells, which filters as the rest of the directory does not."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from batchreset.rehearsal import directory
from batchreset.rehearsal.exchange import Answer, Call, bad

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchreset.rehearsal.tenant import Account, Tenant

#: Source: "List riskyUsers" of the Graph reference.
_MOST_PER_PAGE = 500
_PROPERTIES: Mapping[str, directory.Property[Account]] = MappingProxyType(
    {
        "id": lambda account: account.user.id,
        "isDeleted": lambda _account: False,
        "isProcessing": lambda _account: False,
        "riskDetail": lambda _account: "none",
        "riskLastUpdatedDateTime": lambda account: account.user.password_changed_at,
        "riskLevel": lambda account: account.user.risk,
        "riskState": lambda _account: "atRisk",
        "userDisplayName": lambda account: account.user.display_name,
        "userPrincipalName": lambda account: account.user.user_principal_name,
    }
)
_RISKY: directory.Kind[Account] = directory.Kind("riskyUser", _PROPERTIES, _PROPERTIES)
_TERM = r"risk(?:State|Level)\s+eq\s+'\w+'"
_TERMS = rf"{_TERM}(?:\s+or\s+{_TERM})*"
_PART = rf"(?:{_TERM}|\(\s*{_TERMS}\s*\))"
_FILTER = re.compile(rf"\s*(?:{_TERMS}|{_PART}(?:\s+and\s+{_PART})*)\s*", re.IGNORECASE)
_READ_BY: Mapping[str, directory.Property[Account]] = {
    name.lower(): _PROPERTIES[name] for name in ("riskState", "riskLevel")
}


def risky_users(tenant: Tenant, call: Call) -> Answer:
    """GET /identityProtection/riskyUsers: all who are at risk, or by `$filter` those of some levels."""
    show = directory.showing(call, _RISKY)
    found = [account for account in tenant.accounts.values() if account.user.risk]
    if "$filter" in call.query:
        found = list(filter(_reading(call.query["$filter"]), found))
    return directory.listed(tenant, call, found, show, _MOST_PER_PAGE)


def _reading(text: str) -> Callable[[Account], bool]:
    """Read terms joined by `and`, each one alone or several joined by `or` in parentheses. Raises `RefusedError`."""
    if not _FILTER.fullmatch(text):
        raise bad("Invalid filter clause", "BadRequest")
    parts = re.split(r"\s+and\s+", text.lower())
    wanted = [re.findall(r"(\w+)\s+eq\s+'(\w+)'", part) for part in parts]
    return lambda account: all(any(_READ_BY[name](account).lower() == value for name, value in one) for one in wanted)
