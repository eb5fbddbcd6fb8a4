"""The tracker follows every operation to its end, from one heap of due times.

Where there is no operation to ask, or it does not tell, the directory is asked.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from batchreset.clock import timestamp, utc_now
from batchreset.engine.ledger import entry
from batchreset.engine.supply import refusal
from batchreset.graph.directory import ask_about
from batchreset.graph.resets import look_at_operation
from batchreset.model import ENDED, LEFT_OUT, Fate, Kind, Reason, State
from batchreset.policy.attempts import backoff
from batchreset.policy.durations import Durations
from batchreset.policy.schedule import by_deadline, next_directory_look
from batchreset.policy.settling import NOTHING, Landed, Past, in_force
from batchreset.policy.verdict import (
    Accepted,
    Ambiguous,
    Ended,
    Look,
    Refused,
    Running,
    SignedOut,
    Throttled,
    Transient,
    Unreadable,
    Verdict,
    changed_at,
    has_changed,
    judge,
    judge_look,
)
from batchreset.status.changes import Change, Ending, candidate_fate, operation_seen, verified

if TYPE_CHECKING:
    from batchreset.engine.control import Control
    from batchreset.engine.feed import Feed
    from batchreset.engine.followed import Followed, Operation
    from batchreset.engine.ledger import Ledger
    from batchreset.graph.session import GraphSession
    from batchreset.graph.turnstile import Routes
    from batchreset.policy.verdict import Result

_UNTOLD = "the password is not known: the service made it, and its answer was lost"
#: Looks under way at once: each operation takes about two of them, and each worker starts one operation a call.
_MOST_LOOKS = 96
#: Looks at the directory that may come to nothing, one after the other, past the deadline: in a quarter of an hour.
_MOST_IN_VAIN = 24
#: A timer of uvloop's may fire half a millisecond early; what is due within this is due now.
_TIMERS_ARE_EARLY_BY = 0.001


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long an operation is followed, and how long an unchanged directory proves nothing."""

    deadline: float
    lag: float


class Tracker:
    """Follows until it is closed and nothing is left, or until it is cancelled."""

    def __init__(
        self, graph: GraphSession, routes: Routes, ledger: Ledger, control: Control, patience: Patience, feed: Feed
    ) -> None:
        """Write what is seen to `ledger`, and hand rows that are to be sent again back to `feed`."""
        self._graph = graph
        self._routes = routes
        self._ledger = ledger
        self._control = control
        self._patience = patience
        self._feed = feed
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
        if followed.may_come_back:
            self._feed.expect(followed.work.id)
        if followed.operations:
            wait = self._durations[followed.work.kind].next_wait(0.0, retry_after, random.random())
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
            if followed.operations:
                await self._look_at_operation(followed, followed.operations[-1])
            else:
                await self._look_at_directory(followed)
        finally:
            self._looking -= 1
            self._places.release()
            self._wake.set()

    async def _look_at_operation(self, followed: Followed, operation: Operation) -> None:
        stamp = await self._routes.polls.permit()
        age = asyncio.get_running_loop().time() - followed.sent_at
        exchange = await look_at_operation(self._graph, operation.url)
        look = judge_look(exchange.result, followed.work.object_id, age, utc_now())
        self._routes.polls.tell(look, stamp, exchange.result)
        self._ledger.count_if_throttled(look)
        operation.polls += 1
        self._learn(followed, look, age)
        if exchange.status == HTTPStatus.OK:
            self._witness = operation.url
        status = look.status if isinstance(look, (Running, Ended)) else None
        ended_at = look.at if isinstance(look, Ended) else None
        seen = operation_seen(operation.send, operation.polls, status, ended_at)
        line = entry("poll", exchange, followed.work.id)
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
            self._durations[followed.work.kind].had_ended(followed.running_at, age)
        elif isinstance(look, Running):
            self._durations[followed.work.kind].was_running(followed.running_at, age)
            followed.running_at = age

    def _end(self, followed: Followed, look: Ended, changes: tuple[Change, ...]) -> None:
        """Settle a row on its operation's end, or go on with what it leaves open."""
        candidate_id = followed.operations.pop().candidate_id
        if look.succeeded:
            followed.landed.append(Landed(candidate_id, look.at))
        elif candidate_id not in followed.possible:
            changes = (*changes, candidate_fate(candidate_id, Fate.REFUSED))
        if self._is_told_by_operations(followed, changes):
            return
        if followed.doubted:
            # Another send of this row may have been applied; only the directory can tell.
            detail = f"an earlier answer was lost; then {look.detail or 'an operation failed'}"
            followed.reason, followed.detail = Reason.ANSWER_LOST, detail
            if followed.state is State.DOUBTFUL:
                self._ledger.note(*changes)
            else:
                self._move(followed, State.DOUBTFUL, *changes, ending=Ending(Reason.ANSWER_LOST, detail))
            self._later(followed, 0.0)
        elif followed.state is State.DOUBTFUL:
            # It is not in doubt any more: no send of it took effect.
            self._ledger.note(*changes)
            if followed.work.reason in LEFT_OUT:
                self._move(followed, State.READY, ending=Ending())
                self._move(followed, State.EXCLUDED, ending=Ending(followed.work.reason, look.detail))
            else:
                self._hand_back(followed)
        elif followed.is_replaced(look):
            self._move(followed, State.READY, *changes, ending=Ending(look.reason, look.detail))
            self._hand_back(followed, rejected=followed.work.rejected + 1)
        else:
            detail = look.detail or "the service gave no detail"
            ending = replace(refusal(followed.work, look.reason, detail), by_operation=True)
            self._move(followed, State.FAILED, *changes, ending=ending)

    def _is_told_by_operations(self, followed: Followed, changes: tuple[Change, ...]) -> bool:
        """Settle a row where its operations tell all they can, or follow the next one; False where neither helps."""
        settled = in_force(followed.landed, followed.possible)
        if followed.landed and (settled is not None or not followed.operations):
            self._settle(followed, settled, *changes)
        elif followed.operations:
            self._ledger.note(*changes)
            followed.running_at, followed.faults = None, 0
            self._later(followed, 0.0)
        else:
            return False
        return True

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
                wait = self._durations[followed.work.kind].next_wait(age, look.retry_after, random.random(), passed)
                self._wait(followed, wait, age)

    def _wait(self, followed: Followed, wait: float, age: float) -> None:
        """Look again after `wait`, or at the operation's deadline."""
        self._later(followed, by_deadline(wait, age, self._patience.deadline) if followed.operations else wait)

    def _ask_directory(self, followed: Followed, reason: Reason, detail: str) -> None:
        """Give an operation up, and ask the directory where no other operation of the row tells."""
        followed.doubted.add(followed.operations.pop().candidate_id)
        followed.reason, followed.detail, followed.looks, followed.faults = reason, detail, 0, 0
        if not self._is_told_by_operations(followed, ()):
            self._later(followed, 0.0)

    async def _look_at_directory(self, followed: Followed) -> None:
        """Compare the directory's lastPasswordChangeDateTime with its own value from before the reset."""
        work = followed.work
        stamp = await self._routes.reads.permit()
        exchange = await ask_about(self._graph, work.object_id)
        verdict = judge(exchange.result, utc_now())
        self._routes.reads.tell(verdict, stamp, exchange.result)
        self._ledger.count_if_throttled(verdict)
        line = entry("read", exchange, work.id)
        before, now = work.password_changed_before, changed_at(exchange.result, work.object_id)
        is_changed = has_changed(before, now)
        if followed.state is State.SUCCEEDED:
            self._confirm(followed, verdict, line, is_seen=is_changed)
            return
        if is_changed and followed.is_sent_again and followed.is_untold:
            self._ledger.note(line)
            self._hand_back(followed)
            return
        if is_changed:
            settled = in_force(followed.landed, followed.doubted)
            self._settle(followed, settled, line, verified_at=timestamp())
            return
        if isinstance(verdict, SignedOut):
            self._ledger.note(line)
            self._control.halt(f"the sign-in was lost ({verdict.why})", follow=False)
            return
        age = asyncio.get_running_loop().time() - followed.sent_at
        if before and not now and isinstance(verdict, Accepted):
            verdict = Ambiguous("the answer does not tell of this account")
        if self._is_worth_asking_again(followed, verdict, age):
            self._ledger.note(line)
            self._later(followed, next_directory_look(followed.looks, random.random()))
            followed.looks += 1
        elif followed.is_sent_again and isinstance(verdict, Accepted) and now == before:
            self._ledger.note(line)
            self._hand_back(followed)
        else:
            self._give_up(followed, verdict, line, age)

    def _hand_back(self, followed: Followed, *, rejected: int = 0) -> None:
        """Have a row sent again: what is in doubt of it stays so. So many of its passwords were refused."""
        is_in_doubt = bool(followed.doubted)
        past = Past(followed.sends, doubted=frozenset(followed.doubted)) if is_in_doubt else NOTHING
        fate = Fate.POSSIBLE if is_in_doubt else Fate.REFUSED
        self._feed.give_back(
            replace(followed.work, state=followed.state, fate=fate, past=past, tries=followed.tries, rejected=rejected)
        )

    def _confirm(self, followed: Followed, verdict: Verdict, line: Change, *, is_seen: bool) -> None:
        """Note when the directory shows what is known already; where it does not in its time, that changes nothing."""
        self._ledger.note(line, *((verified(followed.work.id),) if is_seen else ()))
        age = asyncio.get_running_loop().time() - followed.sent_at
        if not is_seen and age < self._patience.lag and not isinstance(verdict, (Refused, SignedOut)):
            self._later(followed, next_directory_look(followed.looks, random.random()))
            followed.looks += 1

    def _is_worth_asking_again(self, followed: Followed, verdict: Verdict, age: float) -> bool:
        """Say whether the directory, which shows no change, may yet show one. What it did not tell proves nothing."""
        if isinstance(verdict, Throttled):
            return True
        if isinstance(verdict, (Accepted, Refused)):
            followed.faults = 0
            is_synchronised = followed.work.kind is Kind.SYNCHRONISED
            return age < (self._patience.deadline if is_synchronised else self._patience.lag)
        # Counted and not timed: after an hour asleep it is still the first that came to nothing.
        followed.faults += 1
        return age < self._patience.deadline or followed.faults < _MOST_IN_VAIN

    def _settle(
        self, followed: Followed, settled: int | None, *changes: Change, verified_at: str | None = None
    ) -> None:
        """End a row that was reset. Where nobody knows which candidate is in force, each stays a possible one."""
        fates = []
        if settled is not None:
            fates = [candidate_fate(each.candidate_id, Fate.REPLACED) for each in followed.landed]
            fates.append(candidate_fate(settled, Fate.IN_FORCE))
        is_unknown = followed.is_untold and settled in followed.doubted
        ending = Ending(detail=_UNTOLD if is_unknown else None, settled_on=settled, verified_at=verified_at)
        self._move(followed, State.SUCCEEDED, *changes, *fates, ending=ending)

    def _give_up(self, followed: Followed, verdict: Verdict, line: Change, age: float) -> None:
        """Everything there was to ask has been asked."""
        if followed.landed:
            self._settle(followed, in_force(followed.landed, followed.doubted), line)
            return
        if isinstance(verdict, (Refused, Transient, Ambiguous)):
            told = f"the directory could not be read ({verdict.why})"
        elif followed.work.password_changed_before is None:
            told = "the directory had not told when the password last changed before, so nothing can be compared"
        else:
            told = f"the directory shows no change of password after {age:.0f} s"
        detail = f"{followed.tried}; {followed.detail}; {told}"
        ending = Ending(followed.reason or Reason.ANSWER_LOST, detail)
        if followed.state is State.ACCEPTED:
            self._move(followed, State.DOUBTFUL, ending=ending)
        self._move(followed, State.UNRESOLVED, line, ending=ending)

    def _move(self, followed: Followed, target: State, *changes: Change, ending: Ending) -> None:
        self._ledger.move(followed.work.id, followed.state, target, *changes, ending=ending)
        followed.state = target
        if target in ENDED:
            self._feed.expect_no_more(followed.work.id)
