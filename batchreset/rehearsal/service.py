"""The simulated tenant's door: which route a request takes, sign-in, outages, quotas, batches, request ids.

Synchronous and free of sockets, so that the children of a `$batch` come in just like requests of their own.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from multidict import CIMultiDict
from yarl import URL

from batchreset.rehearsal import groups, lookups, risk, roles, writes
from batchreset.rehearsal.behaviour import PASSWORD_METHOD, WRITES, Route
from batchreset.rehearsal.exchange import Answer, Call, RefusedError, bad, denied, error, json_object
from batchreset.rehearsal.permissions import is_permitted
from batchreset.rehearsal.population import TENANT_ID
from batchreset.rehearsal.signin import CLIENT_ID
from batchreset.rehearsal.tenant import What

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchreset.rehearsal.quota import Quota
    from batchreset.rehearsal.tenant import Tenant
    from batchreset.rehearsal.tokens import Grant

MOST_IN_A_BATCH = 20
#: The share of a quota from which on answers tell how much is in use, and the most that they tell.
_NEAR, _MOST_TOLD = 0.8, 1.8
#: What a read without `$select` costs in resource units, where that is more than one. Source: "Identity and access
#: service limits" in Microsoft's throttling limits.
_UNITS: Mapping[Route, int] = MappingProxyType({Route.ME: 2, Route.USER: 2, Route.USERS: 2, Route.MEMBERS: 5})
#: What is open to holders of a directory role only. Source: "Permissions" on each route's page of the Graph reference.
_NEED_A_ROLE = WRITES | {Route.OPERATION}

_HANDLERS: Mapping[Route, Callable[[Tenant, Call], Answer]] = MappingProxyType(
    {
        Route.ME: lookups.me,
        Route.ORGANIZATION: lookups.organization,
        Route.USERS: lookups.users,
        Route.USER: lookups.user,
        Route.ROLES: roles.assignments,
        Route.ELIGIBLE: roles.eligible,
        Route.OWN_ROLES: roles.own,
        Route.GROUPS: groups.groups,
        Route.GROUP: groups.group,
        Route.MEMBERS: groups.transitive_members,
        Route.OWNERS: groups.owners,
        Route.RISKY: risk.risky_users,
        Route.OPERATION: lookups.operation,
        Route.RESET: writes.reset,
        Route.UPDATE: writes.update,
        Route.REVOKE: writes.revoke,
    }
)
_ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "GET v1.0/me": Route.ME,
        "GET v1.0/organization": Route.ORGANIZATION,
        "GET v1.0/users": Route.USERS,
        "GET v1.0/users/*": Route.USER,
        "GET v1.0/roleManagement/directory/roleAssignments": Route.ROLES,
        "GET v1.0/roleManagement/directory/roleEligibilityScheduleInstances": Route.ELIGIBLE,
        "GET v1.0/groups": Route.GROUPS,
        "GET v1.0/groups/*": Route.GROUP,
        "GET v1.0/groups/*/transitiveMembers/microsoft.graph.user": Route.MEMBERS,
        # As Microsoft's own client calls it.
        "GET v1.0/groups/*/transitiveMembers/graph.user": Route.MEMBERS,
        "GET v1.0/groups/*/owners/microsoft.graph.user": Route.OWNERS,
        "GET v1.0/identityProtection/riskyUsers": Route.RISKY,
        "GET v1.0/me/transitiveMemberOf/microsoft.graph.directoryRole": Route.OWN_ROLES,
        "POST v1.0/$batch": Route.BATCH,
        "GET v1.0/users/*/authentication/operations/*": Route.OPERATION,
        f"POST v1.0/users/*/authentication/methods/{PASSWORD_METHOD}/resetPassword": Route.RESET,
        "PATCH v1.0/users/*": Route.UPDATE,
        "POST v1.0/users/*/revokeSignInSessions": Route.REVOKE,
    }
)


class Service:
    """Answers calls on behalf of a tenant."""

    def __init__(self, tenant: Tenant) -> None:
        """Begin with untouched quotas."""
        self._tenant = tenant
        behaviour = tenant.behaviour
        self._units = behaviour.units.start() if behaviour.units else None
        writes = behaviour.writes.start() if behaviour.writes else None
        self._writes: Mapping[Route, Quota | None] = {
            Route.RESET: writes,
            Route.UPDATE: behaviour.updates.start() if behaviour.updates else writes,
            Route.REVOKE: behaviour.revokes.start() if behaviour.revokes else writes,
        }

    def answer(self, call: Call) -> Answer:
        """Answer one call, and count it."""
        route = route_of(call.method, call.segments)
        ids = {"request-id": str(uuid4())}
        ids["client-request-id"] = call.client_request_id or ids["request-id"]
        try:
            answer = self._outage() or self._admit(call, route)
        except RefusedError as refusal:
            answer = refusal.answer
            self._note(call, route, What.REFUSED)
        answer = self._tenant.troubles.spoil(route, call, answer, self._tenant.url)
        if isinstance(answer.body, dict) and "error" in answer.body:
            date = self._tenant.wall(self._tenant.now).removesuffix("Z")
            answer.body["error"]["innerError"] = {"date": date, **ids}
        answer.headers |= ids
        self._tenant.requests[route, answer.status] += 1
        return answer

    def _outage(self) -> Answer | None:
        now = self._tenant.now
        for outage in self._tenant.behaviour.outages:
            if outage.start <= now < outage.end:
                return error(503, "serviceNotAvailable", "Service unavailable.") if outage.answered else Answer(None)
        return None

    def _admit(self, call: Call, route: Route) -> Answer:
        """Let a call through to its handler. Raises `RefusedError` where it is turned away."""
        self._note(call, route, What.RECEIVED)
        tenant = self._tenant
        grant = call.batch_grant or tenant.tokens.grant_of(call.headers.get("Authorization"), tenant.now)
        if route is Route.UNKNOWN:
            raise bad(f"Resource not found for the segment '{'/'.join(call.segments[1:])}'.", "BadRequest")
        if route is Route.BATCH:
            return self._batch(call, grant)
        usage = self._spend(call, route)
        if route in {Route.ME, Route.OWN_ROLES} and grant.is_app_only:
            raise bad("/me request is only valid with delegated authentication flow.", "BadRequest")
        if route in tenant.behaviour.forbidden or not is_permitted(grant, route, call):
            raise denied()
        if route in _NEED_A_ROLE and not tenant.has_role:
            raise denied()
        answer = _HANDLERS[route](tenant, call)
        answer.headers |= usage
        return answer

    def _note(self, call: Call, route: Route, what: What) -> None:
        if route in WRITES and (account := self._tenant.find(call.user)):
            self._tenant.note(account, what, call.client_request_id)

    def _spend(self, call: Call, route: Route) -> dict[str, str]:
        """Take what a call costs from the quotas, which a batch's children pay one by one; return what is told of them.

        Source of the headers: "Identity and access service limits" in Microsoft's throttling limits.
        """
        now, spent = self._tenant.now, [self._units]
        if route in WRITES:
            quota = self._writes[route]
            _take(quota, now, 1, "Write")
            spent.append(quota)
        units = _UNITS.get(route, 1) - ("$select" in call.query)
        _take(self._units, now, max(units, 1), "ReadWrite")
        usage = max((quota.usage for quota in spent if quota and quota.limit.tells_usage), default=0.0)
        return {"x-ms-throttle-limit-percentage": f"{min(usage, _MOST_TOLD):.2f}"} if usage > _NEAR else {}

    def _batch(self, call: Call, grant: Grant) -> Answer:
        children = call.properties().get("requests")
        if call.batch_grant or not isinstance(children, list):
            raise bad("Invalid batch payload format.", "BadRequest")
        if len(children) > MOST_IN_A_BATCH:
            message = f"Number of batch request steps exceeds the maximum value of {MOST_IN_A_BATCH}."
            raise bad(message, "BadRequest")
        ids = {str(json_object(child).get("id") or "") for child in children}
        if len(ids) < len(children) or "" in ids:
            raise bad("Every request of a batch needs an id of its own.", "BadRequest")
        responses = [self._child(child, grant) for child in children]
        self._tenant.rng.shuffle(responses)
        return Answer(200, {"responses": responses})

    def _child(self, child: Mapping[str, Any], grant: Grant) -> dict[str, Any]:
        url = URL(f"/v1.0/{str(child.get('url', '')).lstrip('/')}")
        call = Call(
            method=str(child.get("method", "")).upper(),
            segments=segments_of(url.path),
            query=url.query,
            headers=CIMultiDict(json_object(child.get("headers"))),
            body=json.dumps(child.get("body")).encode(),
            batch_grant=grant,
        )
        answer = self.answer(call)
        headers = {**answer.headers, "Content-Type": "application/json"}
        # A child has no connection of its own that could be closed.
        return {"id": child["id"], "status": answer.status or 504, "headers": headers, "body": answer.body}


def segments_of(path: str) -> tuple[str, ...]:
    """Split a decoded path; the first segment is the version."""
    return tuple(path.strip("/").split("/"))


def route_of(method: str, segments: tuple[str, ...]) -> Route:
    """Say which route a request takes, whoever and whichever operation it is about."""
    shape = list(segments)
    if shape[1:2] in (["users"], ["groups"]):
        shape[2:3] = "*" * len(shape[2:3])
        if shape[4:5] == ["operations"]:
            shape[5:6] = "*" * len(shape[5:6])
    return _ROUTES.get(f"{method} {'/'.join(shape)}", Route.UNKNOWN)


def _take(quota: Quota | None, now: float, cost: float, kind: str) -> None:
    """Take from a quota for requests of this kind: `Read`, `Write` or `ReadWrite`. Raises `RefusedError`."""
    wait = quota.take(now, cost) if quota else 0.0
    if quota is None or wait <= 0:
        return
    scope = f"Tenant_Application/{kind}/{CLIENT_ID}/{TENANT_ID}"
    headers = {"x-ms-throttle-scope": scope, "x-ms-throttle-information": "ResourceUnitLimitExceeded"}
    # A date is read by the client's clock, which need not be the simulated one.
    hint = quota.limit.header(wait, datetime.now(UTC))
    if hint is not None:
        headers["Retry-After"] = hint
    raise RefusedError(429, "TooManyRequests", "Too many requests.", headers)
