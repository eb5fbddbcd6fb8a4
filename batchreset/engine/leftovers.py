"""What an earlier start left behind: operations to follow on, and rows in doubt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchreset.clock import seconds_since
from batchreset.engine.followed import UNNAMED, Followed, Operation
from batchreset.graph.resets import operation_url
from batchreset.model import LEFT_OUT, Kind, Reason, State
from batchreset.status import rows

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from batchreset.engine.feed import Feed
    from batchreset.engine.supply import Passwords
    from batchreset.engine.tracker import Patience, Tracker
    from batchreset.graph.session import GraphSession
    from batchreset.policy.settling import Send
    from batchreset.status.rows import Work

_LOST = (Reason.ANSWER_LOST, "an earlier answer was lost")
_EXPIRED = (Reason.OPERATION_TIMEOUT, "its operation is over 24 hours old and can no longer be asked")
#: Seconds for which an operation can be asked. Source: "Get longRunningOperation" of the Graph reference.
_URL_LASTS = 24 * 3600.0
#: Seconds for which one is followed at least, whatever its age: the first looks may be throttled.
_FOLLOWED_AT_LEAST = 60.0


def take_up(
    engine: Engine, graph: GraphSession, tracker: Tracker, feed: Feed, passwords: Passwords, patience: Patience
) -> None:
    """Hand what an earlier start left behind to those who settle it.

    A cloud account's row in doubt is sent again. That is done at once where the same password can be had, since it
    converges; where the directory has had its time meanwhile, it is asked first. Another password
    is tried only when the directory has had its time to show the first from now on. A row that was accepted, one of a
    synchronised account, and one that screening leaves out by now, is followed and never sent again: to the end of its
    operation's deadline, of which the time between two starts is part.
    """
    for work in rows.work(engine, State.ACCEPTED):
        tracker.follow(_followed(work, graph, patience.deadline))
    for work in rows.work(engine, State.DOUBTFUL):
        past = work.past
        is_open = past.doubted or past.unended or past.landed
        is_held_back = work.reason in LEFT_OUT
        may_be_sent = work.kind is Kind.CLOUD and not (past.unended or past.landed or is_held_back)
        can_be_repeated = passwords.can_repeat(work)
        is_told = past.lost_at is not None and seconds_since(past.lost_at) >= patience.lag
        if (not is_open and not is_held_back) or (may_be_sent and can_be_repeated and not is_told):
            feed.begin_with(work)
            continue
        followed = _followed(work, graph, patience.deadline)
        followed.is_sent_again = may_be_sent
        followed.is_untold = bool(followed.doubted) and work.sealed is None and passwords.are_told
        if may_be_sent and can_be_repeated:
            followed.sent_at -= patience.lag  # one look tells
        tracker.follow(followed)


def _followed(work: Work, graph: GraphSession, deadline: float) -> Followed:
    operations, doubted = [], set(work.past.doubted)
    ages = [_age(send) for send in work.past.unended]
    for send, age in zip(work.past.unended, ages, strict=True):
        url = operation_url(graph, send.operation_url, work.object_id) if age < _URL_LASTS else None
        if url is not None:
            operations.append(Operation(send.client_request_id, send.candidate_id, url, send.polls))
        else:
            doubted.add(send.candidate_id)
    is_expired = any(age >= _URL_LASTS for age in ages)
    reason, detail = _EXPIRED if is_expired else UNNAMED if ages else _LOST
    # Nobody knows when a lost answer took effect: from now on, the directory has its full time to show it.
    since = 0.0 if work.past.lost else min(ages, default=0.0)
    if operations:
        since = min(since, max(deadline - _FOLLOWED_AT_LEAST, 0.0))
    return Followed(
        work=work,
        state=work.state,
        sent_at=asyncio.get_running_loop().time() - since,
        sends=work.past.lost + len(work.past.unended) + len(work.past.landed),
        doubted=doubted,
        landed=list(work.past.landed),
        operations=operations,
        running_at=None,
        reason=reason,
        detail=detail,
    )


def _age(send: Send) -> float:
    """Return the seconds since a send was accepted, by the wall clock: no other outlives a process."""
    return seconds_since(send.answered_at or send.intent_at)
