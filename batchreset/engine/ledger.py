"""The ledger: every move of a run goes through here, so that what is shown, written and judged is one and the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.model import ENDED, State
from batchreset.policy.verdict import Answer, Throttled
from batchreset.status.changes import Change, Ending, moved, requested

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.engine.control import Control
    from batchreset.graph.session import Exchange
    from batchreset.policy.breaker import Breaker
    from batchreset.policy.verdict import Look, Verdict
    from batchreset.status.writer import Writer

_PLAIN = Ending()


class Ledger:
    """Moves rows: puts the move to the writer, counts it, and lets the breaker judge each end."""

    def __init__(self, writer: Writer, counts: Mapping[State, int], breaker: Breaker, control: Control) -> None:
        """Start from the counts the table has now."""
        self.counts = dict(counts)
        self.throttled = 0
        self._writer = writer
        self._breaker = breaker
        self._control = control

    def move(self, reset_id: int, source: State, target: State, *changes: Change, ending: Ending = _PLAIN) -> None:
        """Move a row, with the changes that belong to the move. Never waits, so it cannot be lost to a cancellation."""
        self._writer.put(moved(reset_id, source, target, ending), *changes)
        self._count(source, target, ending)

    async def intend(self, reset_id: int, source: State, *changes: Change) -> None:
        """Move a row that is about to be sent, ready or in doubt, and wait until that is on disk.

        The move is made even where the wait is cancelled.
        """
        by_way = [moved(reset_id, source, State.READY)] if source is State.DOUBTFUL else []
        self._count(source, State.SENDING, _PLAIN)
        # In one transaction: a row found ready is one that no earlier send can have reset.
        await self._writer.commit(*by_way, moved(reset_id, State.READY, State.SENDING), *changes)

    def note(self, *changes: Change) -> None:
        """Write changes that move nothing."""
        self._writer.put(*changes)

    def _count(self, source: State, target: State, ending: Ending) -> None:
        self.counts[source] -= 1
        self.counts[target] += 1
        if target in ENDED:
            cause = None if target is State.SUCCEEDED else str(ending.reason)
            if why := self._breaker.trip(cause):
                self._control.halt(why, follow=True)

    def count_if_throttled(self, verdict: Verdict | Look) -> None:
        """Count a 429 for the live view."""
        self.throttled += isinstance(verdict, Throttled)


def entry(route: str, exchange: Exchange, reset_id: int | None = None) -> Change:
    """Make the audit trail's line of an exchange: `route` is `write`, `read` or `poll`."""
    return requested(
        route,
        exchange.status,
        reset_id=reset_id,
        method=exchange.method,
        path=exchange.path,
        client_request_id=exchange.client_request_id,
        request_id=exchange.request_id,
        seconds=round(exchange.seconds, 3),
        fault=None if isinstance(exchange.result, Answer) else exchange.result.why,
    )
