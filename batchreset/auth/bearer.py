"""What a bearer token says of itself, where it is a JWT. Graph alone decides what it is worth."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchreset.secret import Secret


@dataclass(frozen=True, slots=True)
class Bearer:
    """The facts of a token: until when, for whom, and what it allows. Texts that are not known are empty.

    `user` is the UPN, or the application's name where no person is behind it (`is_app_only`). `permissions` are those
    delegated by the user, or the application's own.
    Source: Microsoft's "Access token claims reference".
    """

    expires_at: datetime | None
    user: str
    object_id: str
    tenant_id: str
    client_id: str
    permissions: frozenset[str]
    is_app_only: bool


def is_sendable(text: object) -> bool:
    """Say whether this is a text that a header can carry as a bearer token."""
    return isinstance(text, str) and text.isascii() and text.isprintable() and bool(text) and " " not in text


def read(token: Secret) -> Bearer | None:
    """Read a token's facts; None where it is no JWT. Nothing is verified: only Graph could."""
    parts = token.reveal().split(".")
    if len(parts) != 3:  # noqa: PLR2004  header, payload, signature
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    if not isinstance(claims, dict):
        return None
    is_app_only = claims.get("idtyp") == "app" or ("scp" not in claims and "roles" in claims)
    roles = claims.get("roles")
    return Bearer(
        expires_at=_time(claims.get("exp")),
        user=_text(claims, "upn", "unique_name", "preferred_username", "app_displayname"),
        object_id=_text(claims, "oid"),
        tenant_id=_text(claims, "tid"),
        client_id=_text(claims, "appid", "azp"),
        permissions=frozenset(
            (role for role in (roles if isinstance(roles, list) else ()) if isinstance(role, str))
            if is_app_only
            else _text(claims, "scp").split()
        ),
        is_app_only=is_app_only,
    )


def _time(seconds: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None
    except (ValueError, OverflowError, OSError):
        return None


def _text(claims: dict[str, Any], *names: str) -> str:
    """Return the first of these claims that is a text."""
    return next((value for name in names if isinstance(value := claims.get(name), str) and value), "")
