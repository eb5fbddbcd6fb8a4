"""What an answer says of the service's limits besides Retry-After. Whatever is absent or not understood says nothing.

Source: "Identity and access service limits", section "Response headers", in Microsoft's throttling limits:
https://learn.microsoft.com/graph/throttling-limits#identity-and-access-service-limits
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from batchreset.policy.verdict import Answer

if TYPE_CHECKING:
    from batchreset.policy.verdict import Result

#: The share of its limit from which on an application is near it.
_NEAR = 0.8
#: Whose requests a limit counts: all three include every request of this application in this tenant.
_WHOSE = frozenset({"tenant_application", "tenant", "application"})


class Limited(StrEnum):
    """Which requests a limit is for."""

    READ = "read"
    WRITE = "write"
    READ_WRITE = "readwrite"


def is_near_limit(result: Result) -> bool:
    """Say whether an answer tells that the application is near its limit (`x-ms-throttle-limit-percentage`)."""
    told = result.headers.get("x-ms-throttle-limit-percentage") if isinstance(result, Answer) else None
    if not told:
        return False
    try:
        return float(told) > _NEAR
    except ValueError:
        return False


def limited(result: Result) -> Limited | None:
    """Say which requests the limit is for that an answer names (`x-ms-throttle-scope`).

    Its form is `Tenant_Application/Write/{application}/{tenant}`: whose requests, and of which kind. Another form,
    such as `Tenant_Application_Write` of the preview, means None.
    """
    told = result.headers.get("x-ms-throttle-scope", "") if isinstance(result, Answer) else ""
    whose, _, rest = told.lower().partition("/")
    kind = rest.partition("/")[0]
    return Limited(kind) if whose in _WHOSE and kind in set(Limited) else None
