"""What the directory said of accounts, in the status table: whom it has not been asked of since they were last sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from batchreset.status.schema import evidence, resets, sends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine


def unwitnessed(engine: Engine, size: int) -> Iterator[dict[str, int]]:
    """Yield rows that were sent and of which the directory has said nothing since they were, or since they ended.

    They come `size` at a time: the object id in lower case, and the row's id.
    """
    last_sent = (
        select(func.max(sends.c.intent_at))
        .where(sends.c.reset_id == resets.c.id, or_(sends.c.verdict.is_(None), sends.c.verdict != "unsent"))
        .scalar_subquery()
    )
    last_said = (
        select(func.max(evidence.c.at))
        .where(evidence.c.reset_id == resets.c.id, evidence.c.moment == "after")
        .scalar_subquery()
    )
    is_due = or_(last_said.is_(None), last_said < last_sent, last_said < resets.c.finished_at)
    last = 0
    while True:
        query = (
            select(resets.c.id, func.lower(resets.c.object_id))
            .where(resets.c.id > last, last_sent.is_not(None), is_due)
            .order_by(resets.c.id)
            .limit(size)
        )
        with engine.connect() as connection:
            chunk = connection.execute(query).all()
        if not chunk:
            return
        yield {key: reset_id for reset_id, key in chunk}
        last = chunk[-1][0]
