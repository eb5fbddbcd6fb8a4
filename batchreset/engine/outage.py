"""Telling a bad row from a bad hour: when every worker meets a service that is away, the run pauses and probes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchreset.policy.verdict import Answer, Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchreset.engine.control import Control

#: How long an outage is sat out, and how long it is waited between two probes.
PROBE_FOR = 900.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_AWAY = frozenset({502, 503, 504})


def is_away(result: Result) -> bool:
    """Say whether a result speaks of a service that is unreachable or unavailable."""
    return not isinstance(result, Answer) or result.status in _AWAY


class Outage:
    """Shared by the workers. `clear()` is awaited before each send; `note` is told of each result.

    A pause begins when every worker that holds a row has met the service away since anybody last met it well. What
    rows meet in a pause is not counted against them. When the very first probe finds the service well, there was no
    outage: from then on what rows meet counts, until one of them gets through.
    """

    def __init__(self, probe: Callable[[], Awaitable[Result]], control: Control) -> None:
        """Probe with `probe`; halt the run through `control` when the service stays away."""
        self.busy: set[int] = set()
        self._probe = probe
        self._control = control
        self._met: set[int] = set()
        self._is_well = asyncio.Event()
        self._is_well.set()
        self._is_contradicted = False
        self._probing: asyncio.Task[None] | None = None

    async def clear(self) -> None:
        """Wait until the service is there, or the run stops."""
        await self._is_well.wait()

    def note(self, worker: int, result: Result) -> bool:
        """Note what a worker met; True where it does not count against the row."""
        if not is_away(result):
            self._met.clear()
            self._is_contradicted = False
            return False
        self._met.add(worker)
        if self._is_contradicted:
            return False
        if self._is_well.is_set() and self._met >= self.busy:
            self._is_well.clear()
            self._probing = asyncio.create_task(self._probe_until_well())
        return not self._is_well.is_set()

    async def _probe_until_well(self) -> None:
        loop = asyncio.get_running_loop()
        start, pause, probes = loop.time(), _FIRST_PAUSE, 0
        while not self._control.sending_stopped.is_set():
            if not is_away(await self._probe()):
                self._is_contradicted = probes == 0
                break
            probes += 1
            if loop.time() - start > PROBE_FOR:
                self._control.halt("the service could not be reached for 15 minutes", follow=False)
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        self._met.clear()
        self._is_well.set()
