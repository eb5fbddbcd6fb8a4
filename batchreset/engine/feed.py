"""The feed: which row is next, and whether any is in a worker's hands."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from batchreset.model import State
from batchreset.status import rows

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from batchreset.engine.control import Control
    from batchreset.status.rows import Work

_CHUNK = 500


class Feed:
    """Rows for the workers: those to begin with, then the ready ones in input order; and what is given back."""

    def __init__(self, engine: Engine, control: Control, limit: int | None = None) -> None:
        """Read the status table a chunk at a time; hand out no more rows than `limit`."""
        self._engine = engine
        self._control = control
        self._limit = limit
        self._waiting: deque[Work] = deque()
        self._given_back: deque[Work] = deque()
        # They pass through `ready` on their way, and must not be handed out again then.
        self._known: set[int] = set()
        #: Rows that may be given back yet.
        self._expected: set[int] = set()
        self._stirred = asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        #: Rows in workers' hands; since when there have been none, and how many seconds there were none before.
        self._in_hand = 0
        self._idle_since = self._clock()
        self._idle = 0.0
        self._taken = 0
        self._last = 0
        self._is_read_out = False

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

    async def take(self) -> Work | None:
        """Return the next row, to be put down when it is done with.

        None when there is no more and none can come back, or sending has stopped.
        """
        while not self._control.sending_stopped.is_set():
            if work := self._given_back.popleft() if self._given_back else self._next_ready():
                if not self._in_hand:
                    self._idle += self._clock() - self._idle_since
                self._in_hand += 1
                return work
            if not self._expected:
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

    def _next_ready(self) -> Work | None:
        if self._taken == self._limit:
            # Those handed out go on: a row that is begun is carried through, retries and all.
            self._control.cut_short_by = f"--limit {self._limit}"
            return None
        while not self._waiting:
            if self._is_read_out:
                return None
            chunk = rows.work(self._engine, State.READY, after=self._last, limit=_CHUNK)
            if not chunk:
                self._is_read_out = True
                return None
            self._last = chunk[-1].id
            self._waiting.extend(work for work in chunk if work.id not in self._known)
        self._taken += 1
        return self._waiting.popleft()
