"""The ready rows that came with a password: taking them out to be judged, and leaving some of them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, func, select, update

from batchreset.model import Kind, Reason, State
from batchreset.status.changes import refuse_illegal
from batchreset.status.schema import candidates, resets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Engine

#: Rows in memory at a time.
_CHUNK = 2000


class Given(NamedTuple):
    """A ready row, its account, and the password that came with it, sealed."""

    id: int
    source: str
    row: int
    object_id: str
    user: str
    display_name: str
    kind: Kind
    sealed: bytes


def ready(engine: Engine) -> Iterator[Given]:
    """Yield the ready rows that came with a password, in input order; their accounts are known."""
    columns = (resets.c.id, resets.c.source, resets.c.row, resets.c.object_id, resets.c.user)
    known = (func.coalesce(resets.c.display_name, ""), resets.c.kind, candidates.c.sealed)
    query = (
        select(*columns, *known)
        .join(candidates, candidates.c.reset_id == resets.c.id)
        .where(resets.c.state == State.READY)
        .order_by(resets.c.id)
        .limit(_CHUNK)
    )
    last = 0
    while True:
        with engine.connect() as connection:
            lines = connection.execute(query.where(resets.c.id > last)).all()
        for number, source, row, object_id, user, display_name, kind, sealed in lines:
            yield Given(number, source, row, object_id, user, display_name, Kind(kind), sealed)
        if len(lines) < _CHUNK:
            return
        last = lines[-1].id


def reject(engine: Engine, details: Mapping[int, str]) -> None:
    """Leave ready rows out for their passwords, each with the detail that stands under its id."""
    refuse_illegal(State.READY, State.EXCLUDED)
    leave_out = (
        update(resets)
        .where(resets.c.id == bindparam("reset"), resets.c.state == State.READY)
        .values(state=State.EXCLUDED, reason=Reason.PASSWORD_REJECTED, detail=bindparam("why"))
    )
    if details:
        with engine.begin() as connection:
            connection.execute(leave_out, [{"reset": number, "why": why} for number, why in details.items()])
