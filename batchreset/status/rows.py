"""The cohort's rows in the status table: putting them in, screening them, taking them out again to be worked on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, func, insert, select, update

from batchreset.model import LEFT_OUT, Fate, Kind, Reason, State, Step
from batchreset.policy.settling import NOTHING, Past, Send, past_of
from batchreset.status.changes import refuse_illegal
from batchreset.status.schema import candidates, resets, sends

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Engine, Select

    from batchreset.policy.screening import Exclusion

#: Rows that are ready, or in doubt.
MAY_BE_SENT = frozenset({State.READY, State.SENDING, State.DOUBTFUL})

#: What was answered so, or not at all, may have been applied.
_MAY_BE_APPLIED = (None, "accepted", "ambiguous")

#: Of the accounts that a source names, as many are shown.
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Work:
    """A row to be worked on: who, in which state, what its sends came to, and the candidate to go on with.

    That is the latest which may be in force, else the latest of all.
    """

    id: int
    object_id: str
    user: str
    display_name: str
    kind: Kind
    state: State
    password_changed_before: str | None
    candidate_id: int | None
    sealed: bytes | None
    fate: Fate | None
    past: Past
    #: Why it is in the state it is in; one of `LEFT_OUT` keeps a row in doubt from being sent again.
    reason: Reason | None = None
    #: How often it was sent since the start, and nobody knows to what effect.
    tries: int = 0
    #: How many of its passwords the service has refused.
    rejected: int = 0
    #: Whether it could sign in as it was found; None where that is unknown.
    enabled_before: bool | None = None
    #: Whether this run blocked it, or may have.
    may_be_blocked_here: bool = False
    #: What goes with its reset and need not be tried any more: it was accepted, or this start tried it in vain.
    steps_done: frozenset[Step] = frozenset()


def insert_rows(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put cohort rows in: `id, source, row, identifier, key, state, reason, cohort`."""
    if rows:
        connection.execute(insert(resets), list(rows))


def tally(connection: Connection) -> dict[str, dict[str, Any]]:
    """Count by source what its rows name, before any is screened.

    `accounts` are different ones, and `examples` the first of them as they are written; `blank`, `invalid` and
    `not_selected` are rows.
    """
    reason = func.coalesce(resets.c.reason, "")
    named = case((reason != Reason.NOT_SELECTED, func.nullif(resets.c.key, "")))
    columns = {
        "accounts": func.count(named.distinct()),
        "blank": func.sum(case((reason == Reason.BLANK, 1), else_=0)),
        "invalid": func.sum(case((reason == Reason.INVALID_IDENTIFIER, 1), else_=0)),
        "not_selected": func.sum(case((reason == Reason.NOT_SELECTED, 1), else_=0)),
    }
    query = select(resets.c.source, *(count.label(name) for name, count in columns.items())).group_by(resets.c.source)
    found = [(source, dict(zip(columns, counts, strict=True))) for source, *counts in connection.execute(query)]
    return {source: {**told, "examples": _examples(connection, source)} for source, told in found}


def _examples(connection: Connection, source: str) -> tuple[str, ...]:
    is_meant = (resets.c.source == source) & (resets.c.key != "") & resets.c.reason.is_(None)
    query = select(func.min(resets.c.identifier)).where(is_meant).group_by(resets.c.key)
    return tuple(connection.execute(query.order_by(func.min(resets.c.id)).limit(_EXAMPLES)).scalars())


def insert_candidates(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put in the passwords that came with the cohort: `id, reset_id, sealed, fate, made_at`."""
    if rows:
        connection.execute(insert(candidates), list(rows))


def next_candidate_id(engine: Engine) -> int:
    """Return the first candidate id not in use; ids are given out by the engine, not by the database."""
    with engine.connect() as connection:
        return (connection.execute(select(func.max(candidates.c.id))).scalar() or 0) + 1


def sealed_for(engine: Engine, reset_id: int) -> list[bytes]:
    """Return the sealed passwords that were tried for a row."""
    query = select(candidates.c.sealed).where(candidates.c.reset_id == reset_id, candidates.c.sealed.is_not(None))
    with engine.connect() as connection:
        return list(connection.execute(query).scalars())


def counts(engine: Engine) -> dict[State, int]:
    """Count the rows in each state."""
    query = select(resets.c.state, func.count()).group_by(resets.c.state)
    with engine.connect() as connection:
        found = {State(state): count for state, count in connection.execute(query)}
    return {state: found.get(state, 0) for state in State}


def hold_back(engine: Engine, left_out: Mapping[int, Exclusion]) -> None:
    """Mark the rows in doubt that may be sent no more, each with the reason; the others may be."""
    is_in_doubt = (resets.c.state == State.SENDING) | (resets.c.state == State.DOUBTFUL)
    doubtful = update(resets).where(is_in_doubt)
    with engine.begin() as connection:
        connection.execute(doubtful.where(resets.c.reason.in_(LEFT_OUT)).values(reason=Reason.ANSWER_LOST))
        if left_out:
            marked = [{"reset": number, "why": exclusion.reason} for number, exclusion in left_out.items()]
            connection.execute(
                doubtful.where(resets.c.id == bindparam("reset")).values(reason=bindparam("why")), marked
            )


def may_be_sent(engine: Engine) -> bool:
    """Say whether a row is ready or in doubt."""
    is_open = resets.c.state.in_(MAY_BE_SENT)
    with engine.connect() as connection:
        return connection.execute(select(resets.c.id).where(is_open).limit(1)).first() is not None


def move_all(engine: Engine, source: State, target: State) -> int:
    """Move every row of one state to another, and say how many there were. Raises `IllegalMoveError`."""
    refuse_illegal(source, target)
    statement = update(resets).where(resets.c.state == source).values(state=target, finished_at=None)
    with engine.begin() as connection:
        return connection.execute(statement).rowcount


def _work(state: State) -> Select[Any]:
    """Select rows of a state, each with the candidate to go on with."""
    mine = candidates.alias("mine")
    candidate = (
        select(mine.c.id)
        .where(mine.c.reset_id == resets.c.id)
        .order_by(case((mine.c.fate == Fate.POSSIBLE, 0), else_=1), mine.c.id.desc())
        .limit(1)
        .correlate(resets)
        .scalar_subquery()
    )
    refused = (
        select(func.count())
        .select_from(mine)
        .where(mine.c.reset_id == resets.c.id, mine.c.fate == Fate.REFUSED)
        .correlate(resets)
        .scalar_subquery()
    )
    return (
        select(
            resets.c.id,
            refused.label("rejected"),
            resets.c.object_id,
            resets.c.user,
            func.coalesce(resets.c.display_name, "").label("display_name"),
            resets.c.kind,
            resets.c.reason,
            resets.c.password_changed_before,
            resets.c.enabled_before,
            candidates.c.id.label("candidate_id"),
            candidates.c.sealed,
            candidates.c.fate,
        )
        .select_from(resets.outerjoin(candidates, candidates.c.id == candidate))
        .where(resets.c.state == state)
        .order_by(resets.c.id)
    )


def work(
    engine: Engine, state: State, *, after: int = 0, limit: int | None = None, among: Collection[int] | None = None
) -> list[Work]:
    """Return rows in `state` beyond the id `after`, or of those ids, in input order."""
    query = _work(state).where(resets.c.id > after if among is None else resets.c.id.in_(among))
    if limit is not None:
        query = query.limit(limit)
    with engine.connect() as connection:
        lines = connection.execute(query).mappings().all()
        known = {}
        if lines:
            whose = sends.c.reset_id
            is_theirs = whose.between(lines[0]["id"], lines[-1]["id"]) if among is None else whose.in_(among)
            known = _known(connection, state, is_theirs)
    return [
        Work(
            **{
                **line,
                "kind": Kind(line["kind"]),
                "state": state,
                "fate": line["fate"] and Fate(line["fate"]),
                "reason": line["reason"] and Reason(line["reason"]),
                "enabled_before": None if line["enabled_before"] is None else bool(line["enabled_before"]),
                **known.get(line["id"], {"past": NOTHING}),
            }
        )
        for line in lines
    ]


def _known(connection: Connection, state: State, is_theirs: ColumnElement[bool]) -> dict[int, dict[str, Any]]:
    """Return what is known of the sends of some rows in `state`, as fields of `Work` by the rows' ids."""
    query = (
        select(sends.c.reset_id, sends.c.step, *(sends.c[column.name] for column in fields(Send)))
        .select_from(sends.join(resets))
        .where(resets.c.state == state, is_theirs)
        .order_by(sends.c.reset_id, sends.c.id)
    )
    known: dict[int, dict[str, Any]] = {}
    for reset_id, theirs in groupby(connection.execute(query), key=itemgetter(0)):
        told = [(Step(line.step), Send(*line[2:])) for line in theirs]
        done = frozenset(step for step, send in told if send.verdict == "accepted")
        past = past_of(send for step, send in told if step is Step.RESET)
        may_be_blocked = any(step is Step.DISABLE and send.verdict in _MAY_BE_APPLIED for step, send in told)
        known[reset_id] = {
            "past": past,
            "steps_done": done - {Step.RESET},
            "may_be_blocked_here": may_be_blocked,
        }
    return known


def named(engine: Engine, first: int, limit: int) -> dict[int, dict[str, Any]]:
    """Return what people know rows by (`source`, `row`, `user`, `object_id`), from the id `first` on, by their ids."""
    columns = (resets.c.id, resets.c.source, resets.c.row, resets.c.user, resets.c.object_id)
    query = select(*columns).where(resets.c.id >= first).order_by(resets.c.id).limit(limit)
    with engine.connect() as connection:
        lines = [dict(line) for line in connection.execute(query).mappings()]
    return {line.pop("id"): line for line in lines}
