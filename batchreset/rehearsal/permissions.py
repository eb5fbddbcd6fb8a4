"""Which permission opens which route: delegated to an application by a user, or the application's own."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from batchreset.rehearsal.behaviour import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.rehearsal.exchange import Call
    from batchreset.rehearsal.tokens import Grant


@dataclass(frozen=True, slots=True)
class _Openers:
    """Permissions any one of which will do, separated by blanks; none at all where there is no such way."""

    delegated: str
    application: str

    def open_to(self, permissions: frozenset[str], *, is_app_only: bool) -> bool:
        names = self.application if is_app_only else self.delegated
        return not permissions.isdisjoint(names.split())


_READ_USERS = "User.Read.All User.ReadWrite.All Directory.Read.All Directory.ReadWrite.All"
_READ_ROLES = "RoleManagement.Read.Directory RoleManagement.ReadWrite.Directory Directory.Read.All"
_READ_ELIGIBILITY = (
    "RoleEligibilitySchedule.Read.Directory RoleEligibilitySchedule.ReadWrite.Directory "
    "RoleManagement.Read.Directory RoleManagement.Read.All RoleManagement.ReadWrite.Directory"
)
_READ_GROUPS = (
    "GroupMember.Read.All GroupMember.ReadWrite.All Group.Read.All Group.ReadWrite.All "
    "Directory.Read.All Directory.ReadWrite.All"
)
_READ_RISK = "IdentityRiskyUser.Read.All IdentityRiskyUser.ReadWrite.All"
_READ_ORGANIZATION = "Organization.Read.All Directory.Read.All Directory.ReadWrite.All"
_READ_METHODS = "UserAuthenticationMethod.Read.All UserAuthenticationMethod.ReadWrite.All"

#: By route; an update is opened property by property. Source: "Permissions" on each route's page of the Graph
#: reference, v1.0. What User.Read.All opens to a user, it opens although these pages name User.Read only.
_OPENED_BY: Mapping[str, _Openers] = MappingProxyType(
    {
        Route.ME: _Openers(f"User.Read {_READ_USERS}", ""),
        Route.OWN_ROLES: _Openers(f"User.Read {_READ_USERS}", ""),
        Route.ORGANIZATION: _Openers(f"User.Read {_READ_USERS} {_READ_ORGANIZATION}", _READ_ORGANIZATION),
        Route.USERS: _Openers(_READ_USERS, _READ_USERS),
        Route.USER: _Openers(_READ_USERS, _READ_USERS),
        Route.ROLES: _Openers(_READ_ROLES, _READ_ROLES),
        Route.ELIGIBLE: _Openers(_READ_ELIGIBILITY, _READ_ELIGIBILITY),
        Route.GROUPS: _Openers(_READ_GROUPS, _READ_GROUPS),
        Route.GROUP: _Openers(_READ_GROUPS, _READ_GROUPS),
        Route.MEMBERS: _Openers(_READ_GROUPS, _READ_GROUPS),
        Route.OWNERS: _Openers(_READ_GROUPS, _READ_GROUPS),
        Route.RISKY: _Openers(_READ_RISK, _READ_RISK),
        Route.OPERATION: _Openers(_READ_METHODS, ""),
        Route.RESET: _Openers("UserAuthenticationMethod.ReadWrite.All", ""),
        Route.REVOKE: _Openers(
            "User.RevokeSessions.All User.ReadWrite.All Directory.ReadWrite.All",
            "User.RevokeSessions.All User.ReadWrite.All Directory.ReadWrite.All",
        ),
        "passwordProfile": _Openers(
            "User-PasswordProfile.ReadWrite.All Directory.AccessAsUser.All", "User-PasswordProfile.ReadWrite.All"
        ),
        "accountEnabled": _Openers(
            "User.EnableDisableAccount.All User.ReadWrite.All", "User.EnableDisableAccount.All User.ReadWrite.All"
        ),
    }
)


def is_permitted(grant: Grant, route: Route, call: Call) -> bool:
    """Say whether a token's permissions open a route. Raises `RefusedError` for an update that cannot be read."""
    if grant.permissions is None:
        return True
    wanted = call.properties() if route is Route.UPDATE else (route,)
    needed = [_OPENED_BY[name] for name in wanted if name in _OPENED_BY]
    return all(each.open_to(grant.permissions, is_app_only=grant.is_app_only) for each in needed)
