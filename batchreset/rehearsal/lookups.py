"""The routes that read: users, the organisation, holders of roles, operations."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from batchreset.rehearsal import directory
from batchreset.rehearsal.behaviour import PASSWORD_METHOD
from batchreset.rehearsal.exchange import Answer, Call, denied, not_found
from batchreset.rehearsal.population import DOMAIN, OPERATOR, ROLE_NAMES, TENANT_ID, TENANT_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchreset.rehearsal.tenant import Account, Tenant


def me(tenant: Tenant, call: Call) -> Answer:
    """GET /me."""
    return _one(tenant, call, OPERATOR.id)


def user(tenant: Tenant, call: Call) -> Answer:
    """GET /users/{id or UPN}."""
    return _one(tenant, call, call.user)


def users(tenant: Tenant, call: Call) -> Answer:
    """GET /users, all of them or those named by `$filter`."""
    properties = directory.selected(call.query.get("$select"))
    accounts: Sequence[Account]
    if "$filter" in call.query:
        name, values = directory.filtered(call.query["$filter"], ("userPrincipalName", "id"))
        read = directory.PROPERTIES[name]
        keys = dict.fromkeys(value.lower() for value in values)
        named = (account for key in keys if (account := tenant.find(key)))
        accounts = [account for account in named if read(account).lower() in keys]
    else:
        accounts = list(tenant.accounts.values())
    some, link = directory.page(accounts, call.query, f"{tenant.url}/v1.0/users")
    found = [{name: read(tenant.up_to_date(account)) for name, read in properties.items()} for account in some]
    return _collection(tenant, "users", found, link)


def organization(tenant: Tenant, _call: Call) -> Answer:
    """GET /organization."""
    domains = [{"name": DOMAIN, "isDefault": True, "isInitial": True, "type": "Managed"}]
    return _collection(
        tenant, "organization", [{"id": TENANT_ID, "displayName": TENANT_NAME, "verifiedDomains": domains}]
    )


def roles(tenant: Tenant, call: Call) -> Answer:
    """GET /roleManagement/directory/roleAssignments."""
    assigned: list[dict[str, Any]] = [
        {"id": f"{role}-{holder}", "principalId": holder, "roleDefinitionId": role, "directoryScopeId": "/"}
        for holder, role in tenant.holders_of_roles()
    ]
    if "$filter" in call.query:
        name, values = directory.filtered(call.query["$filter"], ("principalId", "roleDefinitionId"))
        assigned = [one for one in assigned if one[name] in values]
    path = "roleManagement/directory/roleAssignments"
    some, link = directory.page(assigned, call.query, f"{tenant.url}/v1.0/{path}")
    name = call.query.get("$expand", "")
    found = [{**one, name: _EXPANDED[name](tenant, one)} if name in _EXPANDED else one for one in some]
    return _collection(tenant, path, found, link)


def own_roles(tenant: Tenant, _call: Call) -> Answer:
    """GET /me/transitiveMemberOf/microsoft.graph.directoryRole."""
    held = OPERATOR.roles if tenant.has_role else ()
    found = [
        {"id": str(uuid5(NAMESPACE_OID, role)), "displayName": ROLE_NAMES[role], "roleTemplateId": role}
        for role in held
    ]
    return _collection(tenant, "directoryRoles", found)


def operation(tenant: Tenant, call: Call) -> Answer:
    """GET /users/{id}/authentication/operations/{id}, for a day after it began."""
    account, wanted = tenant.find(call.user), call.segments[-1]
    found = tenant.operation(wanted)
    if found is None or found.account is not account:
        raise not_found(wanted)
    if not found.course.readable:
        raise denied()
    now, methods = tenant.now, f"{tenant.url}/v1.0/users/{account.user.id}/authentication/methods"
    body = {
        "@odata.context": tenant.context("users/authentication/operations/$entity"),
        "id": found.id,
        "status": found.status(now),
        "statusDetail": found.detail,
        "createdDateTime": tenant.wall(found.began_at),
        "lastActionDateTime": tenant.wall(min(now, found.ends_at)),
        "resourceLocation": f"{methods}/{PASSWORD_METHOD}",
    }
    return Answer(200, body)


def _one(tenant: Tenant, call: Call, name: str) -> Answer:
    properties = directory.selected(call.query.get("$select"))
    account = tenant.find(name)
    if account is None:
        raise not_found(name)
    found = {name: read(account) for name, read in properties.items()}
    return Answer(200, {"@odata.context": tenant.context("users/$entity"), **found})


def _principal(tenant: Tenant, assigned: dict[str, Any]) -> dict[str, Any]:
    holder = assigned["principalId"]
    kind = "user" if holder.lower() in tenant.accounts else "servicePrincipal"
    return {"@odata.type": f"#microsoft.graph.{kind}", "id": holder}


def _role_definition(_tenant: Tenant, assigned: dict[str, Any]) -> dict[str, Any]:
    role = assigned["roleDefinitionId"]
    return {"id": role, "displayName": ROLE_NAMES.get(role), "templateId": role, "isBuiltIn": True}


_EXPANDED: Mapping[str, Callable[[Tenant, dict[str, Any]], dict[str, Any]]] = MappingProxyType(
    {"principal": _principal, "roleDefinition": _role_definition}
)


def _collection(tenant: Tenant, name: str, items: list[dict[str, Any]], link: str | None = None) -> Answer:
    following = {"@odata.nextLink": link} if link else {}
    return Answer(200, {"@odata.context": tenant.context(name), **following, "value": items})
