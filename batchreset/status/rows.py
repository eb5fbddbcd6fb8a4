"""The cohort's rows in the status table: putting them in, screening them, taking them out again to be worked on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, cast, func, insert, select, update

from batchreset.model import Account, Fate, Kind, Reason, State
from batchreset.status.changes import refuse_illegal
from batchreset.status.schema import candidates, resets, sends

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine, Select


@dataclass(frozen=True, slots=True)
class Work:
    """A row to be worked on: who, in which state, and the candidate it was last tried with."""

    id: int
    object_id: str
    user: str
    kind: Kind
    state: State
    password_changed_before: str | None
    candidate_id: int | None
    sealed: bytes | None
    fate: Fate | None
    #: Candidates of this row that may be in force.
    candidates: int
    #: Sends of this row whose effect nobody knows.
    doubts: int
    #: The operation of the last accepted send, if any: its send, URL, polls so far, and when it was accepted.
    send: str | None
    operation_url: str | None
    polls: int
    accepted_at: str | None


def insert_rows(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put cohort rows in: `id, source, row, identifier, key, state, reason, cohort`."""
    if rows:
        connection.execute(insert(resets), list(rows))


def insert_candidates(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put in the passwords that came with the cohort: `id, reset_id, sealed, fate, made_at`."""
    if rows:
        connection.execute(insert(candidates), list(rows))


def next_candidate_id(engine: Engine) -> int:
    """Return the first candidate id not in use; ids are given out by the engine, not by the database."""
    with engine.connect() as connection:
        return (connection.execute(select(func.max(candidates.c.id))).scalar() or 0) + 1


def counts(engine: Engine) -> dict[State, int]:
    """Count the rows in each state."""
    query = select(resets.c.state, func.count()).group_by(resets.c.state)
    with engine.connect() as connection:
        found = {State(state): count for state, count in connection.execute(query)}
    return {state: found.get(state, 0) for state in State}


def excluded_by_reason(engine: Engine) -> dict[Reason, int]:
    """Count what screening left out."""
    query = select(resets.c.reason, func.count()).where(resets.c.state == State.EXCLUDED).group_by(resets.c.reason)
    with engine.connect() as connection:
        return {Reason(reason): count for reason, count in connection.execute(query)}


def exclude_repeats(engine: Engine, *, by_object_id: bool) -> None:
    """Exclude each ready row whose account stands earlier in the cohort: the first one is reset.

    A row that is left out anyway (for want of a password, say) does not count as an earlier one.
    """
    name = resets.c.object_id.name if by_object_id else resets.c.key.name
    earlier = resets.alias("earlier")
    first = (
        select(earlier.c.source + " row " + cast(earlier.c.row, String))
        .where(earlier.c[name] == resets.c[name], earlier.c.id < resets.c.id, earlier.c.state != State.EXCLUDED)
        .order_by(earlier.c.id)
        .limit(1)
        .correlate(resets)
    )
    statement = (
        update(resets)
        .where(resets.c.state == State.READY, resets.c[name] != "", first.exists())
        .values(state=State.EXCLUDED, reason=Reason.DUPLICATE, detail="the same account as " + first.scalar_subquery())
    )
    with engine.begin() as connection:
        connection.execute(statement)


def unscreened(engine: Engine, size: int) -> Iterator[list[tuple[int, str]]]:
    """Yield (id, key) of the ready rows, `size` at a time.

    A row whose account is known already goes by its object id: meanwhile the name may have become somebody else's.
    """
    last, key = 0, func.lower(func.coalesce(resets.c.object_id, resets.c.key)).label("key")
    while True:
        query = (
            select(resets.c.id, key)
            .where(resets.c.state == State.READY, resets.c.id > last)
            .order_by(resets.c.id)
            .limit(size)
        )
        with engine.connect() as connection:
            chunk = [(line.id, line.key) for line in connection.execute(query)]
        if not chunk:
            return
        yield chunk
        last = chunk[-1][0]


def screened(engine: Engine, found: Iterable[tuple[int, Account | None, Reason | None]]) -> None:
    """Write what the directory said of each row, and exclude those with a reason."""
    known, excluded = [], []
    for reset_id, account, reason in found:
        if account is not None:
            known.append(
                {
                    "reset": reset_id,
                    "object_id": account.object_id,
                    "user": account.user,
                    "display_name": account.display_name,
                    "kind": account.kind,
                    "enabled_before": None if account.enabled is None else int(account.enabled),
                    "password_changed_before": account.password_changed_at,
                }
            )
        if reason is not None:
            excluded.append({"reset": reset_id, "reason": reason})
    columns = ("object_id", "user", "display_name", "kind", "enabled_before", "password_changed_before")
    with engine.begin() as connection:
        if known:
            know = update(resets).where(resets.c.id == bindparam("reset"))
            connection.execute(know.values({name: bindparam(name) for name in columns}), known)
        if excluded:
            leave_out = update(resets).where(resets.c.id == bindparam("reset"), resets.c.state == State.READY)
            connection.execute(leave_out.values(state=State.EXCLUDED, reason=bindparam("reason")), excluded)


def move_all(engine: Engine, source: State, target: State) -> int:
    """Move every row of one state to another, and say how many there were. Raises `IllegalMoveError`."""
    refuse_illegal(source, target)
    statement = update(resets).where(resets.c.state == source).values(state=target, finished_at=None)
    with engine.begin() as connection:
        return connection.execute(statement).rowcount


def _work(state: State) -> Select[Any]:
    """Select rows of a state with their latest candidate, their doubts and their latest operation."""
    latest_candidate = (
        select(func.max(candidates.c.id))
        .where(candidates.c.reset_id == resets.c.id)
        .correlate(resets)
        .scalar_subquery()
    )
    possible = (
        select(func.count())
        .where(candidates.c.reset_id == resets.c.id, candidates.c.fate == Fate.POSSIBLE)
        .correlate(resets)
        .scalar_subquery()
    )
    doubts = (
        select(func.count())
        .where(sends.c.reset_id == resets.c.id, (sends.c.verdict == "ambiguous") | sends.c.verdict.is_(None))
        .correlate(resets)
        .scalar_subquery()
    )
    latest_operation = (
        select(sends.c.client_request_id)
        .where(sends.c.reset_id == resets.c.id, sends.c.verdict == "accepted")
        .order_by(sends.c.answered_at.desc())
        .limit(1)
        .correlate(resets)
        .scalar_subquery()
    )
    operation = sends.alias("operation")
    return (
        select(
            resets.c.id,
            resets.c.object_id,
            resets.c.user,
            resets.c.kind,
            resets.c.state,
            resets.c.password_changed_before,
            candidates.c.id.label("candidate_id"),
            candidates.c.sealed,
            candidates.c.fate,
            possible.label("candidates"),
            doubts.label("doubts"),
            operation.c.client_request_id.label("send"),
            operation.c.operation_url,
            func.coalesce(operation.c.polls, 0).label("polls"),
            operation.c.answered_at.label("accepted_at"),
        )
        .outerjoin(candidates, candidates.c.id == latest_candidate)
        .outerjoin(operation, operation.c.client_request_id == latest_operation)
        .where(resets.c.state == state)
        .order_by(resets.c.id)
    )


def work(engine: Engine, state: State, *, after: int = 0, limit: int | None = None) -> list[Work]:
    """Return rows in `state` beyond the id `after`, in input order."""
    query = _work(state).where(resets.c.id > after)
    if limit is not None:
        query = query.limit(limit)
    with engine.connect() as connection:
        lines = connection.execute(query).mappings().all()
    return [
        Work(**{**line, "kind": Kind(line["kind"]), "state": state, "fate": line["fate"] and Fate(line["fate"])})
        for line in lines
    ]


def named(engine: Engine, first: int, limit: int) -> dict[int, dict[str, Any]]:
    """Return what people know rows by (`source`, `row`, `user`, `object_id`), from the id `first` on, by their ids."""
    columns = (resets.c.id, resets.c.source, resets.c.row, resets.c.user, resets.c.object_id)
    query = select(*columns).where(resets.c.id >= first).order_by(resets.c.id).limit(limit)
    with engine.connect() as connection:
        lines = [dict(line) for line in connection.execute(query).mappings()]
    return {line.pop("id"): line for line in lines}
