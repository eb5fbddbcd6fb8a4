"""Where one signs in, cloud by cloud, for which Graph, and as which application."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from batchreset.errors import SignInError
from batchreset.settings import GRAPH_ROOTS, Cloud

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.settings import Settings

#: The sign-in service of each cloud. Source: Microsoft's "National cloud deployments".
LOGIN_ROOTS: Mapping[Cloud, str] = MappingProxyType(
    {
        Cloud.GLOBAL: "https://login.microsoftonline.com",
        Cloud.USGOV: "https://login.microsoftonline.us",
        Cloud.DOD: "https://login.microsoftonline.us",
        Cloud.CHINA: "https://login.chinacloudapi.cn",
    }
)


def authority(settings: Settings) -> str:
    """Return the sign-in service's URL, tenant included. Raises `SignInError` where no tenant is named."""
    if settings.authority:
        return settings.authority.rstrip("/")
    if not settings.tenant:
        raise SignInError(
            "Which tenant to sign in to is not known: name it with --tenant, by its id or one of its domains."
        )
    return f"{LOGIN_ROOTS[settings.cloud]}/{settings.tenant}"


def resource(settings: Settings) -> str:
    """Return what a token is asked for: the cloud's Graph, wherever `--graph-url` leads."""
    return GRAPH_ROOTS[settings.cloud]


def client_id(settings: Settings) -> str:
    """Return the application to sign in with. Raises `SignInError` where none is named."""
    if not settings.client_id:
        raise SignInError(
            "Which application to sign in with is not known: name your own app registration with --client-id; "
            "`batchreset login` without it prints how to make one."
        )
    return settings.client_id
