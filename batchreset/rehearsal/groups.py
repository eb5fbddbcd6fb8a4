"""Groups: the routes that find them, and who belongs to one, through other groups too."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from batchreset.rehearsal import directory
from batchreset.rehearsal.exchange import Answer, Call, bad, not_found
from batchreset.rehearsal.population import is_guid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.rehearsal.population import Group
    from batchreset.rehearsal.tenant import Tenant

_PROPERTIES: Mapping[str, directory.Property[Group]] = MappingProxyType(
    {
        "id": lambda group: group.id,
        "createdDateTime": lambda _group: "2022-03-01T08:00:00Z",
        "description": lambda _group: None,
        "displayName": lambda group: group.display_name,
        "groupTypes": lambda _group: [],
        "isAssignableToRole": lambda group: group.is_assignable_to_role or None,
        "mailEnabled": lambda _group: False,
        "securityEnabled": lambda _group: True,
    }
)
_GROUP: directory.Kind[Group] = directory.Kind("group", _PROPERTIES, _PROPERTIES)


def groups(tenant: Tenant, call: Call) -> Answer:
    """GET /groups, all of them, or by `$filter` those of one name or those that roles may be given to."""
    show = directory.showing(call, _GROUP)
    found = list(tenant.groups.values())
    if "$filter" in call.query:
        text = call.query["$filter"]
        if re.fullmatch(r"\s*isAssignableToRole\s+eq\s+true\s*", text, re.IGNORECASE):
            found = [group for group in found if group.is_assignable_to_role]
        else:
            _, values = directory.filtered(text, ("displayName",))
            names = {value.lower() for value in values}
            found = [group for group in found if group.display_name.lower() in names]
    return directory.listed(tenant, call, found, show)


def group(tenant: Tenant, call: Call) -> Answer:
    """GET /groups/{id}."""
    show = directory.showing(call, _GROUP)
    return Answer(200, {"@odata.context": tenant.context("groups/$entity"), **show(_named(tenant, call))})


def transitive_members(tenant: Tenant, call: Call) -> Answer:
    """GET /groups/{id}/transitiveMembers/microsoft.graph.user, as an advanced query only.

    Source: Microsoft's "Advanced query capabilities on Microsoft Entra ID objects".
    """
    if not directory.is_advanced(call):
        raise bad("Unsupported Query.", "Request_UnsupportedQuery")
    if "$filter" in call.query:
        message = "The specified filter to the reference property query is currently not supported."
        raise bad(message, "Request_UnsupportedQuery")
    show = directory.showing(call, directory.USER)
    found = [account for key in members(tenant, _named(tenant, call)) if (account := tenant.accounts.get(key))]
    answer = directory.listed(tenant, call, found, lambda account: show(tenant.up_to_date(account)))
    answer.body["@odata.count"] = len(found)
    return answer


def owners(tenant: Tenant, call: Call) -> Answer:
    """GET /groups/{id}/owners/microsoft.graph.user."""
    show = directory.showing(call, directory.USER)
    found = [account for key in _named(tenant, call).owners if (account := tenant.accounts.get(key.lower()))]
    return directory.listed(tenant, call, found, lambda account: show(tenant.up_to_date(account)))


def members(tenant: Tenant, group: Group) -> dict[str, None]:
    """Return the object ids, in lower case, of all that belong to a group, groups in it and their members too."""
    found: dict[str, None] = {}
    waiting = [group]
    while waiting:
        new = dict.fromkeys(key for member in waiting.pop().members if (key := member.lower()) not in found)
        found |= new
        waiting += [tenant.groups[key] for key in new if key in tenant.groups]
    return found


def _named(tenant: Tenant, call: Call) -> Group:
    wanted = call.segments[2]
    if not is_guid(wanted.lower()):
        raise bad(f"Invalid object identifier '{wanted}'.")
    found = tenant.groups.get(wanted.lower())
    if found is None:
        raise not_found(wanted)
    return found
