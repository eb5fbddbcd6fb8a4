"""Which permissions the chosen actions need, and no more."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchreset.auth.clouds import resource
from batchreset.model import Method

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.settings import Settings

#: Microsoft Graph itself, in every tenant and cloud.
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
#: What each permission's id is, on behalf of a user. Source: Microsoft's "Microsoft Graph permissions reference".
DELEGATED_IDS: Mapping[str, str] = MappingProxyType(
    {
        "User.Read.All": "a154be20-db9c-4678-8ab7-66f6cc099a59",
        "RoleManagement.Read.Directory": "741c54c3-0c1e-44a1-818b-3f97ab4e8c83",
        "UserAuthenticationMethod.ReadWrite.All": "b7887744-6746-4312-813d-72daeaee7e2d",
        "User-PasswordProfile.ReadWrite.All": "56760768-b641-451f-8906-e1b8ab31bca7",
        "User.RevokeSessions.All": "fc30e98b-8810-4501-81f5-c20a3196387b",
    }
)
#: The same, of an application's own.
APPLICATION_IDS: Mapping[str, str] = MappingProxyType(
    {
        "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
        "RoleManagement.Read.Directory": "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
        "User-PasswordProfile.ReadWrite.All": "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7",
    }
)
_LOOK_UPS = ("User.Read.All", "RoleManagement.Read.Directory")
_WRITES: Mapping[Method, str] = MappingProxyType(
    {
        Method.RESET_PASSWORD: "UserAuthenticationMethod.ReadWrite.All",
        Method.PASSWORD_PROFILE: "User-PasswordProfile.ReadWrite.All",
    }
)


def needed(method: Method, *, is_app_only: bool) -> tuple[str, ...]:
    """Return the permissions that a run by `method` needs; an application has one route only."""
    if is_app_only:
        method = Method.PASSWORD_PROFILE
    elif method is Method.AUTO:
        method = Method.RESET_PASSWORD
    return (*_LOOK_UPS, _WRITES[method])


def delegated(settings: Settings) -> list[str]:
    """Return the scopes that a person is asked to consent to."""
    return [f"{resource(settings)}/{name}" for name in needed(settings.method, is_app_only=False)]


def registration(method: Method, *, is_app_only: bool) -> list[dict[str, Any]]:
    """Return the required resource access of an app registration, as its manifest and `az ad app create` have it.

    A person's holds what revoking sessions needs too: consent takes an administrator, and is given ahead.
    """
    names = needed(method, is_app_only=is_app_only)
    ids, kind = (APPLICATION_IDS, "Role") if is_app_only else (DELEGATED_IDS, "Scope")
    ahead = () if is_app_only else ("User.RevokeSessions.All",)
    access = [{"id": ids[name], "type": kind} for name in (*names, *ahead)]
    return [{"resourceAppId": GRAPH_APP_ID, "resourceAccess": access}]
