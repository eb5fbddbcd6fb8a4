"""What an earlier start left behind: operations to follow on, and rows in doubt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchreset.engine.tracker import UNNAMED, Followed
from batchreset.model import Kind, Reason, State
from batchreset.policy.attempts import MOST_DOUBTFUL
from batchreset.status import rows

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from batchreset.engine.tracker import Tracker
    from batchreset.graph.session import GraphSession
    from batchreset.status.rows import Work

_LOST = (Reason.ANSWER_LOST, "an earlier answer was lost")
_UNENDED = (Reason.OPERATION_TIMEOUT, "the operation was not seen to end")


def take_up(engine: Engine, graph: GraphSession, tracker: Tracker, *, may_send_again: bool) -> list[Work]:
    """Hand what an earlier start left behind to the tracker; return the rows in doubt to be sent again.

    That is done with a cloud account's row only, with the same password or one of the service's making, since it
    converges; it may not be done where the same password cannot be had. All others are settled by the directory.
    """
    for work in rows.work(engine, State.ACCEPTED):
        url = graph.resolve(work.operation_url) if work.operation_url else None
        tracker.follow(_followed(work, url, None if url else UNNAMED))
    again = []
    for work in rows.work(engine, State.DOUBTFUL):
        if work.send is not None:
            tracker.follow(_followed(work, None, _UNENDED))
        elif may_send_again and work.kind is Kind.CLOUD and work.doubts < MOST_DOUBTFUL:
            again.append(work)
        else:
            tracker.follow(_followed(work, None, _LOST))
    return again


def _followed(work: Work, url: str | None, why: tuple[Reason, str] | None) -> Followed:
    reason, detail = why or (None, None)
    return Followed(
        reset_id=work.id,
        object_id=work.object_id,
        kind=work.kind,
        state=work.state,
        candidate_id=work.candidate_id or 0,
        is_alone=work.candidates == 1,
        has_doubts=work.doubts > 0,
        password_changed_before=work.password_changed_before,
        sent_at=asyncio.get_running_loop().time(),
        send=work.send,
        url=url,
        polls=work.polls,
        running_at=None,
        reason=reason,
        detail=detail,
    )
