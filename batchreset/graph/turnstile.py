"""The turnstile: requests leave one by one, as fast as the pacer allows. All it does itself is sleep."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchreset.policy.hints import Limited, is_near_limit, limited
from batchreset.policy.pace import Pacer, Stamp
from batchreset.policy.presence import Presence
from batchreset.policy.verdict import Ambiguous, Throttled, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchreset.policy.verdict import Look, Result, Verdict

#: Seconds that those who go first are given when a shared gate opens: they may have a closed gate of their own.
_PRECEDENCE = 1.0


class Turnstile:
    """Shared by all who send on one route. First in, first out; one reservation at a time."""

    def __init__(self, pacer: Pacer) -> None:
        """Ask `pacer` for the pace."""
        self.pacer = pacer
        #: Whom a limit of each kind holds, the one that goes first in the first place (see `Routes`).
        self.sharing: Mapping[Limited, Sequence[Turnstile]] = {}
        self._turn = asyncio.Lock()
        self._held_until = 0.0
        self._precedes: Turnstile | None = None
        #: Those who stand here, at this turnstile or one that shares this with it.
        self.waiting = Presence()

    async def permit(self) -> Stamp:
        """Wait for leave to send; hand the stamp back with the answer. Cancelling leaves nothing behind."""
        clock = asyncio.get_running_loop().time
        async with self._turn:
            # Look again after each wait: a refusal may have closed the gate meanwhile.
            while True:
                if (wait := max(self.pacer.opens_at(), self._held_until) - clock()) > 0:
                    await self._sleep(wait)
                elif (first := self._precedes) is not None:
                    self._precedes = None
                    await first.let_out()
                else:
                    return self.pacer.sent(clock())

    def tell(self, verdict: Verdict | Look, stamp: Stamp, result: Result) -> None:
        """Tell what became of a request: what it means, and the result that this was read from, for its headers.

        What never came through says nothing of the quota. A 429 holds every route that its limit is for.
        """
        now = asyncio.get_running_loop().time()
        if is_near_limit(result):
            self.pacer.near_limit(now)
        if isinstance(verdict, Throttled):
            self.pacer.throttled(now, verdict.retry_after, stamp)
            self._hold_all(limited(result), now, verdict.retry_after)
        elif not isinstance(verdict, (Transient, Ambiguous)):
            self.pacer.accepted(now, stamp)

    def waited(self, now: float) -> float:
        """Return the seconds in which somebody stood here and was not let through yet."""
        return self.waiting.lasted(now)

    async def let_out(self) -> None:
        """Wait until those who stand here now have left, or might have."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PRECEDENCE), self._turn:
                pass

    def _hold_all(self, kind: Limited | None, now: float, retry_after: float | None) -> None:
        """Close the gate that a limit of this kind is for, for as long as the service says, else as we wait here."""
        until = self.pacer.opens_at() if retry_after is None else now + retry_after
        held = self.sharing.get(kind, ()) if kind is not None else ()
        for each in held:
            each._held_until = max(each._held_until, until)  # noqa: SLF001  one of us
            each._precedes = held[0] if each is not held[0] else None  # noqa: SLF001  the same

    async def _sleep(self, seconds: float) -> None:
        clock = asyncio.get_running_loop().time
        self.waiting.come(clock())
        try:
            await asyncio.sleep(seconds)
        finally:
            self.waiting.go(clock())


@dataclass(frozen=True, slots=True)
class Routes:
    """One turnstile per route, since their quotas differ: what polls may do says nothing about resets.

    They share a gate only where a 429 says that its limit is for more than one of them. Resets go first then. `steps`
    is that of the other writes; a moment in which one waits there counts as one in which a reset does.
    """

    resets: Turnstile
    steps: Turnstile = field(default_factory=lambda: Turnstile(Pacer()))
    polls: Turnstile = field(default_factory=lambda: Turnstile(Pacer()))
    reads: Turnstile = field(default_factory=lambda: Turnstile(Pacer()))

    def __post_init__(self) -> None:
        self.steps.waiting = self.resets.waiting
        writing, reading = (self.resets, self.steps), (self.polls, self.reads)
        sharing = {Limited.WRITE: writing, Limited.READ: reading, Limited.READ_WRITE: (*writing, *reading)}
        for each in sharing[Limited.READ_WRITE]:
            each.sharing = sharing
