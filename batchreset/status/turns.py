"""The rows that wait for their turn: in which order, which of them are ordinary, and of which domains."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, case, func, insert, or_, select, tuple_, update

from batchreset.model import IN_FLIGHT, Mark, Reason, State
from batchreset.policy.opening import OUT_OF_THE_ORDINARY, Waiting
from batchreset.status.changes import logged
from batchreset.status.schema import audit, resets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement, Engine, Select

#: Rows in memory at a time.
_CHUNK = 2000
_IN_TURN = (resets.c.turn, resets.c.id)
_IS_READY = resets.c.state == State.READY


class Place(NamedTuple):
    """Where a row stands in the order of sending."""

    turn: int
    id: int


class Cells(NamedTuple):
    """A ready row by what it is ordered by: whether it is privileged, its account's cell and the cohort's columns."""

    id: int
    is_privileged: bool
    identifier: str
    cohort: Mapping[str, str]


def places(engine: Engine, domain: str, after: Place, limit: int) -> list[Place]:
    """Return the places of the ready rows of an on-premises domain, or of none, behind the one `after`, in order."""
    query = (
        select(*_IN_TURN)
        .where(_IS_READY, resets.c.domain == domain, tuple_(*_IN_TURN) > tuple_(*after))
        .order_by(*_IN_TURN)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [Place(*line) for line in connection.execute(query)]


def domains(engine: Engine, state: State = State.READY) -> list[str]:
    """Return the on-premises domains of the rows in a state; an empty one where a row has none."""
    query = select(resets.c.domain).where(resets.c.state == state).distinct().order_by(resets.c.domain)
    with engine.connect() as connection:
        return list(connection.execute(query).scalars())


def ordinary(engine: Engine, domain: str, limit: int) -> list[tuple[Place, Waiting]]:
    """Return the first ready rows of ordinary accounts of an on-premises domain, or of none, in order."""
    query = (
        select(*_IN_TURN, func.coalesce(resets.c.user, ""))
        .where(_IS_READY, resets.c.domain == domain, _is_ordinary())
        .order_by(*_IN_TURN)
        .limit(limit)
    )
    with engine.connect() as connection:
        lines = connection.execute(query).all()
    return [(Place(turn, reset_id), Waiting(reset_id, user, domain)) for turn, reset_id, user in lines]


def ordinary_under_way(engine: Engine, limit: int) -> list[Waiting]:
    """Return the first rows of ordinary accounts that were sent and have not ended, in order."""
    query = _rows().where(resets.c.state.in_(IN_FLIGHT), _is_ordinary())
    return _waiting(engine, query.order_by(*_IN_TURN).limit(limit))


def under_way(engine: Engine, proven: Collection[str], canaries: Collection[int]) -> list[Waiting]:
    """Return the rows that were sent and have not ended, of the canaries and of domains that are not `proven`."""
    is_of_another = and_(resets.c.domain != "", resets.c.domain.not_in(proven))
    is_waited_for = or_(is_of_another, resets.c.id.in_(canaries))
    return _waiting(engine, _rows().where(resets.c.state.in_(IN_FLIGHT), is_waited_for))


def _rows() -> Select[tuple[int, str, str]]:
    return select(resets.c.id, func.coalesce(resets.c.user, ""), resets.c.domain)


def _waiting(engine: Engine, query: Select[tuple[int, str, str]]) -> list[Waiting]:
    with engine.connect() as connection:
        return [Waiting._make(line) for line in connection.execute(query)]


def _is_ordinary() -> ColumnElement[bool]:
    return or_(resets.c.marks == "[]", and_(*(~_has(mark) for mark in OUT_OF_THE_ORDINARY)))


def _has(mark: Mark) -> ColumnElement[bool]:
    return resets.c.marks.contains(json.dumps(mark), autoescape=True)


def privileged_first(engine: Engine) -> None:
    """Have the privileged accounts sent before all others."""
    turn = case((_has(Mark.PRIVILEGED), 0), else_=1)
    with engine.begin() as connection:
        if connection.execute(select(resets.c.id).where(_IS_READY, _has(Mark.PRIVILEGED)).limit(1)).first():
            connection.execute(update(resets).where(_IS_READY).values(turn=turn))


def cells(engine: Engine) -> Iterator[Cells]:
    """Yield the ready rows by what they can be ordered by, in input order."""
    columns = (resets.c.id, _has(Mark.PRIVILEGED), resets.c.identifier, resets.c.cohort)
    query = select(*columns).where(_IS_READY).order_by(resets.c.id).limit(_CHUNK)
    last = 0
    while True:
        with engine.connect() as connection:
            lines = connection.execute(query.where(resets.c.id > last)).all()
        for number, is_privileged, identifier, cohort in lines:
            yield Cells(number, bool(is_privileged), identifier, json.loads(cohort))
        if len(lines) < _CHUNK:
            return
        last = lines[-1].id


def give_turns(engine: Engine, turns: Iterable[tuple[int, int]]) -> None:
    """Write the turns of rows, by their ids."""
    statement = update(resets).where(resets.c.id == bindparam("reset")).values(turn=bindparam("place"))
    values = [{"reset": reset_id, "place": turn} for reset_id, turn in turns]
    if values:
        with engine.begin() as connection:
            connection.execute(statement, values)


def leave_waiting(engine: Engine, closed: Mapping[str, str]) -> dict[str, int]:
    """Mark the ready rows of on-premises domains that were closed, each with why; return how many there are of each."""
    left: dict[str, int] = {}
    if not closed:
        return left
    with engine.begin() as connection:
        for domain, why in closed.items():
            statement = update(resets).where(_IS_READY, resets.c.domain == domain)
            left[domain] = connection.execute(statement.values(reason=Reason.WRITEBACK, detail=why)).rowcount
            told = logged("domain closed", domain=domain, because=why, not_attempted=left[domain])
            connection.execute(insert(audit), told.values)
    return left


def take_up_again(engine: Engine) -> None:
    """Forget that an earlier start closed domains: this one tries them again."""
    statement = update(resets).where(_IS_READY, resets.c.reason == Reason.WRITEBACK)
    with engine.begin() as connection:
        connection.execute(statement.values(reason=None, detail=None))
