"""What a setting may be, where it is one of few."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Auth(StrEnum):
    """How to sign in: as a person, as an application, or with a token that somebody else obtained."""

    INTERACTIVE = "interactive"
    DEVICE_CODE = "device-code"
    SECRET = "secret"  # noqa: S105  a way to sign in, no secret
    CERTIFICATE = "certificate"
    MANAGED_IDENTITY = "managed-identity"
    TOKEN = "token"  # noqa: S105  a way to sign in, no token


class IfEmpty(StrEnum):
    """What a cohort without rows is."""

    ERROR = "error"
    OK = "ok"


class LogFormat(StrEnum):
    """How the log is written."""

    TEXT = "text"
    JSON = "json"


class Cloud(StrEnum):
    """The national clouds of Microsoft Graph."""

    GLOBAL = "global"
    USGOV = "usgov"
    DOD = "dod"
    CHINA = "china"


#: Graph's root in each cloud. Source: Microsoft's "National cloud deployments".
GRAPH_ROOTS: Mapping[Cloud, str] = MappingProxyType(
    {
        Cloud.GLOBAL: "https://graph.microsoft.com",
        Cloud.USGOV: "https://graph.microsoft.us",
        Cloud.DOD: "https://dod-graph.microsoft.us",
        Cloud.CHINA: "https://microsoftgraph.chinacloudapi.cn",
    }
)
