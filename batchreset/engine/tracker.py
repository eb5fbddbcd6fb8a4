"""The tracker follows every operation to its end, from one heap of due times.

Where there is no operation to ask, or it does not tell, the directory is asked.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from batchreset.clock import timestamp, utc_now
from batchreset.engine.ledger import entry
from batchreset.graph.directory import ask_about
from batchreset.graph.resets import look_at_operation
from batchreset.model import Fate, Kind, Reason, State
from batchreset.policy.attempts import MOST_TRANSIENT, backoff
from batchreset.policy.durations import Durations
from batchreset.policy.schedule import by_deadline, next_directory_look
from batchreset.policy.verdict import (
    Accepted,
    Ambiguous,
    Answer,
    Ended,
    Look,
    Refused,
    Result,
    Running,
    SignedOut,
    Throttled,
    Transient,
    Unreadable,
    Verdict,
    judge,
    judge_look,
)
from batchreset.status.changes import Change, Ending, candidate_fate, operation_seen, verified

if TYPE_CHECKING:
    from batchreset.engine.control import Control
    from batchreset.engine.ledger import Ledger
    from batchreset.graph.session import GraphSession
    from batchreset.graph.turnstile import Routes

#: Why the directory is asked about a reset that was accepted without an operation to follow.
UNNAMED = (Reason.OPERATION_UNREADABLE, "the answer named no operation to follow")
#: Looks under way at once: each operation takes about two of them, and each worker starts one operation a call.
_MOST_LOOKS = 96
#: A timer of uvloop's may fire half a millisecond early; what is due within this is due now.
_TIMERS_ARE_EARLY_BY = 0.001


@dataclass(slots=True, kw_only=True)
class Followed:
    """A row whose reset was sent and has not ended. Times are the event loop's.

    A row that has `succeeded` already is only looked for in the directory, to say when that shows the change.

    `url` is the operation's; None where there is none, or it does not tell: then the directory is asked, and `reason`
    and `detail` say why. `is_alone` says that no other candidate of the row may be in force. `running_at` is the age at
    which the operation was last seen running; None where its age is unknown, since an earlier start sent it.
    """

    reset_id: int
    object_id: str
    kind: Kind
    state: State
    candidate_id: int
    is_alone: bool
    has_doubts: bool
    password_changed_before: str | None
    sent_at: float
    send: str | None = None
    url: str | None = None
    polls: int = 0
    running_at: float | None = 0.0
    looks: int = 0
    faults: int = 0
    reason: Reason | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long an operation is followed, and how long an unchanged directory proves nothing."""

    deadline: float
    lag: float


class Tracker:
    """Follows until it is closed and nothing is left, or until it is cancelled."""

    def __init__(
        self, graph: GraphSession, routes: Routes, ledger: Ledger, control: Control, patience: Patience
    ) -> None:
        """Write what is seen to `ledger`."""
        self._graph = graph
        self._routes = routes
        self._ledger = ledger
        self._control = control
        self._patience = patience
        self._heap: list[tuple[float, int, Followed]] = []
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._places = asyncio.Semaphore(_MOST_LOOKS)
        self._looking = 0
        self._is_closed = False
        self._witness: str | None = None
        # Synchronised accounts wait for a domain controller, the others do not: each kind has its own pace.
        self._durations = {kind: Durations() for kind in Kind}

    def __repr__(self) -> str:
        return f"<Tracker waiting={len(self._heap)} looking={self._looking} closed={self._is_closed}>"

    def follow(self, followed: Followed, retry_after: float | None = None) -> None:
        """Take over a row; it is looked at first when its like have ended, but not before the POST's Retry-After."""
        if followed.url is not None:
            wait = self._durations[followed.kind].next_wait(0.0, retry_after, random.random())
        else:
            wait = max(next_directory_look(0, random.random()), retry_after or 0.0)
        self._wait(followed, wait, 0.0)

    async def reread(self) -> Result | None:
        """Read again what could be read earlier in this run, once; None where there was nothing."""
        if self._witness is None:
            return None
        exchange = await look_at_operation(self._graph, self._witness)
        self._ledger.note(entry("poll", exchange))
        return exchange.result

    def close(self) -> None:
        """Say that nothing more will come."""
        self._is_closed = True
        self._wake.set()

    async def run(self) -> None:
        """Follow until closed and empty."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while self._heap or self._looking or not self._is_closed:
                if self._heap and self._heap[0][0] <= loop.time() + _TIMERS_ARE_EARLY_BY:
                    await self._places.acquire()
                    self._looking += 1
                    group.create_task(self._look(heapq.heappop(self._heap)[2]))
                    continue
                alarm = loop.call_at(self._heap[0][0], self._wake.set) if self._heap else None
                await self._wake.wait()
                self._wake.clear()
                if alarm is not None:
                    alarm.cancel()

    def _later(self, followed: Followed, wait: float) -> None:
        due = (asyncio.get_running_loop().time() + wait, next(self._numbers), followed)
        heapq.heappush(self._heap, due)
        if self._heap[0] is due:
            self._wake.set()

    async def _look(self, followed: Followed) -> None:
        try:
            if followed.url is not None:
                await self._look_at_operation(followed, followed.url)
            else:
                await self._look_at_directory(followed)
        finally:
            self._looking -= 1
            self._places.release()
            self._wake.set()

    async def _look_at_operation(self, followed: Followed, url: str) -> None:
        stamp = await self._routes.polls.permit()
        age = asyncio.get_running_loop().time() - followed.sent_at
        exchange = await look_at_operation(self._graph, url)
        look = judge_look(exchange.result, age, utc_now())
        self._routes.polls.tell(look, stamp, exchange.result)
        self._ledger.count_if_throttled(look)
        followed.polls += 1
        self._learn(followed, look, age)
        if exchange.status == HTTPStatus.OK:
            self._witness = url
        status = look.status if isinstance(look, (Running, Ended)) else None
        seen = operation_seen(followed.send or "", followed.polls, status, ended=isinstance(look, Ended))
        line = entry("poll", exchange, followed.reset_id)
        if isinstance(look, Ended):
            self._end(followed, look, (seen, line))
            return
        self._ledger.note(seen, line)
        self._go_on(followed, look, age)

    def _learn(self, followed: Followed, look: Look, age: float) -> None:
        """Learn from a look at this age how long operations take."""
        if followed.running_at is None:
            return
        if isinstance(look, Ended):
            self._durations[followed.kind].had_ended(followed.running_at, age)
        elif isinstance(look, Running):
            self._durations[followed.kind].was_running(followed.running_at, age)
            followed.running_at = age

    def _end(self, followed: Followed, look: Ended, changes: tuple[Change, ...]) -> None:
        """Settle a row on its operation's end."""
        if look.succeeded:
            self._settle(followed, changes, Ending(settled_on=followed.candidate_id), is_certain=True)
        elif followed.has_doubts:
            # Another send of this row may have been applied; only the directory can tell.
            detail = f"an earlier answer was lost; then {look.detail or 'an operation failed'}"
            ending = Ending(Reason.ANSWER_LOST, detail)
            followed.url, followed.reason, followed.detail = None, ending.reason, ending.detail
            self._ledger.move(followed.reset_id, followed.state, State.DOUBTFUL, *changes, ending=ending)
            followed.state = State.DOUBTFUL
            self._later(followed, 0.0)
        else:
            ending = Ending(Reason.OPERATION_FAILED, look.detail or "the service gave no detail")
            refused = candidate_fate(followed.candidate_id, Fate.REFUSED)
            self._ledger.move(followed.reset_id, followed.state, State.FAILED, *changes, refused, ending=ending)

    def _go_on(self, followed: Followed, look: Look, age: float) -> None:
        """Look again later, or turn to the directory."""
        match look:
            case SignedOut(why):
                self._control.halt(f"the sign-in was lost ({why})", follow=False)
            case Unreadable(why):
                self._ask_directory(followed, Reason.OPERATION_UNREADABLE, why)
            case _ if age >= self._patience.deadline:
                why = look.status if isinstance(look, Running) else "it could not be read"
                self._ask_directory(followed, Reason.OPERATION_TIMEOUT, f"after {age:.0f} s the operation was: {why}")
            case Throttled():
                self._later(followed, 0.0)
            case Transient():
                followed.faults += 1
                wait = (look.retry_after or 0.0) + random.uniform(0.0, backoff(followed.faults))
                self._wait(followed, wait, age)
            case Running():
                passed = asyncio.get_running_loop().time() - followed.sent_at - age
                wait = self._durations[followed.kind].next_wait(age, look.retry_after, random.random(), passed)
                self._wait(followed, wait, age)

    def _wait(self, followed: Followed, wait: float, age: float) -> None:
        """Look again after `wait`, or at the operation's deadline."""
        self._later(followed, by_deadline(wait, age, self._patience.deadline) if followed.url else wait)

    def _ask_directory(self, followed: Followed, reason: Reason, detail: str) -> None:
        followed.url, followed.looks = None, 0
        followed.reason, followed.detail = reason, detail
        self._later(followed, 0.0)

    async def _look_at_directory(self, followed: Followed) -> None:
        """Compare the directory's lastPasswordChangeDateTime with its own value from before the reset."""
        stamp = await self._routes.reads.permit()
        exchange = await ask_about(self._graph, followed.object_id)
        verdict = judge(exchange.result, utc_now())
        self._routes.reads.tell(verdict, stamp, exchange.result)
        self._ledger.count_if_throttled(verdict)
        line = entry("read", exchange, followed.reset_id)
        changed = _changed_at(exchange.result)
        has_changed = followed.password_changed_before and changed and changed != followed.password_changed_before
        if followed.state is State.SUCCEEDED:
            self._confirm(followed, verdict, line, is_seen=bool(has_changed))
            return
        if has_changed:
            settled = followed.candidate_id if followed.is_alone else None
            ending = Ending(settled_on=settled, verified_at=timestamp())
            self._settle(followed, (line,), ending, is_certain=followed.is_alone)
            return
        if isinstance(verdict, SignedOut):
            self._ledger.note(line)
            self._control.halt(f"the sign-in was lost ({verdict.why})", follow=False)
            return
        age = asyncio.get_running_loop().time() - followed.sent_at
        if self._is_worth_asking_again(followed, verdict, age):
            self._ledger.note(line)
            self._later(followed, next_directory_look(followed.looks, random.random()))
            followed.looks += 1
            return
        self._give_up(followed, verdict, line, age)

    def _confirm(self, followed: Followed, verdict: Verdict, line: Change, *, is_seen: bool) -> None:
        """Note when the directory shows what is known already; where it does not in its time, that changes nothing."""
        self._ledger.note(line, *((verified(followed.reset_id),) if is_seen else ()))
        age = asyncio.get_running_loop().time() - followed.sent_at
        if not is_seen and age < self._patience.lag and not isinstance(verdict, (Refused, SignedOut)):
            self._later(followed, next_directory_look(followed.looks, random.random()))
            followed.looks += 1

    def _is_worth_asking_again(self, followed: Followed, verdict: Verdict, age: float) -> bool:
        """Say whether the directory, which shows no change, may yet show one. What it did not tell proves nothing."""
        if isinstance(verdict, Throttled):
            return True
        if isinstance(verdict, (Accepted, Refused)):
            is_synchronised = followed.kind is Kind.SYNCHRONISED
            return age < (self._patience.deadline if is_synchronised else self._patience.lag)
        return age < self._patience.deadline or followed.looks + 1 < MOST_TRANSIENT

    def _settle(self, followed: Followed, changes: tuple[Change, ...], ending: Ending, *, is_certain: bool) -> None:
        fate = (candidate_fate(followed.candidate_id, Fate.IN_FORCE),) if is_certain else ()
        self._ledger.move(followed.reset_id, followed.state, State.SUCCEEDED, *changes, *fate, ending=ending)

    def _give_up(self, followed: Followed, verdict: Verdict, line: Change, age: float) -> None:
        """Everything there was to ask has been asked."""
        if isinstance(verdict, (Refused, Transient, Ambiguous)):
            told = f"the directory could not be read ({verdict.why})"
        elif followed.password_changed_before is None:
            told = "the directory had not told when the password last changed before, so nothing can be compared"
        else:
            told = f"the directory shows no change of password {age:.0f} s after it was sent"
        ending = Ending(followed.reason or Reason.ANSWER_LOST, f"{followed.detail}; {told}")
        if followed.state is State.ACCEPTED:
            self._ledger.move(followed.reset_id, State.ACCEPTED, State.DOUBTFUL)
        self._ledger.move(followed.reset_id, State.DOUBTFUL, State.UNRESOLVED, line, ending=ending)


def _changed_at(result: Result) -> str | None:
    body = result.body if isinstance(result, Answer) else None
    value = body.get("lastPasswordChangeDateTime") if isinstance(body, dict) else None
    return value if isinstance(value, str) else None
