"""Why and how a run stops before its end."""

from __future__ import annotations

import asyncio

#: After Ctrl-C: how many seconds operations under way are still followed.
GRACE = 5.0


class Control:
    """Stopping, as one value that everybody reads.

    `sending_stopped` means that no new intent is made; `following_stopped` that operations are followed no longer.
    The first reason given is the one that is told.
    """

    def __init__(self) -> None:
        """Start with nothing stopped."""
        self.sending_stopped = asyncio.Event()
        self.following_stopped = asyncio.Event()
        self.halted_because: str | None = None
        self.is_interrupted = False

    def halt(self, why: str, *, follow: bool) -> None:
        """Stop sending, for a reason of the run's own; `follow` operations under way to their end, or stop that too."""
        if self.halted_because is None:
            self.halted_because = why
        self.sending_stopped.set()
        if not follow:
            self.following_stopped.set()

    def interrupt(self) -> None:
        """Stop sending because somebody asked for it, and following a few seconds later."""
        self.is_interrupted = True
        self.sending_stopped.set()
        asyncio.get_running_loop().call_later(GRACE, self.following_stopped.set)
