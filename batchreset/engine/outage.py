"""Telling a bad row from a bad hour: when every worker meets a service that is away, the run pauses and probes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchreset.policy.verdict import Answer, NoToken, Result, is_redirect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchreset.engine.control import Control

#: How long an outage is sat out, and how long it is waited between two probes.
PROBE_FOR = 900.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
#: No pause and probe take longer than this.
_LONGEST_ROUND = 150.0
_AWAY = frozenset({502, 503, 504})


def is_away(result: Result) -> bool:
    """Say whether a result speaks of a service that is unreachable or unavailable, or of something before it."""
    if isinstance(result, Answer):
        return result.status in _AWAY or is_redirect(result.status)
    return not isinstance(result, NoToken)


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
        self._is_pausing = False
        self._is_contradicted = False
        self._turn = asyncio.Lock()

    async def clear(self) -> None:
        """Wait until the service is there, or the run stops. The first worker to come in a pause probes for all."""
        if self._is_pausing:
            async with self._turn:
                if self._is_pausing:
                    await self._probe_until_well()

    def note(self, worker: int, result: Result) -> bool:
        """Note what a worker met; True where it does not count against the row."""
        if not is_away(result):
            self._met.clear()
            self._is_contradicted = False
            return False
        self._met.add(worker)
        if not self._is_contradicted and self._met >= self.busy:
            self._is_pausing = True
        return self._is_pausing

    async def _probe_until_well(self) -> None:
        clock = asyncio.get_running_loop().time
        lasted, pause, probes, since = 0.0, _FIRST_PAUSE, 0, clock()
        while is_away(await self._probe()):
            probes += 1
            if lasted > PROBE_FOR:
                self._control.halt("the service could not be reached for 15 minutes", follow=False)
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            # What is longer is a machine that slept: it is not to wake up to the end of its patience.
            lasted, since = lasted + min(clock() - since, _LONGEST_ROUND), clock()
        self._is_contradicted = probes == 0
        self._met.clear()
        self._is_pausing = False
