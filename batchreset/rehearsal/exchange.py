"""One request and one answer, as values: what the tenant sees of HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.rehearsal.tokens import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request. The path's segments and the query are decoded; headers compare without regard to case."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    #: The sign-in of the batch that this is a child of.
    batch_grant: Grant | None = None

    @property
    def user(self) -> str:
        """The object id or UPN in a path that begins with /v1.0/users/."""
        return self.segments[2]

    @property
    def client_request_id(self) -> str | None:
        """The caller's own name for this request."""
        return self.headers.get("client-request-id")

    def properties(self) -> dict[str, Any]:
        """Read the body as a JSON object; none at all is an empty one. Raises `RefusedError`."""
        try:
            return json_object(json.loads(self.body or b"{}"))
        except ValueError:
            raise json_object_expected() from None


@dataclass(slots=True)
class Answer:
    """An answer. A `status` of None is none: the connection is closed. A `delay` is in seconds."""

    status: int | None
    #: JSON, or HTML as text.
    body: Any = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


class RefusedError(Exception):
    """The request is answered by an error in Graph's envelope, and was not carried out."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        """Take what goes into the answer."""
        super().__init__(message)
        self.answer = error(status, code, message, headers)


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    """Return an error in Graph's envelope; its `innerError` is filled in when it leaves."""
    return Answer(status, {"error": {"code": code, "message": message, "innerError": {}}}, headers or {})


def json_object(value: Any) -> dict[str, Any]:
    """Return `value` if it is a JSON object, an empty one for null. Raises `RefusedError` for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise json_object_expected()
    return value


def json_object_expected() -> RefusedError:
    """Return the refusal of a body that cannot be read."""
    return bad("Unable to read JSON request payload.", "BadRequest")


def bad(message: str, code: str = "Request_BadRequest") -> RefusedError:
    """Return the refusal of a request that cannot be meant."""
    return RefusedError(400, code, message)


def denied(message: str = "Insufficient privileges to complete the operation.") -> RefusedError:
    """Return the refusal for want of permission."""
    return RefusedError(403, "Authorization_RequestDenied", message)


def not_found(resource: str) -> RefusedError:
    """Return the refusal of a look-up by name or id."""
    message = f"Resource '{resource}' does not exist or one of its queried reference-property objects are not present."
    return RefusedError(404, "Request_ResourceNotFound", message)
