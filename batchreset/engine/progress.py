"""What a run shows of itself while it works."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from batchreset.model import IN_FLIGHT, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from batchreset.engine.aftercare import Aftercare
    from batchreset.engine.control import Control
    from batchreset.engine.feed import Feed
    from batchreset.engine.ledger import Ledger
    from batchreset.graph.turnstile import Turnstile

_TICK = 0.5
#: Seconds over which the rate shown is measured.
_RATE_OVER = 10.0


@dataclass(frozen=True, slots=True)
class Spent:
    """Where the seconds of a start went: each moment is one of three.

    `quota`: a write waited for leave to send, be it for what the service allows, the pace that keeps within it, or
    --rate. `operations`: there was nothing to send, and operations were followed. `answers`: the rest, in which writes
    were under way, be it only of what comes after a reset, a service that was away was waited for, or the directory was
    asked once more at the end.
    """

    quota: float
    answers: float
    operations: float

    def recorded(self) -> dict[str, float]:
        """Return it as the audit trail has it."""
        return {name: round(seconds, 3) for name, seconds in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a run stands. `rate` is rows sent a second of late, `quota` the writes a second that were measured.

    `throttled` counts answers that said wait, on any route. `revoked` counts the accounts whose sessions were revoked
    since the start, `to_revoke` those that have been reset and had that coming. `is_waiting` says that no other row may
    go until the `note` comes true, so that the rate says nothing of what is left.
    """

    counts: Mapping[State, int]
    seconds: float
    rate: float
    throttled: int
    quota: float | None
    spent: Spent
    revoked: int = 0
    to_revoke: int = 0
    note: str | None = None
    is_waiting: bool = False

    @property
    def rows(self) -> int:
        """All rows of the cohort."""
        return sum(self.counts.values())

    @property
    def in_flight(self) -> int:
        """Rows sent and not ended."""
        return sum(self.counts[state] for state in IN_FLIGHT)

    @property
    def done(self) -> int:
        """Rows ended, those left out not counted."""
        return sum(self.counts[state] for state in (State.SUCCEEDED, State.FAILED, State.UNRESOLVED))

    @property
    def left(self) -> int:
        """Rows not sent yet."""
        return self.counts[State.READY]

    @property
    def eta(self) -> float | None:
        """Seconds until all is sent, at the present rate; None when nothing was sent of late."""
        return self.left / self.rate if self.rate > 0 else None


class Teller:
    """Tells `progress` how a run stands, and the audit trail what was learned of the quota.

    Where `progress` fails the run goes on untold, and the audit trail says so.
    """

    def __init__(
        self,
        ledger: Ledger,
        control: Control,
        feed: Feed,
        aftercare: Aftercare,
        turnstile: Turnstile,
        progress: Callable[[Snapshot], None],
    ) -> None:
        """Read the figures from those who know them; `turnstile` is that of the resets."""
        self._ledger = ledger
        self._control = control
        self._feed = feed
        self._aftercare = aftercare
        self._turnstile = turnstile
        self._progress: Callable[[Snapshot], None] | None = progress
        self._clock = asyncio.get_running_loop().time
        self._start = self._clock()
        self._quota: float | None = None
        self._seen: list[tuple[float, int]] = []
        self._doing: str | None = None

    @asynccontextmanager
    async def telling(self, doing: str) -> AsyncIterator[None]:
        """Go on telling meanwhile, and what is being done."""
        self._doing = doing
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run())
            yield
            task.cancel()

    async def run(self) -> None:
        """Tell twice a second, until cancelled."""
        while True:
            self.tell()
            await asyncio.sleep(_TICK)

    def spent(self) -> Spent:
        """Say where the time went until now."""
        now = self._clock()
        quota, idle = self._turnstile.waited(now), self._feed.idle(now) - self._aftercare.worked_alone()
        return Spent(quota, max(now - self._start - quota - idle, 0.0), idle)

    def tell(self) -> None:
        """Tell how it stands now."""
        quota = self._turnstile.pacer.quota
        if quota is not None and quota != self._quota:
            self._quota = quota
            self._ledger.decide("quota learned", rate=round(quota, 3))
        if self._progress is None:
            return
        try:
            self._progress(self._snapshot())
        except Exception as error:  # noqa: BLE001  a terminal that has gone must not stop the resets
            self._progress = None
            self._ledger.decide("progress is told no longer", because=f"{type(error).__name__}: {error}")

    def _snapshot(self) -> Snapshot:
        now, left = self._clock(), self._ledger.counts[State.READY]
        stops = self._control.halted_because or ("stopping" if self._control.is_interrupted else None)
        waits_for = self._feed.waits_for if left and not stops else None
        if waits_for:
            self._seen.clear()  # the rate begins with those that wait now
        self._seen = [(at, count) for at, count in self._seen if now - at <= _RATE_OVER] + [(now, left)]
        since, before = self._seen[0]
        return Snapshot(
            counts=dict(self._ledger.counts),
            seconds=now - self._start,
            rate=max((before - left) / (now - since), 0.0) if now > since else 0.0,
            throttled=self._ledger.throttled,
            quota=self._quota,
            spent=self.spent(),
            revoked=self._aftercare.revoked,
            to_revoke=self._aftercare.to_revoke,
            note=stops or (f"waiting for {waits_for}" if waits_for else self._doing),
            is_waiting=waits_for is not None,
        )
