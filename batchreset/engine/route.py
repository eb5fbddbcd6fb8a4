"""The route that a run takes: which, why, and what it sends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batchreset.errors import SettingsError
from batchreset.graph.resets import form_of
from batchreset.model import PasswordSource
from batchreset.policy.routing import NoRoute, Route, route

if TYPE_CHECKING:
    from batchreset.settings import Settings
    from batchreset.status.record import RunRecord


def routed(settings: Settings, *, is_app_only: bool | None) -> Route:
    """Choose the route. Raises `SettingsError` where what was asked for cannot be had."""
    chosen = route(settings, is_app_only=is_app_only)
    if isinstance(chosen, NoRoute):
        raise SettingsError(chosen.why)
    return chosen


def because(line: RunRecord, settings: Settings) -> str:
    """Say why a run takes its route, which it keeps whoever resumes it."""
    chosen = route(settings, is_app_only=line.operator.is_application)
    return chosen.because if isinstance(chosen, Route) and chosen.method is line.method else "as planned"


def request_text(line: RunRecord, settings: Settings, object_id: str) -> str:
    """Write the first request out, to the letter but for what is secret or may be."""
    form = form_of(line.method, settings)
    verb, path, body = form.write(object_id, None if settings.password_source is PasswordSource.SYSTEM else "***")
    # What somebody's --header says may be a key.
    headers = "".join(f"{name}: ***\n" for name in form.headers)
    return (
        f"{verb} {settings.graph_root}/v1.0{path}\n"
        f"Authorization: Bearer ***\nclient-request-id: (a new GUID)\n{headers}"
        f"Content-Type: application/json\n\n{json.dumps(body, ensure_ascii=False)}"
    )
