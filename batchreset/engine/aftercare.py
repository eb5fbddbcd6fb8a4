"""The third stage: what comes after a reset that has succeeded, for this start's rows and those of earlier ones."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from batchreset.model import State, Step
from batchreset.policy.presence import Presence
from batchreset.policy.steps import due_after
from batchreset.status import cares

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy import Engine

    from batchreset.engine.steps import Steps
    from batchreset.status.cares import Care
    from batchreset.status.changes import Ending

#: Rows that are read from the status table at a time.
_CHUNK = 500


class Aftercare:
    """Sends the wanted steps of each row it hears of, in order, until it is closed and nothing is left, or is stopped.

    `revoked` counts the accounts whose sessions were revoked in this start, of `to_revoke` that were its to revoke.
    """

    def __init__(self, engine: Engine, steps: Steps, wanted: Collection[Step], idle: Callable[[], float]) -> None:
        """Begin with the rows that earlier starts left; `idle` tells for how long the pool had nothing in hand."""
        self.revoked = 0
        self.to_revoke = len(cares.unfinished(engine, {Step.REVOKE} & set(wanted)))
        self._engine = engine
        self._steps = steps
        self._wanted = wanted
        self._idle = idle
        self._at_work = Presence()
        self._heard = deque(cares.unfinished(engine, wanted))
        self._loaded: deque[Care] = deque()
        self._stirred = asyncio.Event()
        self._is_closed = False

    def hear(self, reset_id: int, state: State, _ending: Ending) -> None:
        """Take over a row that has succeeded."""
        if state is State.SUCCEEDED and self._wanted:
            self._heard.append(reset_id)
            self.to_revoke += Step.REVOKE in self._wanted
            self._stirred.set()

    def close(self) -> None:
        """Say that nothing more will come."""
        self._is_closed = True
        self._stirred.set()

    def worked_alone(self) -> float:
        """Return for how many seconds somebody was at work here while the pool had nothing in hand."""
        return self._at_work.lasted(self._idle())

    async def run(self, workers: int) -> None:
        """Work with so many workers until closed and empty, or stopped."""
        await self._steps.crew.work(range(-workers, 0), self._work)  # the pool's begin at 0

    async def _work(self, number: int) -> None:
        while (care := await self._next()) is not None:
            self._at_work.come(self._idle())
            try:
                await self._care_for(number, care)
            finally:
                self._at_work.go(self._idle())

    async def _care_for(self, number: int, care: Care) -> None:
        for step in due_after(self._wanted, care.steps_done, is_blocked_here=care.is_blocked_here):
            if await self._steps.carry_out(number, step, care) and step is Step.REVOKE:
                self.revoked += 1

    async def _next(self) -> Care | None:
        """Return the next row; None when there is no more and none will come, or this has been stopped."""
        while not self._steps.crew.stopped.is_set():
            if not self._loaded and self._heard:
                ids = [self._heard.popleft() for _ in range(min(len(self._heard), _CHUNK))]
                found = cares.load(self._engine, ids)
                self.to_revoke -= (len(ids) - len(found)) * (Step.REVOKE in self._wanted)  # those are left as they are
                self._loaded.extend(found)
            if self._loaded:
                return self._loaded.popleft()
            if self._is_closed:
                return None
            self._stirred.clear()
            await self._stirred.wait()
        return None
