"""The routes that read: users, the organisation, holders of roles, operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchreset.rehearsal import directory
from batchreset.rehearsal.behaviour import PASSWORD_METHOD
from batchreset.rehearsal.exchange import Answer, Call, denied, not_found
from batchreset.rehearsal.population import DOMAIN, OPERATOR, TENANT_ID, TENANT_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchreset.rehearsal.tenant import Account, Tenant

#: A role held by an application, as in any real tenant: its principal is no user. (principal, role definition)
_APPLICATION = ("5d0a8f9c-40f5-4c1b-8f0a-6b1f2f0f7a11", "88d8e3e3-8f55-4a1e-953a-9b9898b8876b")


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
        for holder, role in (*tenant.holders_of_roles(), _APPLICATION)
    ]
    if "$filter" in call.query:
        name, values = directory.filtered(call.query["$filter"], ("principalId", "roleDefinitionId"))
        assigned = [one for one in assigned if one[name] in values]
    path = "roleManagement/directory/roleAssignments"
    some, link = directory.page(assigned, call.query, f"{tenant.url}/v1.0/{path}")
    found = [_with_principal(one) for one in some] if call.query.get("$expand") == "principal" else list(some)
    return _collection(tenant, path, found, link)


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


def _with_principal(assigned: dict[str, Any]) -> dict[str, Any]:
    holder = assigned["principalId"]
    kind = "servicePrincipal" if holder == _APPLICATION[0] else "user"
    return {**assigned, "principal": {"@odata.type": f"#microsoft.graph.{kind}", "id": holder}}


def _collection(tenant: Tenant, name: str, items: list[dict[str, Any]], link: str | None = None) -> Answer:
    following = {"@odata.nextLink": link} if link else {}
    return Answer(200, {"@odata.context": tenant.context(name), **following, "value": items})
