"""Why and how a run stops before its end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from batchreset.engine import events
from batchreset.errors import BatchResetError
from batchreset.model import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

#: After Ctrl-C: how many seconds operations under way are still followed.
GRACE = 5.0


class Control:
    """Stopping, as one value that everybody reads.

    `sending_stopped` means that no new reset is sent; `following_stopped` that operations are followed no longer;
    `caring_stopped` that nothing more is sent of what comes after a reset; `abandoned` that requests under way are not
    waited for either. The first reason given is the one that is told.
    """

    def __init__(self) -> None:
        """Start with nothing stopped."""
        self.sending_stopped = asyncio.Event()
        self.following_stopped = asyncio.Event()
        self.caring_stopped = asyncio.Event()
        self.abandoned = asyncio.Event()
        self.halted_because: str | None = None
        self.is_interrupted = False
        #: The option that ends this start early; None where it came to nothing, since all was sent.
        self.cut_short_by: str | None = None
        #: The on-premises domains of which no more is sent, and why; and what came of that, once the run has ended.
        self.closed: dict[str, str] = {}
        self._left: str | None = None
        #: The state that a run has come to which is over but for what can be done without.
        self._settled: RunState | None = None

    @property
    def state(self) -> RunState:
        """How the run ends, were it to end now."""
        if self._settled is not None:
            return self._settled
        if self.is_interrupted:
            return RunState.INTERRUPTED
        if self.halted_because is not None:
            return RunState.HALTED
        return RunState.INTERRUPTED if self.cut_short_by else RunState.FINISHED

    @property
    def because(self) -> str | None:
        """Why the run stops, where that is not plain from its state."""
        if self.halted_because is None and self.cut_short_by:
            return f"stopped by {self.cut_short_by}"
        return self.halted_because or self._left

    def settle(self) -> None:
        """Keep the state: all is done, and whoever interrupts what follows interrupts nothing of the run."""
        self._settled = self.state

    def halt(self, why: str, *, follow: bool) -> None:
        """Stop sending, for a reason of the run's own; `follow` operations under way to their end, or stop that too."""
        if self.halted_because is None:
            self.halted_because = why
            self._settled = None
            events.tell("halted", level=logging.WARNING, because=why)
        self.sending_stopped.set()
        if not follow:
            self.following_stopped.set()
            self.caring_stopped.set()

    def close(self, domain: str, why: str) -> None:
        """Send no more of one on-premises domain; the run goes on."""
        self.closed[domain] = why
        events.tell("domain closed", level=logging.WARNING, domain=domain, because=why)

    def interrupt(self) -> None:
        """Stop sending because somebody asked for it, and following a few seconds later; asked twice, do it at once."""
        events.tell("interrupted", level=logging.WARNING, again=self.is_interrupted or None)
        if self.is_interrupted:
            self.abandoned.set()
            self.following_stopped.set()
        self.is_interrupted = True
        self.sending_stopped.set()
        self.caring_stopped.set()
        asyncio.get_running_loop().call_later(GRACE, self.following_stopped.set)

    def stop_after(self, option: str) -> None:
        """Stop sending because this start's time is over, as `option` has it; what was sent is followed to its end."""
        self.cut_short_by = option
        self.sending_stopped.set()

    def note_left(self, left: Mapping[str, int]) -> None:
        """Note how many rows of each closed domain were not sent."""
        clauses = [
            f"in {domain}: {count:,} account{' was' if count == 1 else 's were'} not attempted"
            for domain, count in left.items()
            if count
        ]
        self._left = f"writeback failed {', '.join(clauses)}" if clauses else None

    def note_fault(self, fault: BaseException) -> None:
        """Note that the run ends by a fault, or because its task was cancelled."""
        if isinstance(fault, asyncio.CancelledError):
            self.is_interrupted = True
        else:
            is_told = isinstance(fault, BatchResetError)
            self.halt(str(fault) if is_told else f"a fault of the program's own ({type(fault).__name__})", follow=False)
