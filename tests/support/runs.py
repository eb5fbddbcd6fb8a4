"""Finished, halted and half-done runs for tests of the report: real status tables with rows put into them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Table, insert

from batchreset.model import RunState
from batchreset.report.summary import Summary
from batchreset.status import database, schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Engine

RUN_ID = "20261121T175502Z-leak-cohort-7f3a"
NOON = "2026-11-21T12:00:00.000Z"


def make_run(folder: Path, rows: Sequence[dict[str, Any]] = (), **facts: Any) -> Engine:
    """Make a run folder that holds `rows` of the table `resets`; `facts` replace columns of the table `run`.

    Without a setting that says otherwise, sessions are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    engine = database.create(folder)
    run = {
        "run_id": RUN_ID,
        "schema_version": schema.SCHEMA_VERSION,
        "version": "0.1.0",
        "state": RunState.FINISHED,
        "halted_because": None,
        "rehearsal": 0,
        "created_at": NOON,
        "started_at": NOON,
        "finished_at": "2026-11-21T12:03:20.000Z",
        "seconds": 200.0,
        "operator": {"object_id": _guid(7), "user": "admin@contoso.example"},
        "tenant": {"id": _guid(8), "name": "Contoso"},
        "graph_url": "https://graph.microsoft.com",
        "method": "reset-password",
        "settings": {"accept_excluded": [], "revoke_sessions": "never"} | facts.pop("settings", {}),
        "sources": [{"name": "cohort.csv", "sha256": "ab" * 32, "records": len(rows), "column": "userPrincipalName"}],
        "cohort_columns": [],
        "unchecked": [],
        "recipient": "age1example",
        "ticket": None,
        "justification": None,
    } | facts
    put(engine, schema.run, [{name: _text(value) for name, value in run.items()}])
    put(engine, schema.resets, [_row(number, row) for number, row in enumerate(rows, start=1)])
    return engine


def summarised(**facts: Any) -> Summary:
    """Make the figures of a run of nobody; `facts` replace some of them."""
    nothing: dict[str, Any] = {
        "run_id": RUN_ID,
        "version": "0.1.0",
        "rehearsal": False,
        "state": RunState.FINISHED,
        "rows": 0,
        "counts": {},
        "reasons": {},
        "started_at": NOON,
        "finished_at": NOON,
        "seconds": 1.0,
        "traffic": {},
        "cohort": {},
        "operator": {},
        "tenant": {},
        "method": "reset-password",
        "passwords_kept": True,
        "ticket": None,
        "justification": None,
        "halted_because": None,
        "quota": {},
        "time_spent": {},
        "sessions": {"revoked": 0, "failed": 0, "left": 0},
        "blocked": 0,
        "not_blocked": 0,
    }
    return Summary(**nothing | facts)


def put(engine: Engine, table: Table, lines: Sequence[dict[str, Any]]) -> None:
    """Insert lines into a table."""
    if lines:
        with engine.begin() as connection:
            connection.execute(insert(table), lines)


def send(reset_id: int, number: int = 1, **facts: Any) -> dict[str, Any]:
    """Make a line of the table `sends`: an accepted one, `number` seconds after noon."""
    return {
        "client_request_id": str(UUID(int=reset_id * 1000 + number)),
        "reset_id": reset_id,
        "step": "reset",
        "request_id": None,
        "intent_at": f"2026-11-21T12:00:{number:02}.000Z",
        "answered_at": f"2026-11-21T12:00:{number:02}.500Z",
        "status": 202,
        "verdict": "accepted",
        "operation_url": None,
        "detail": None,
        "polls": 0,
    } | facts


def request(number: int, **facts: Any) -> dict[str, Any]:
    """Make a line of the table `audit`: an accepted write."""
    return {
        "at": f"2026-11-21T12:00:{number:02}.000Z",
        "event": "request",
        "route": "write",
        "status": 202,
        "reset_id": None,
        "fields": "{}",
    } | facts


def _row(number: int, row: dict[str, Any]) -> dict[str, Any]:
    complete: dict[str, Any] = {
        "id": number,
        "source": "cohort.csv",
        "row": number + 1,
        "identifier": f"user{number}@contoso.example",
        "state": "succeeded",
        "cohort": {},
    }
    complete |= dict.fromkeys(("object_id", "user", "display_name", "kind", "reason", "detail"))
    complete |= dict.fromkeys(("finished_at", "verified_at", "enabled_before"))
    complete |= {"marks": "[]"}
    complete |= row
    return complete | {"key": complete["identifier"].casefold(), "cohort": _text(complete["cohort"])}


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _guid(number: int) -> str:
    return str(UUID(int=number))
