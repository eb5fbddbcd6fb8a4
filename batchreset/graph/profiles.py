"""The other route to a new password: PATCH /users/{id} with a passwordProfile. There is no operation to follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping


def profile_path(object_id: str) -> str:
    """Return the path below the version that a passwordProfile is sent to."""
    return f"/users/{quote(object_id, safe='')}"


def profile_body(password: str | None, properties: Mapping[str, str | bool]) -> dict[str, Any]:
    """Return the body, with `properties` beside the password. Source: Microsoft's "Update user"."""
    if password is None:
        raise ValueError("the service makes no passwords on this route")
    return {"passwordProfile": {**properties, "password": password}}
