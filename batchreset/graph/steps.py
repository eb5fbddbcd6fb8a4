"""The writes that go with a reset: revoking sessions, blocking sign-in and opening it again."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchreset.graph.profiles import profile_path
from batchreset.model import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.graph.session import Exchange, GraphSession

_ENABLED: Mapping[Step, bool] = MappingProxyType({Step.DISABLE: False, Step.ENABLE: True})


async def send_step(graph: GraphSession, step: Step, object_id: str, client_request_id: str) -> Exchange:
    """Send a step that is not the reset.

    Sources: "user: revokeSignInSessions" and "Update user" of the Graph reference, v1.0.
    """
    path = profile_path(object_id)
    if step not in _ENABLED:
        return await graph.send("POST", f"{path}/revokeSignInSessions", client_request_id=client_request_id)
    body: dict[str, Any] = {"accountEnabled": _ENABLED[step]}
    return await graph.send("PATCH", path, body=body, client_request_id=client_request_id)
