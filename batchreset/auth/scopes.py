"""Which permissions the chosen actions need, and no more."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchreset.auth.clouds import resource
from batchreset.model import Method
from batchreset.policy.permissions import BLOCKING, PERMISSION_OF, REVOKING, beside_the_reset

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
        "GroupMember.Read.All": "bc024368-1153-4739-b217-4326f2e966d0",
        "IdentityRiskyUser.Read.All": "d04bb851-cb7c-4146-97c7-ca3e71baf56c",
        "User.RevokeSessions.All": "fc30e98b-8810-4501-81f5-c20a3196387b",
        "User.EnableDisableAccount.All": "f92e74e7-2563-467f-9dd0-902688cb5863",
    }
)
#: The same, of an application's own.
APPLICATION_IDS: Mapping[str, str] = MappingProxyType(
    {
        "User.Read.All": "df021288-bdef-4463-88db-98f22de89214",
        "RoleManagement.Read.Directory": "483bed4a-2ad3-4361-a73b-c83ccdbdc53c",
        "Organization.Read.All": "498476ce-e0fe-48b0-b801-37ba7e2685c6",
        "User-PasswordProfile.ReadWrite.All": "cc117bb9-00cf-4eb8-b580-ea2a878fe8f7",
        "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
        "IdentityRiskyUser.Read.All": "dc5007c0-2d7d-4c42-879c-2dab87571379",
        "User.RevokeSessions.All": "77f3a031-c388-4f99-b373-dc68676a979e",
        "User.EnableDisableAccount.All": "3011c876-62b7-4ada-afa2-506cbbecc68c",
    }
)
_LOOK_UPS = ("User.Read.All", "RoleManagement.Read.Directory", "GroupMember.Read.All")
#: A person is told without it.
_TENANT = "Organization.Read.All"
_RISK = "IdentityRiskyUser.Read.All"


def needed(settings: Settings, *, is_app_only: bool) -> tuple[str, ...]:
    """Return the permissions that a run by these settings needs."""
    risk = (_RISK,) if settings.risky_users else ()
    return (*_to_reset(settings, is_app_only=is_app_only), *beside_the_reset(settings), *risk)


def delegated(settings: Settings) -> list[str]:
    """Return the scopes that a person is asked to consent to."""
    return [f"{resource(settings)}/{name}" for name in needed(settings, is_app_only=False)]


def registered(settings: Settings, *, is_app_only: bool) -> tuple[str, ...]:
    """Return the permissions that an app registration is made with: those of every option, by the chosen route.

    Consent takes an administrator, and is given ahead of the incident.
    """
    return (*_to_reset(settings, is_app_only=is_app_only), REVOKING, BLOCKING, _RISK)


def registration(settings: Settings, *, is_app_only: bool) -> list[dict[str, Any]]:
    """Return the required resource access of an app registration, as its manifest and `az ad app create` have it."""
    ids, kind = (APPLICATION_IDS, "Role") if is_app_only else (DELEGATED_IDS, "Scope")
    access = [{"id": ids[name], "type": kind} for name in registered(settings, is_app_only=is_app_only)]
    return [{"resourceAppId": GRAPH_APP_ID, "resourceAccess": access}]


def _to_reset(settings: Settings, *, is_app_only: bool) -> tuple[str, ...]:
    """Return what looking up and resetting need; an application has one route only."""
    if is_app_only:
        return (*_LOOK_UPS, _TENANT, PERMISSION_OF[Method.PASSWORD_PROFILE])
    return (*_LOOK_UPS, PERMISSION_OF[Method.RESET_PASSWORD if settings.method is Method.AUTO else settings.method])
