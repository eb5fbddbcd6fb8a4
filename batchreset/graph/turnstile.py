"""The turnstile: requests leave one by one, as fast as the pacer allows. All it does itself is sleep."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchreset.policy.pace import Pacer, Stamp
from batchreset.policy.verdict import Ambiguous, Throttled, Transient

if TYPE_CHECKING:
    from batchreset.policy.verdict import Look, Verdict


class Turnstile:
    """Shared by all who send on one route. First in, first out; one reservation at a time."""

    def __init__(self, pacer: Pacer) -> None:
        """Ask `pacer` for the pace."""
        self.pacer = pacer
        self._turn = asyncio.Lock()

    async def permit(self) -> Stamp:
        """Wait for leave to send; hand the stamp back with the answer. Cancelling leaves nothing behind."""
        clock = asyncio.get_running_loop().time
        async with self._turn:
            # Look again after each sleep: a refusal may have closed the gate meanwhile.
            while (wait := self.pacer.opens_at() - clock()) > 0:  # noqa: ASYNC110  it waits for a time, not for an event
                await asyncio.sleep(wait)
            return self.pacer.sent(clock())

    def tell(self, verdict: Verdict | Look, stamp: Stamp) -> None:
        """Tell the pacer what became of a request. What never came through says nothing of the quota."""
        now = asyncio.get_running_loop().time()
        if isinstance(verdict, Throttled):
            self.pacer.throttled(now, verdict.retry_after, stamp)
        elif not isinstance(verdict, (Transient, Ambiguous)):
            self.pacer.accepted(now, stamp)


@dataclass(frozen=True, slots=True)
class Routes:
    """One turnstile per route, since their quotas differ: what polls may do says nothing about resets."""

    resets: Turnstile
    polls: Turnstile = field(default_factory=lambda: Turnstile(Pacer()))
    reads: Turnstile = field(default_factory=lambda: Turnstile(Pacer()))
