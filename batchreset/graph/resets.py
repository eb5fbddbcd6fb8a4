"""The reset itself: POST .../authentication/methods/{id}/resetPassword, and looking at the operation it starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batchreset.policy.verdict import Answer
from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.graph.session import Exchange, GraphSession

#: The password method's id is this constant in every tenant (Microsoft, "passwordAuthenticationMethod").
PASSWORD_METHOD_ID = "28c10230-6103-485e-b985-444c60001490"  # noqa: S105  a public constant


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """One reset to send. `password` is None where the service is to make it."""

    object_id: str
    client_request_id: str
    password: Secret | None
    headers: Mapping[str, str]
    properties: Mapping[str, str]


def reset_path(object_id: str) -> str:
    """Return the path below the version that a reset is posted to."""
    return f"/users/{quote(object_id, safe='')}/authentication/methods/{PASSWORD_METHOD_ID}/resetPassword"


async def send_reset(graph: GraphSession, request: ResetRequest) -> tuple[Exchange, Secret | None]:
    """Post a reset; return what came of it, and the password the service made, if it made one.

    No password is left in the exchange: the one made by the service is taken out of the body, and one that the
    service quotes back is masked.
    """
    body: dict[str, Any] = dict(request.properties)
    if request.password is not None:
        body["newPassword"] = request.password.reveal()
    exchange = await graph.send(
        "POST",
        reset_path(request.object_id),
        body=body,
        headers=request.headers,
        client_request_id=request.client_request_id,
    )
    result = exchange.result
    if not isinstance(result, Answer) or result.body is None:
        return exchange, None
    made = _made_password(result.body) if request.password is None else None
    cleaned = replace(result, body=_without(result.body, request.password))
    return replace(exchange, result=cleaned), made


def _made_password(body: Any) -> Secret | None:
    text = body.get("newPassword") if isinstance(body, dict) else None
    return Secret(text) if isinstance(text, str) and text else None


def _without(body: Any, password: Secret | None) -> Any:
    """Keep of a body only its error, with the password masked where the service quotes it."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None
    plain = password.reveal() if password is not None else None
    shown = {name: str(error.get(name) or "") for name in ("code", "message")}
    if plain:
        shown = {name: text.replace(plain, "***") for name, text in shown.items()}
    return {"error": shown}


async def look_at_operation(graph: GraphSession, url: str) -> Exchange:
    """Ask an operation how it stands. `url` is its Location, query string and all."""
    return await graph.send("GET", url)
