"""The routes that read: users, the organisation, operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.rehearsal import directory
from batchreset.rehearsal.behaviour import PASSWORD_METHOD
from batchreset.rehearsal.exchange import Answer, Call, denied, not_found
from batchreset.rehearsal.population import DOMAIN, OPERATOR, TENANT_ID, TENANT_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchreset.rehearsal.tenant import Account, Tenant


def me(tenant: Tenant, call: Call) -> Answer:
    """GET /me."""
    return _one(tenant, call, OPERATOR.id)


def user(tenant: Tenant, call: Call) -> Answer:
    """GET /users/{id or UPN}."""
    return _one(tenant, call, call.user)


def users(tenant: Tenant, call: Call) -> Answer:
    """GET /users, all of them or those named by `$filter`."""
    show = directory.showing(call, directory.USER)
    accounts: Sequence[Account]
    if "$filter" in call.query:
        wanted = directory.comparisons(call.query["$filter"], directory.FILTERED)
        if any(name in directory.ADVANCED for name, _ in wanted) and not directory.is_advanced(call):
            raise directory.unsupported("onPremisesSamAccountName")
        found = (account for name, value in wanted for account in _having(tenant, name, value))
        accounts = list({account.user.id: account for account in found}.values())
    else:
        accounts = list(tenant.accounts.values())
    return directory.listed(tenant, call, accounts, lambda account: show(tenant.up_to_date(account)))


def organization(tenant: Tenant, call: Call) -> Answer:
    """GET /organization, whole whatever `$select` names."""
    domains = [
        {"name": name, "type": kind, "isDefault": name == DOMAIN, "isInitial": name == DOMAIN}
        for name, kind in tenant.domains.items()
    ]
    found = [{"id": TENANT_ID, "displayName": TENANT_NAME, "verifiedDomains": domains}]
    return directory.listed(tenant, call, found, dict)


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


def _having(tenant: Tenant, name: str, value: str) -> Iterator[Account]:
    """Yield the accounts of which a property is that value, or holds it.

    Case makes no difference, but for the prefix of an address: there nothing is known of Graph.
    """
    prefix, mark, wanted = value.rpartition(":")
    for account in tenant.named(wanted):
        told = directory.PROPERTIES[name](account)
        for each in told if isinstance(told, list) else [told or ""]:
            if each.startswith(prefix + mark) and each[len(prefix + mark) :].lower() == wanted.lower():
                yield account


def _one(tenant: Tenant, call: Call, name: str) -> Answer:
    show = directory.showing(call, directory.USER)
    account = tenant.find(name)
    if account is None:
        raise not_found(name)
    return Answer(200, {"@odata.context": tenant.context("users/$entity"), **show(account)})
