"""Rows whose reset has succeeded, taken out of the status table for what goes with that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, false, or_, select

from batchreset.model import State, Step
from batchreset.status.schema import resets, sends

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

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


def unfinished(engine: Engine, wanted: Iterable[Step]) -> list[int]:
    """Return the ids of the rows that were reset and of which a wanted step after that was not accepted yet."""
    due = (
        and_(~_sent(step, sends.c.verdict == "accepted"), *((_is_blocked_here(),) if step is Step.ENABLE else ()))
        for step in wanted
    )
    query = select(resets.c.id).where(resets.c.state == State.SUCCEEDED, or_(false(), *due)).order_by(resets.c.id)
    with engine.connect() as connection:
        return list(connection.execute(query).scalars())


def load(engine: Engine, ids: Collection[int]) -> list[Care]:
    """Return what is to be known of some rows that were reset, in input order."""
    columns = (resets.c.id, resets.c.object_id, resets.c.user, _is_blocked_here())
    rows = select(*columns).where(resets.c.id.in_(ids)).order_by(resets.c.id)
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


def _is_blocked_here() -> ColumnElement[bool]:
    may_be = or_(sends.c.verdict.is_(None), sends.c.verdict.in_(("accepted", "ambiguous")))
    return and_(resets.c.enabled_before == 1, _sent(Step.DISABLE, may_be))


def _sent(step: Step, how: ColumnElement[bool]) -> ColumnElement[bool]:
    """Say of a row that a step of it was sent, and what became of that."""
    return select(sends.c.id).where(sends.c.reset_id == resets.c.id, sends.c.step == step, how).exists()
