"""What OData asks of the directory: `$select`, `$filter` and paging, as far as Graph offers them on users and roles."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from batchreset.rehearsal.exchange import bad
from batchreset.rehearsal.population import DOMAIN

if TYPE_CHECKING:
    from batchreset.rehearsal.tenant import Account

#: How many values one `in` may list. Source: Graph's error "Too many child clauses ... Max allowed: 15".
MOST_VALUES = 15
MOST_PER_PAGE = 999
USUAL_PER_PAGE = 100

Property = Callable[["Account"], Any]


def _identities(account: Account) -> list[dict[str, str]]:
    user = account.user
    kind, issuer = ("federated", "ExternalAzureAD") if user.guest else ("userPrincipalName", DOMAIN)
    return [{"signInType": kind, "issuer": issuer, "issuerAssignedId": user.user_principal_name}]


def _mail(account: Account) -> str:
    return account.user.mail or account.user.user_principal_name


def _proxy_addresses(account: Account) -> list[str]:
    """Write the primary address in upper case, as Exchange does."""
    return [f"SMTP:{_mail(account)}", *(f"smtp:{alias}" for alias in account.user.aliases)]


def _nothing(_account: Account) -> None:
    return None


#: What a user has without `$select`, in Graph's order.
USUAL: Mapping[str, Property] = MappingProxyType(
    {
        "businessPhones": lambda _account: [],
        "displayName": lambda account: account.user.display_name,
        "givenName": lambda account: account.user.display_name.partition(" ")[0],
        "jobTitle": _nothing,
        "mail": _mail,
        "mobilePhone": _nothing,
        "officeLocation": _nothing,
        "preferredLanguage": _nothing,
        "surname": lambda account: account.user.display_name.rpartition(" ")[2],
        "userPrincipalName": lambda account: account.user.user_principal_name,
        "id": lambda account: account.user.id,
    }
)
PROPERTIES: Mapping[str, Property] = MappingProxyType(
    {
        **USUAL,
        "accountEnabled": lambda account: account.enabled,
        "createdDateTime": lambda account: account.user.created_at,
        "department": _nothing,
        "externalUserState": lambda account: "Accepted" if account.user.guest else None,
        "identities": _identities,
        "isManagementRestricted": _nothing,
        "isResourceAccount": _nothing,
        "lastPasswordChangeDateTime": lambda account: account.password_changed_at,
        "onPremisesDistinguishedName": _nothing,
        "onPremisesDomainName": lambda account: DOMAIN if account.user.synchronised else None,
        "onPremisesImmutableId": lambda account: account.user.id if account.user.synchronised else None,
        "onPremisesLastSyncDateTime": lambda account: account.user.created_at if account.user.synchronised else None,
        "onPremisesSamAccountName": _nothing,
        "onPremisesSyncEnabled": lambda account: account.user.synchronised or None,
        "passwordPolicies": _nothing,
        "proxyAddresses": _proxy_addresses,
        "signInSessionsValidFromDateTime": lambda account: account.sessions_valid_from,
        "userType": lambda account: "Guest" if account.user.guest else "Member",
    }
)
_BY_LOWER_NAME = MappingProxyType({name.lower(): name for name in PROPERTIES})


def selected(select: str | None) -> Mapping[str, Property]:
    """Return the properties that `$select` names, or the usual ones. Raises `RefusedError` for an unknown name."""
    if not select:
        return USUAL
    found = {}
    for text in select.split(","):
        name = _BY_LOWER_NAME.get(text.strip().lower())
        if name is None:
            raise bad(f"Could not find a property named '{text.strip()}' on type 'microsoft.graph.user'.", "BadRequest")
        found[name] = PROPERTIES[name]
    return found


_STRING = r"'(?:[^']|'')*'"
_FILTER = re.compile(
    rf"\s*(?P<name>\w+)\s+(?:eq\s+(?P<one>{_STRING})|in\s*\((?P<many>\s*{_STRING}(?:\s*,\s*{_STRING})*\s*)\))\s*",
    re.IGNORECASE,
)


def filtered(text: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """Read `name eq '...'` or `name in ('...', ...)`, quotes doubled; return one of `names` and the values.

    Raises `RefusedError` for anything else, and for more values than Graph takes.
    """
    match = _FILTER.fullmatch(text)
    if match is None:
        raise bad("Invalid filter clause", "BadRequest")
    name = next((name for name in names if name.lower() == match["name"].lower()), None)
    if name is None:
        message = f"Unsupported or invalid query filter clause specified for property '{match['name']}'."
        raise bad(message, "Request_UnsupportedQuery")
    values = [found[1:-1].replace("''", "'") for found in re.findall(_STRING, match["one"] or match["many"])]
    if len(values) > MOST_VALUES:
        message = (
            "Too many child clauses specified in search filter expression containing 'OR' operators: "
            f"{len(values)}. Max allowed: {MOST_VALUES}."
        )
        raise bad(message, "Request_UnsupportedQuery")
    return name, values


def page(items: Sequence[Any], query: Mapping[str, str], url: str) -> tuple[Sequence[Any], str | None]:
    """Cut the page that `query` asks for out of `items`; return it and the link to the next, which is `url` prolonged.

    Raises `RefusedError` where `$top` or `$skiptoken` make no sense.
    """
    top = query.get("$top", str(USUAL_PER_PAGE))
    if not (top.isascii() and top.isdigit() and 1 <= int(top) <= MOST_PER_PAGE):
        raise bad(f"Invalid page size specified: '{top}'. Must be between 1 and {MOST_PER_PAGE} inclusive.")
    start = _position(query["$skiptoken"]) if "$skiptoken" in query else 0
    end = start + int(top)
    if end >= len(items):
        return items[start:], None
    asked = {name: value for name, value in query.items() if name != "$skiptoken"}
    return items[start:end], f"{url}?{urlencode({**asked, '$skiptoken': _token(end)}, safe='$')}"


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"page:{position}".encode()).decode()


def _position(token: str) -> int:
    try:
        label, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if label == "page":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise bad("The specified page token value is invalid or has expired.", "Directory_ExpiredPageToken")
