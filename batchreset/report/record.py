"""What the status table knows of a run, read in pieces that fit in memory."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import exists, func, or_, select

from batchreset.model import Outcome, State, Step, outcome_of
from batchreset.status import cares, schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

CHUNK_ROWS = 10_000
_THROTTLED = 429
_SECOND = len("2026-11-21T17:55:02")

_RESETS: list[ColumnElement[Any]] = [
    *(
        schema.resets.c[name]
        for name in (
            *("id", "row", "source", "identifier", "user", "object_id", "display_name", "kind"),
            *("marks", "enabled_before", "state", "reason", "detail", "finished_at", "verified_at", "cohort"),
        )
    ),
    cares.is_excepted().label("is_excepted"),
]
_SENDS = [
    schema.sends.c[name]
    for name in (
        *("reset_id", "step", "client_request_id", "request_id", "intent_at", "answered_at"),
        *("status", "verdict", "detail", "operation_url", "polls"),
    )
]


def count_rows(connection: Connection) -> int:
    """Count the rows of the cohort that the table holds."""
    return connection.execute(select(func.count()).select_from(schema.resets)).scalar_one()


def count_outcomes(connection: Connection) -> Counter[Outcome]:
    """Count the rows by their outcome."""
    by_state = select(schema.resets.c.state, func.count()).group_by(schema.resets.c.state)
    counts: Counter[Outcome] = Counter()
    for state, rows in connection.execute(by_state):
        counts[outcome_of(State(state))] += rows
    return counts


def read_rows(connection: Connection, chunk_rows: int = CHUNK_ROWS) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield chunks in input order: the rows, and every send of theirs in the order of the sends."""
    resets, sends = schema.resets.c, schema.sends.c
    last = 0
    while rows := connection.execute(
        select(*_RESETS).where(resets.id > last).order_by(resets.id).limit(chunk_rows)
    ).all():
        first, last = rows[0].id, rows[-1].id
        theirs = connection.execute(
            select(*_SENDS).where(sends.reset_id.between(first, last)).order_by(sends.reset_id, sends.id)
        ).all()
        yield _frame(rows, _RESETS), _frame(theirs, _SENDS)


def _frame(rows: Sequence[Row[Any]], columns: Sequence[ColumnElement[Any]]) -> pd.DataFrame:
    # Objects throughout: an inferred type would turn NULL into NaN and text into what it looks like.
    return pd.DataFrame([tuple(row) for row in rows], columns=[column.key for column in columns], dtype=object)


def read_audit(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield the audit trail, its oldest event first."""
    trail = select(schema.audit).order_by(schema.audit.c.id)
    for event in connection.execution_options(yield_per=CHUNK_ROWS).execute(trail):
        told = {"at": event.at, "event": event.event, "route": event.route, "status": event.status}
        told = {name: value for name, value in (told | {"reset_id": event.reset_id}).items() if value is not None}
        yield told | json.loads(event.fields) | told  # the columns first, and never overruled


def read_evidence(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield what the directory last said of the accounts, in input order, each before and after; None is nobody."""
    resets, evidence, newer = schema.resets.c, schema.evidence.c, schema.evidence.alias().c
    is_outdated = exists().where(
        newer.reset_id == evidence.reset_id, newer.moment == evidence.moment, newer.id > evidence.id
    )
    said = (
        select(resets.row, resets.source, resets.user, resets.object_id, evidence.moment, evidence.at, evidence.said)
        .join_from(schema.resets, schema.evidence)
        .where(~is_outdated)
        .order_by(resets.id, evidence.moment.desc())
    )
    for line in connection.execution_options(yield_per=CHUNK_ROWS).execute(said).mappings():
        yield {**line, "said": json.loads(line["said"])}


def read_traffic(connection: Connection) -> dict[str, int]:
    """Count the requests: all, by route, throttled answers, and writes that repeated an attempt."""
    audit, sends = schema.audit.c, schema.sends.c
    requests = select(func.count()).where(audit.event == "request")
    each = (
        select((func.count() - 1).label("again"))
        .where(or_(sends.verdict.is_(None), sends.verdict.not_in(("throttled", "unsent"))))
        .group_by(sends.reset_id, sends.step)
        .subquery()
    )
    queries: dict[str, Select[int]] = {
        "requests": requests,
        "writes": requests.where(audit.route == "write"),
        "reads": requests.where(audit.route == "read"),
        "polls": requests.where(audit.route == "poll"),
        "throttled": requests.where(audit.status == _THROTTLED),
        "retried": select(func.coalesce(func.sum(each.c.again), 0)),
    }
    return {name: connection.execute(query).scalar_one() for name, query in queries.items()}


def read_timeline(connection: Connection) -> dict[str, dict[str, float]]:
    """Count, for each second (`2026-11-21T17:55:02`), what was sent, refused (429), accepted, succeeded and failed.

    `learned` are the writes a second that the quota was found to be, in the seconds in which it was.
    """
    resets, sends = schema.resets.c, schema.sends.c
    reset = (sends.step == Step.RESET, sends.verdict != "unsent")
    return {
        "sent": _by_second(connection, func.coalesce(sends.answered_at, sends.intent_at), *reset),
        "refused": _by_second(connection, sends.answered_at, *reset, sends.status == _THROTTLED),
        "accepted": _by_second(connection, sends.answered_at, *reset, sends.verdict == "accepted"),
        "succeeded": _by_second(connection, resets.finished_at, resets.state == State.SUCCEEDED),
        "failed": _by_second(connection, resets.finished_at, resets.state == State.FAILED),
        "learned": {at[:_SECOND]: told["rate"] for at, told in _decisions(connection, "quota learned")},
    }


def read_time_spent(connection: Connection) -> dict[str, float]:
    """Add up where the seconds of all starts that came to their end went."""
    total: dict[str, float] = {}
    for _, told in _decisions(connection, "stopped"):
        for what, seconds in told.get("spent", {}).items():
            total[what] = round(total.get(what, 0.0) + seconds, 3)
    return total


def _decisions(connection: Connection, event: str) -> list[tuple[str, dict[str, Any]]]:
    """Return when a decision was taken, each time, and its fields."""
    audit = schema.audit.c
    found = connection.execute(select(audit.at, audit.fields).where(audit.event == event).order_by(audit.id))
    return [(at, json.loads(fields)) for at, fields in found]


def _by_second(connection: Connection, at: ColumnElement[Any], *which: ColumnElement[bool]) -> dict[str, float]:
    second = func.substr(at, 1, _SECOND)
    counted = select(second, func.count()).where(*which, at.is_not(None)).group_by(second).order_by(second)
    return dict(connection.execute(counted).all())
