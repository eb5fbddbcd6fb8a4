"""What a sign-in may do: which routes its permissions open, which it lacks, and which directory roles may reset."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from batchreset.model import Method, RevokeSessions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from batchreset.model import Operator
    from batchreset.settings import Settings

_RESET = "UserAuthenticationMethod.ReadWrite.All"
_PROFILE = "User-PasswordProfile.ReadWrite.All"
#: The permission that each route takes.
PERMISSION_OF: Mapping[Method, str] = MappingProxyType(
    {Method.RESET_PASSWORD: _RESET, Method.PASSWORD_PROFILE: _PROFILE}
)

#: What revoking sessions takes, and blocking or opening sign-in.
REVOKING, BLOCKING = "User.RevokeSessions.All", "User.EnableDisableAccount.All"

#: What each permission is needed for.
PURPOSES: Mapping[str, str] = MappingProxyType(
    {
        "User.Read.All": "to look accounts up",
        "RoleManagement.Read.Directory": "to leave holders of directory roles out",
        "GroupMember.Read.All": "to leave out those who hold one through a group, and to reset a group",
        "Organization.Read.All": "to know the tenant's name and domains",
        _RESET: "to reset by reset-password, and to follow its operations",
        _PROFILE: "to reset by password-profile",
        REVOKING: "to revoke sessions",
        BLOCKING: "to block sign-in, and to open it again",
        "IdentityRiskyUser.Read.All": "to reset the users at risk",
    }
)
#: Wider permissions that do as well. Source: "Permissions" on each route's page of the Graph reference, v1.0.
_WIDER: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "User.Read.All": frozenset({"User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}),
        "RoleManagement.Read.Directory": frozenset(
            {
                "RoleManagement.Read.All",
                "RoleManagement.ReadWrite.Directory",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            }
        ),
        "GroupMember.Read.All": frozenset(
            {
                "GroupMember.ReadWrite.All",
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            }
        ),
        "Organization.Read.All": frozenset(
            {"Organization.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
        ),
        "IdentityRiskyUser.Read.All": frozenset({"IdentityRiskyUser.ReadWrite.All"}),
        REVOKING: frozenset({"User.ReadWrite.All", "Directory.ReadWrite.All"}),
        BLOCKING: frozenset({"User.ReadWrite.All", "Directory.ReadWrite.All"}),
        # Delegated only: no application has it.
        _PROFILE: frozenset({"Directory.AccessAsUser.All"}),
    }
)

#: What cannot be done without it, and how to do without that.
_WITHOUT: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        REVOKING: ("Sessions cannot be revoked", "or plan again with --revoke-sessions never"),
        BLOCKING: ("Sign-in cannot be blocked", "or plan again without --disable"),
    }
)

#: Directory roles that may reset a user's password. Source: "Permissions" of authenticationMethod: resetPassword.
RESET_ROLES = (
    "Authentication Administrator",
    "Privileged Authentication Administrator",
    "User Administrator",
    "Helpdesk Administrator",
    "Password Administrator",
    "Global Administrator",
)
#: Those that an application needs one of to write passwords. Source: "Permissions" of Update user.
APPLICATION_RESET_ROLES = ("User Administrator", "Privileged Authentication Administrator", "Global Administrator")


def missing(needed: Iterable[str], granted: Collection[str]) -> tuple[str, ...]:
    """Return those of the needed permissions that are neither granted nor contained in a wider one."""
    have = frozenset(granted)
    return tuple(name for name in needed if not have & {name, *_WIDER.get(name, ())})


def beside_the_reset(settings: Settings) -> tuple[str, ...]:
    """Return the permissions that the writes beside the reset take, by what was asked for."""
    revoking = () if settings.revoke_sessions is RevokeSessions.NEVER else (REVOKING,)
    return (*revoking, *((BLOCKING,) if settings.disable else ()))


def cannot_go_with_it(settings: Settings, granted: Collection[str]) -> tuple[str, ...]:
    """Say what these permissions do not allow beside the reset, one sentence each."""
    return tuple(
        f"{_WITHOUT[name][0]}: the sign-in lacks {name}; have it consented to and sign in again, {_WITHOUT[name][1]}."
        for name in missing(beside_the_reset(settings), granted)
    )


def routes(granted: Collection[str], *, is_app_only: bool) -> tuple[Method, ...]:
    """Return the routes that permissions open, the better one first. resetPassword is closed to applications."""
    opened = []
    if not is_app_only and not missing((_RESET,), granted):
        opened.append(Method.RESET_PASSWORD)
    if not missing((_PROFILE,), granted):
        opened.append(Method.PASSWORD_PROFILE)
    return tuple(opened)


def may_reset(roles: Collection[str], *, is_app_only: bool) -> tuple[str, ...]:
    """Return those of the roles held, by their display names, that may reset passwords."""
    return tuple(role for role in resetting_roles(is_app_only=is_app_only) if role in roles)


def resetting_roles(*, is_app_only: bool) -> tuple[str, ...]:
    """Return the roles one of which whoever signs in has to hold."""
    return APPLICATION_RESET_ROLES if is_app_only else RESET_ROLES


def has_lost_its_role(before: Operator, now: Operator) -> bool:
    """Say whether whoever is signed in is the same as before, and held a role that may reset then but none now."""
    if before.user != now.user or before.roles is None or now.roles is None:
        return False
    is_app_only = now.is_application
    return bool(may_reset(before.roles, is_app_only=is_app_only)) and not may_reset(now.roles, is_app_only=is_app_only)
