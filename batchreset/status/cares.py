"""Rows whose reset has succeeded, taken out of the status table for what goes with that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, false, func, or_, select

from batchreset.model import State, Step
from batchreset.status.schema import excepted, resets, sends

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet

    from sqlalchemy import ColumnElement, Engine


@dataclass(frozen=True, slots=True)
class Care:
    """A row that was reset: which of the steps beside that were accepted, and whether it is to be opened again.

    `is_blocked_here` is that this run blocked it, or may have, and that it is known to have been open before.
    """

    id: int
    object_id: str
    user: str
    steps_done: frozenset[Step]
    is_blocked_here: bool


class Account(NamedTuple):
    """A row by its account."""

    id: int
    object_id: str
    user: str


def unfinished(engine: Engine, wanted: Iterable[Step]) -> list[int]:
    """Return the ids of the rows that were reset and of which a wanted step after that was not accepted yet.

    Accounts that are excepted by now are left out.
    """
    query = select(resets.c.id).where(_is_unfinished(wanted), ~is_excepted()).order_by(resets.c.id)
    with engine.connect() as connection:
        return list(connection.execute(query).scalars())


def concerned(engine: Engine, wanted: Iterable[Step], also: AbstractSet[State]) -> list[Account]:
    """Return the rows that are unfinished, and those in the states `also`, which may come to be."""
    columns = (resets.c.id, func.lower(resets.c.object_id), func.lower(resets.c.user))
    is_concerned = or_(_is_unfinished(wanted), resets.c.state.in_(also))
    query = select(*columns).where(is_concerned, ~is_excepted()).order_by(resets.c.id)
    with engine.connect() as connection:
        return [Account._make(line) for line in connection.execute(query)]


def is_excepted() -> ColumnElement[bool]:
    """Say of a row that its account is excepted by its object id."""
    return select(excepted.c.key).where(excepted.c.key == func.lower(resets.c.object_id)).exists()


def load(engine: Engine, ids: Collection[int]) -> list[Care]:
    """Return what is to be known of some rows that were reset, in input order; excepted ones are left out."""
    columns = (resets.c.id, resets.c.object_id, resets.c.user, _is_blocked_here())
    rows = select(*columns).where(resets.c.id.in_(ids), ~is_excepted()).order_by(resets.c.id)
    accepted = select(sends.c.reset_id, sends.c.step).where(sends.c.reset_id.in_(ids), sends.c.verdict == "accepted")
    done: dict[int, set[Step]] = {}
    with engine.connect() as connection:
        for reset_id, step in connection.execute(accepted):
            done.setdefault(reset_id, set()).add(Step(step))
        lines = connection.execute(rows).all()
    return [
        Care(reset_id, object_id, user, frozenset(done.get(reset_id, ())), bool(is_blocked_here))
        for reset_id, object_id, user, is_blocked_here in lines
    ]


def _is_unfinished(wanted: Iterable[Step]) -> ColumnElement[bool]:
    due = (
        and_(~_sent(step, sends.c.verdict == "accepted"), *((_is_blocked_here(),) if step is Step.ENABLE else ()))
        for step in wanted
    )
    return and_(resets.c.state == State.SUCCEEDED, or_(false(), *due))


def _is_blocked_here() -> ColumnElement[bool]:
    may_be = or_(sends.c.verdict.is_(None), sends.c.verdict.in_(("accepted", "ambiguous")))
    return and_(resets.c.enabled_before == 1, _sent(Step.DISABLE, may_be))


def _sent(step: Step, how: ColumnElement[bool]) -> ColumnElement[bool]:
    """Say of a row that a step of it was sent, and what became of that."""
    return select(sends.c.id).where(sends.c.reset_id == resets.c.id, sends.c.step == step, how).exists()
