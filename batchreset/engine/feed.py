"""The feed: which row is next, and whether any is in a worker's hands."""

from __future__ import annotations

import asyncio
from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING

from batchreset.engine.lane import Lane
from batchreset.policy.opening import Closed, Halt, Told, Waiting
from batchreset.status import turns

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from batchreset.engine.control import Control
    from batchreset.model import State
    from batchreset.policy.opening import Opening
    from batchreset.status.changes import Ending
    from batchreset.status.rows import Work


class Feed:
    """Rows for the workers: those to begin with, then the ready ones in their order, as the opening lets them go.

    What is given back goes before all others: it has gone already.
    """

    def __init__(self, engine: Engine, control: Control, opening: Opening, limit: int | None = None) -> None:
        """Read the status table a chunk at a time; hand out no more rows than `limit`."""
        self._control = control
        self._opening = opening
        self._limit = limit
        self._waiting: deque[Work] = deque()
        self._given_back: deque[Work] = deque()
        # Out of turn: they are ready yet, or are so again on their way, and must not be handed out twice.
        self._known: set[int] = set()
        #: One for each on-premises domain: while one waits, the others go on.
        self._lanes = {domain: Lane(engine, domain, self._known) for domain in turns.domains(engine)}
        #: Rows that may be given back yet.
        self._expected: set[int] = set()
        self._stirred = asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        #: Rows in workers' hands; since when there have been none, and how many seconds there were none before.
        self._in_hand = 0
        self._idle_since = self._clock()
        self._idle = 0.0
        self._taken = 0
        self._is_cut_short = False

    def begin_with(self, work: Work) -> None:
        """Hand out a row before those that are ready."""
        self._known.add(work.id)
        self._waiting.append(work)

    def expect(self, reset_id: int) -> None:
        """Wait for a row that may be given back."""
        self._expected.add(reset_id)

    def expect_no_more(self, reset_id: int) -> None:
        """Wait for a row no longer: it has ended."""
        if reset_id in self._expected:
            self._expected.remove(reset_id)
            if not self._expected:
                self._stirred.set()

    def give_back(self, work: Work) -> None:
        """Hand out a row once more; no limit holds one that was begun in this start."""
        self._known.add(work.id)
        (self._given_back if work.tries or work.rejected else self._waiting).append(work)
        self._expected.discard(work.id)
        self._stirred.set()

    def had_ended(self, reset_id: int, state: State, ending: Ending) -> None:
        """Note how a row ended: others may have waited for that."""
        match self._opening.ended(reset_id, state, Told(ending.reason, ending.detail, ending.by_operation)):
            case Halt(why):
                self._control.halt(why, follow=True)
            case Closed(domain, why):
                self._control.close(domain, why)
        self._stirred.set()

    async def take(self) -> Work | None:
        """Return the next row, to be put down when it is done with.

        None when there is no more and none can come back, or sending has stopped.
        """
        while not self._control.sending_stopped.is_set():
            if work := self._given_back.popleft() if self._given_back else self._next():
                if not self._in_hand:
                    self._idle += self._clock() - self._idle_since
                self._in_hand += 1
                return work
            if self._is_over:
                return None
            self._stirred.clear()
            await self._stirred.wait()
        return None

    def put_down(self) -> None:
        """Note that a worker is done with its row."""
        self._in_hand -= 1
        if not self._in_hand:
            self._idle_since = self._clock()

    def idle(self, now: float) -> float:
        """Return for how many seconds until now no row was in a worker's hands."""
        return self._idle + (0.0 if self._in_hand else now - self._idle_since)

    @property
    def waits_for(self) -> str | None:
        """Say what all rows wait for that have yet to go in this start; None where they do not."""
        return None if self._is_cut_short else self._opening.waits_for

    @property
    def _is_over(self) -> bool:
        """Whether no row can come any more: what a lane that may not go holds is not known, and is waited for."""
        if self._expected:
            return False
        return self._is_cut_short or all(
            lane.is_empty or domain in self._opening.closed for domain, lane in self._lanes.items()
        )

    def _next(self) -> Work | None:
        """Return the next row that this start has not begun, where one may go and the limit lets it."""
        found = ("", self._waiting[0]) if self._waiting else self._due()
        if found is None:
            return None
        if self._taken == self._limit:
            # Those handed out go on: a row that is begun is carried through, retries and all.
            self._is_cut_short = True
            self._control.cut_short_by = f"--limit {self._limit}"
            return None
        self._taken += 1
        if self._waiting:
            return self._waiting.popleft()
        domain, work = found
        self._lanes[domain].drop(work)
        self._opening.goes(Waiting(work.id, work.user, domain))
        return work

    def _due(self) -> tuple[str, Work] | None:
        """Return the ready row that goes next, and its domain: a canary, a scout, or the next in turn."""
        opening = self._opening
        for canary in opening.canaries:
            if opening.may_go(canary.domain, canary.id):
                return canary.domain, self._lanes[canary.domain].read(canary.id)
        for domain, lane in self._lanes.items():
            if opening.wants_scout(domain) and opening.may_go(domain) and (scout := lane.scout()):
                return domain, scout
        heads = [
            (*head, domain) for domain, lane in self._lanes.items() if opening.may_go(domain) and (head := lane.head())
        ]
        if not heads:
            return None
        _, work, domain = min(heads, key=itemgetter(0))
        return domain, work
