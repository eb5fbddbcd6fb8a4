"""The cohort's rows in the status table: putting them in, screening them, taking them out again to be worked on."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, bindparam, case, cast, func, insert, select, update

from batchreset.model import LEFT_OUT, Account, Fate, Kind, Reason, State, Step
from batchreset.policy.settling import NOTHING, Past, Send, past_of
from batchreset.status.changes import refuse_illegal
from batchreset.status.schema import candidates, resets, sends

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection, Engine, Select


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


def unscreened(engine: Engine, size: int, also: AbstractSet[State] = frozenset()) -> Iterator[list[tuple[int, str]]]:
    """Yield (id, key) of the ready rows, and of those in the states `also`, `size` at a time.

    A row whose account is known already goes by its object id: meanwhile the name may have become somebody else's.
    """
    last, key = 0, func.lower(func.coalesce(resets.c.object_id, resets.c.key)).label("key")
    while True:
        query = (
            select(resets.c.id, key)
            .where(resets.c.state.in_({State.READY, *also}), resets.c.id > last)
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
    """Write what the directory said of each row, and exclude those that are ready and have a reason.

    When the password last changed is written of rows of which no send can have been applied, and kept of the others.
    """
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
                    "changed_at": account.password_changed_at,
                    "mailboxes": json.dumps(account.mailboxes),
                }
            )
        if reason is not None:
            excluded.append({"reset": reset_id, "reason": reason})
    columns = ("object_id", "user", "display_name", "kind", "enabled_before", "mailboxes")
    with engine.begin() as connection:
        if known:
            know = update(resets).where(resets.c.id == bindparam("reset"))
            values: dict[str, Any] = {name: bindparam(name) for name in columns}
            is_untouched = (resets.c.state == State.READY) | (resets.c.state == State.FAILED)
            values["password_changed_before"] = case(
                (is_untouched, bindparam("changed_at", type_=String)),
                else_=resets.c.password_changed_before,
            )
            connection.execute(know.values(values), known)
        if excluded:
            leave_out = update(resets).where(resets.c.id == bindparam("reset"), resets.c.state == State.READY)
            connection.execute(leave_out.values(state=State.EXCLUDED, reason=bindparam("reason")), excluded)


def hold_back(engine: Engine, left_out: Mapping[int, Reason]) -> None:
    """Mark the rows in doubt that may be sent no more, each with the reason; the others may be."""
    is_in_doubt = (resets.c.state == State.SENDING) | (resets.c.state == State.DOUBTFUL)
    doubtful = update(resets).where(is_in_doubt)
    with engine.begin() as connection:
        connection.execute(doubtful.where(resets.c.reason.in_(LEFT_OUT)).values(reason=Reason.ANSWER_LOST))
        if left_out:
            marked = [{"reset": number, "why": reason} for number, reason in left_out.items()]
            connection.execute(
                doubtful.where(resets.c.id == bindparam("reset")).values(reason=bindparam("why")), marked
            )


def may_be_sent(engine: Engine, also: AbstractSet[State] = frozenset()) -> bool:
    """Say whether a row is ready or in doubt, or in one of the states `also`."""
    states = {State.READY, State.SENDING, State.DOUBTFUL, *also}
    with engine.connect() as connection:
        return connection.execute(select(resets.c.id).where(resets.c.state.in_(states)).limit(1)).first() is not None


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
            candidates.c.id.label("candidate_id"),
            candidates.c.sealed,
            candidates.c.fate,
        )
        .select_from(resets.outerjoin(candidates, candidates.c.id == candidate))
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
        pasts = _pasts(connection, state, lines[0]["id"], lines[-1]["id"]) if lines else {}
    return [
        Work(
            **{
                **line,
                "kind": Kind(line["kind"]),
                "state": state,
                "fate": line["fate"] and Fate(line["fate"]),
                "reason": line["reason"] and Reason(line["reason"]),
                "past": pasts.get(line["id"], NOTHING),
            }
        )
        for line in lines
    ]


def _pasts(connection: Connection, state: State, first: int, last: int) -> dict[int, Past]:
    """Return what is known of the sends of the rows in `state`, by the rows' ids."""
    query = (
        select(sends.c.reset_id, *(sends.c[column.name] for column in fields(Send)))
        .select_from(sends.join(resets))
        .where(resets.c.state == state, sends.c.step == Step.RESET, sends.c.reset_id.between(first, last))
        .order_by(sends.c.reset_id, sends.c.id)
    )
    lines = connection.execute(query)
    return {
        reset_id: past_of(Send(*line[1:]) for line in theirs) for reset_id, theirs in groupby(lines, key=itemgetter(0))
    }


def named(engine: Engine, first: int, limit: int) -> dict[int, dict[str, Any]]:
    """Return what people know rows by (`source`, `row`, `user`, `object_id`), from the id `first` on, by their ids."""
    columns = (resets.c.id, resets.c.source, resets.c.row, resets.c.user, resets.c.object_id)
    query = select(*columns).where(resets.c.id >= first).order_by(resets.c.id).limit(limit)
    with engine.connect() as connection:
        lines = [dict(line) for line in connection.execute(query).mappings()]
    return {line.pop("id"): line for line in lines}
