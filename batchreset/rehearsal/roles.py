"""Directory roles: who holds which, who may activate which, and the routes that tell."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from batchreset.rehearsal import directory
from batchreset.rehearsal.exchange import Answer, Call, bad
from batchreset.rehearsal.groups import members
from batchreset.rehearsal.population import OPERATOR, ROLE_NAMES, USER_ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from batchreset.rehearsal.population import Group, User
    from batchreset.rehearsal.tenant import Account, Tenant


def assignments(tenant: Tenant, call: Call) -> Answer:
    """GET /roleManagement/directory/roleAssignments."""
    return _listed(tenant, call, ({"id": f"{role}-{by}", **_of(by, role)} for by, role in _held(tenant)))


def eligible(tenant: Tenant, call: Call) -> Answer:
    """GET /roleManagement/directory/roleEligibilityScheduleInstances, in a tenant that is licensed for it."""
    if not tenant.behaviour.may_activate_roles:
        message = "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license."
        raise bad(message, "AadPremiumLicenseRequired")
    users = [account.user for account in tenant.accounts.values()]
    holders: list[User | Group] = [*users, *tenant.groups.values()]
    found = ((holder.id, role) for holder in holders for role in holder.eligible_roles)
    always = {"memberType": "Direct", "startDateTime": tenant.wall(0), "endDateTime": None}
    return _listed(tenant, call, ({"id": f"{role}-{by}-e", **_of(by, role), **always} for by, role in found))


def own(tenant: Tenant, call: Call) -> Answer:
    """GET /me/transitiveMemberOf/microsoft.graph.directoryRole."""
    held = OPERATOR.roles if tenant.has_role else ()
    found = [
        {"id": str(uuid5(NAMESPACE_OID, role)), "displayName": ROLE_NAMES[role], "roleTemplateId": role}
        for role in held
    ]
    return directory.listed(tenant, call, found, dict)


def is_privileged(tenant: Tenant, account: Account) -> bool:
    """Say whether an account holds a role, itself or through a group, or is in a group that roles may be given to.

    So is one that owns such a group.
    """
    object_id = account.user.id.lower()
    groups = [group for group in tenant.groups.values() if group.roles or group.is_assignable_to_role]
    is_in_one = any(object_id in members(tenant, group) for group in groups)
    is_owner = any(object_id in map(str.lower, group.owners) for group in groups)
    return bool(account.user.roles) or is_in_one or is_owner


def _held(tenant: Tenant) -> Iterator[tuple[str, str]]:
    """Yield each assignment of a directory role: the holder's object id, and the role definition's.

    Applications that sign in are User Administrators, for as long as whoever is signed in holds a role.
    """
    for account in tenant.accounts.values():
        if account.user.id != OPERATOR.id or tenant.has_role:
            yield from ((account.user.id, role) for role in account.user.roles)
    yield from ((group.id, role) for group in tenant.groups.values() for role in group.roles)
    if tenant.has_role:
        yield from ((each.object_id, USER_ADMINISTRATOR) for each in tenant.behaviour.sign_in.applications)


def _of(holder: str, role: str) -> dict[str, Any]:
    return {"principalId": holder, "roleDefinitionId": role, "directoryScopeId": "/"}


def _listed(tenant: Tenant, call: Call, assigned: Iterable[dict[str, Any]]) -> Answer:
    """Answer with a page of assignments, filtered and expanded as asked."""
    found = list(assigned)
    if "$filter" in call.query:
        name, values = directory.filtered(call.query["$filter"], ("principalId", "roleDefinitionId"))
        found = [one for one in found if one[name] in values]
    name = call.query.get("$expand", "")
    expand = _EXPANDED.get(name)
    return directory.listed(tenant, call, found, lambda one: {**one, name: expand(tenant, one)} if expand else one)


def _principal(tenant: Tenant, assigned: dict[str, Any]) -> dict[str, Any]:
    holder = assigned["principalId"]
    key = holder.lower()
    kind = "user" if key in tenant.accounts else "group" if key in tenant.groups else "servicePrincipal"
    return {"@odata.type": f"#microsoft.graph.{kind}", "id": holder}


def _role_definition(_tenant: Tenant, assigned: dict[str, Any]) -> dict[str, Any]:
    role = assigned["roleDefinitionId"]
    return {"id": role, "displayName": ROLE_NAMES.get(role), "templateId": role, "isBuiltIn": True}


_EXPANDED: Mapping[str, Callable[[Tenant, dict[str, Any]], dict[str, Any]]] = MappingProxyType(
    {"principal": _principal, "roleDefinition": _role_definition}
)
