"""What OData asks of the directory: `$select`, `$filter` and paging, as far as Graph offers them.

What a user shows is here too; what else shows what is said beside its routes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode

from batchreset.rehearsal.exchange import Answer, Call, RefusedError, bad
from batchreset.rehearsal.population import DOMAIN

if TYPE_CHECKING:
    from batchreset.rehearsal.tenant import Account, Tenant

#: How many values one `in` may list. Source: Graph's error "Too many child clauses ... Max allowed: 15".
MOST_VALUES = 15
MOST_PER_PAGE = 999
USUAL_PER_PAGE = 100

Item = TypeVar("Item")
Property = Callable[[Item], Any]
_UserProperty = Property["Account"]


@dataclass(frozen=True, slots=True)
class Kind(Generic[Item]):
    """A type of Graph's by its `name`: all its properties, and those that are shown without `$select`."""

    name: str
    properties: Mapping[str, Property[Item]]
    usual: Mapping[str, Property[Item]]


def _identities(account: Account) -> list[dict[str, str | None]]:
    """Say how somebody signs in: by their UPN here, unless another directory vouches for them."""
    user = account.user
    found: list[dict[str, str | None]] = []
    if user.guest:
        found.append({"signInType": "federated", "issuer": "ExternalAzureAD", "issuerAssignedId": None})
    elif user.federated and not user.synchronised:
        found.append({"signInType": "federated", "issuer": "https://sts.partner.example", "issuerAssignedId": user.id})
    if not user.guest or "#ext#" in user.user_principal_name.lower():
        name = user.user_principal_name
        found.append({"signInType": "userPrincipalName", "issuer": DOMAIN, "issuerAssignedId": name})
    return found


def _user_type(account: Account) -> str:
    return account.user.user_type or ("Guest" if account.user.guest else "Member")


def _creation_type(account: Account) -> str | None:
    return account.user.creation_type or ("Invitation" if account.user.guest else None)


def _if_synchronised(read: Callable[[Account], str]) -> _UserProperty:
    """Read what only accounts have that come from on-premises."""
    return lambda account: read(account) if account.user.synchronised else None


def _proxy_addresses(account: Account) -> list[str]:
    """Write the primary address in upper case, as Exchange does."""
    return [f"SMTP:{account.user.mailbox}", *(f"smtp:{alias}" for alias in account.user.aliases)]


def _nothing(_account: Account) -> None:
    return None


#: What a user has without `$select`, in Graph's order.
USUAL: Mapping[str, _UserProperty] = MappingProxyType(
    {
        "businessPhones": lambda _account: [],
        "displayName": lambda account: account.user.display_name,
        "givenName": lambda account: account.user.display_name.partition(" ")[0],
        "jobTitle": _nothing,
        "mail": lambda account: account.user.mailbox,
        "mobilePhone": _nothing,
        "officeLocation": _nothing,
        "preferredLanguage": _nothing,
        "surname": lambda account: account.user.display_name.rpartition(" ")[2],
        "userPrincipalName": lambda account: account.user.user_principal_name,
        "id": lambda account: account.user.id,
    }
)
PROPERTIES: Mapping[str, _UserProperty] = MappingProxyType(
    {
        **USUAL,
        "accountEnabled": lambda account: account.enabled,
        "createdDateTime": lambda account: account.user.created_at,
        "creationType": _creation_type,
        "department": _nothing,
        "externalUserState": lambda account: "Accepted" if account.user.guest else None,
        "identities": _identities,
        "isManagementRestricted": lambda account: account.user.restricted or None,
        "isResourceAccount": _nothing,
        "lastPasswordChangeDateTime": lambda account: account.password_changed_at,
        "onPremisesDistinguishedName": _nothing,
        "onPremisesDomainName": _if_synchronised(lambda account: account.user.on_premises_domain),
        "onPremisesImmutableId": _if_synchronised(lambda account: account.user.id),
        "onPremisesLastSyncDateTime": _if_synchronised(lambda account: account.user.created_at),
        "onPremisesSamAccountName": lambda account: account.user.logon_name,
        "onPremisesSyncEnabled": lambda account: account.user.synchronised or None,
        "passwordPolicies": lambda account: "DisablePasswordExpiration" if account.user.never_expires else None,
        "proxyAddresses": _proxy_addresses,
        "signInSessionsValidFromDateTime": lambda account: account.sessions_valid_from,
        "userType": _user_type,
    }
)
USER: Kind[Account] = Kind("user", PROPERTIES, USUAL)


def showing(call: Call, kind: Kind[Item]) -> Callable[[Item], dict[str, Any]]:
    """Return what shows of a thing the properties that `$select` names, or the usual ones.

    Raises `RefusedError` for an unknown name.
    """
    chosen = dict(kind.usual)
    if select := call.query.get("$select"):
        chosen.clear()
        names = {name.lower(): name for name in kind.properties}
        for text in select.split(","):
            name = names.get(text.strip().lower())
            if name is None:
                message = f"Could not find a property named '{text.strip()}' on type 'microsoft.graph.{kind.name}'."
                raise bad(message, "BadRequest")
            chosen[name] = kind.properties[name]
    return lambda thing: {name: read(thing) for name, read in chosen.items()}


#: What users are filtered by, and which of that in advanced queries only. Source: "Advanced query capabilities on
#: Microsoft Entra ID objects".
FILTERED = ("userPrincipalName", "id", "mail", "proxyAddresses", "onPremisesSamAccountName")
ADVANCED = frozenset({"onPremisesSamAccountName"})
#: What holds several values, any of which is compared.
_COLLECTIONS = frozenset({"proxyAddresses"})

_STRING = r"'(?:[^']|'')*'"
_COMPARISON = re.compile(
    rf"\s*(?P<name>\w+)(?:\s+(?:eq\s+(?P<one>{_STRING})|in\s*\((?P<many>\s*{_STRING}(?:\s*,\s*{_STRING})*\s*)\))"
    rf"|/any\(\s*(?P<item>\w+)\s*:\s*(?P=item)\s+eq\s+(?P<any>{_STRING})\s*\))(?:\s+or(?=\s)|\s*$)",
    re.IGNORECASE,
)


def comparisons(text: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Read a filter: each value, quotes doubled, with the one of `names` that may have it.

    It is `name eq '...'`, `name in ('...', ...)` or, where there are several values, `name/any(x:x eq '...')`; `or`
    joins them. Raises `RefusedError` for anything else, and for more values than Graph takes.
    """
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text) or not found:
        match = _COMPARISON.match(text, position)
        if match is None:
            raise bad("Invalid filter clause", "BadRequest")
        name = next((name for name in names if name.lower() == match["name"].lower()), None)
        if name is None or (name in _COLLECTIONS) != bool(match["any"]):
            raise unsupported(match["name"])
        values = re.findall(_STRING, match["one"] or match["many"] or match["any"])
        found += [(name, value[1:-1].replace("''", "'")) for value in values]
        position = match.end()
    if len(found) > MOST_VALUES:
        message = (
            "Too many child clauses specified in search filter expression containing 'OR' operators: "
            f"{len(found)}. Max allowed: {MOST_VALUES}."
        )
        raise bad(message, "Request_UnsupportedQuery")
    return found


def filtered(text: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """Read a filter by one property; return which of `names` that is, and its values. Raises as `comparisons` does."""
    found = comparisons(text, names)
    name, _ = found[0]
    if any(other != name for other, _ in found):
        raise unsupported(name)
    return name, [value for _, value in found]


def is_advanced(call: Call) -> bool:
    """Say whether a call is an advanced query."""
    return call.headers.get("ConsistencyLevel", "").lower() == "eventual" and call.query.get("$count") == "true"


def unsupported(name: str) -> RefusedError:
    """Return the refusal of a filter by that property."""
    message = f"Unsupported or invalid query filter clause specified for property '{name}'."
    return bad(message, "Request_UnsupportedQuery")


def listed(
    tenant: Tenant,
    call: Call,
    items: Sequence[Item],
    show: Callable[[Item], dict[str, Any]],
    most: int = MOST_PER_PAGE,
) -> Answer:
    """Answer with the page of `items` that a call asks for, each as `show` makes it, and the link to the next.

    Raises `RefusedError` where `$top` is above `most`, or it or `$skiptoken` make no sense.
    """
    query = call.query
    top = query.get("$top", str(USUAL_PER_PAGE))
    if not (top.isascii() and top.isdigit() and 1 <= int(top) <= most):
        raise bad(f"Invalid page size specified: '{top}'. Must be between 1 and {most} inclusive.")
    start = _position(query["$skiptoken"]) if "$skiptoken" in query else 0
    end = start + int(top)
    body: dict[str, Any] = {"@odata.context": tenant.context("/".join(call.segments[1:]))}
    if end < len(items):
        asked = {**query, "$skiptoken": _token(end)}
        body["@odata.nextLink"] = f"{tenant.url}/{'/'.join(call.segments)}?{urlencode(asked, safe='$')}"
    return Answer(200, {**body, "value": [show(item) for item in items[start:end]]})


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
