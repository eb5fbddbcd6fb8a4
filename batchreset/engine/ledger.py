"""The ledger: every move of a run goes through here, so that what is shown, written and judged is one and the same."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchreset.clock import utc_now
from batchreset.engine import events
from batchreset.model import ENDED, State
from batchreset.policy.verdict import Answer, Throttled
from batchreset.policy.waits import distrusted_in, wait_in
from batchreset.status import rows
from batchreset.status.changes import Answered, Change, Ending, answered, intended, logged, moved, requested

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from batchreset.engine.control import Control
    from batchreset.graph.session import Exchange
    from batchreset.model import Step
    from batchreset.policy.breaker import Breaker
    from batchreset.policy.verdict import Look, Verdict
    from batchreset.status.cares import Care
    from batchreset.status.rows import Work
    from batchreset.status.writer import Writer
    from batchreset.vault.sealing import RunKey

_PLAIN = Ending()
#: A long word with more in it than letters, and marks of punctuation that words have.
_MAY_BE_PASSWORD = re.compile(r"(?=\S{8})\S*[^\sA-Za-z.,:;'()]\S*")
#: Rows whose names are read at a time, for the log.
_NAMES = 500


class Ledger:
    """Moves rows: puts the move to the writer, counts and logs it, and lets the breaker judge each end.

    No detail of a row is written that quotes a password tried for it, as the run's `key` opens it; without the key,
    none that may hold one.
    """

    def __init__(
        self, engine: Engine, writer: Writer, breaker: Breaker, control: Control, key: RunKey | None = None
    ) -> None:
        """Start from the counts the table has now."""
        self.counts = rows.counts(engine)
        self.throttled = 0
        #: Called with each row that ends: its id, its state, and why.
        self.on_end: list[Callable[[int, State, Ending], None]] = []
        self._engine = engine
        self._names: dict[int, dict[str, Any]] = {}
        self._writer = writer
        self._breaker = breaker
        self._control = control
        self._key = key

    def move(self, reset_id: int, source: State, target: State, *changes: Change, ending: Ending = _PLAIN) -> None:
        """Move a row, with the changes that belong to the move. Never waits, so it cannot be lost to a cancellation."""
        if ending.detail is not None:
            ending = replace(ending, detail=self._masked(reset_id, ending.detail))
        self._writer.put(moved(reset_id, source, target, ending), *changes)
        self._tell(reset_id, target, changes, ending)
        self._count(source, target, ending)
        self._announce(reset_id, target, ending)

    def complete(self, reset_id: int, *changes: Change, ending: Ending) -> None:
        """Move a row whose answer was its end: accepted and succeeded, in one transaction."""
        accepted = moved(reset_id, State.SENDING, State.ACCEPTED)
        self._writer.put(accepted, moved(reset_id, State.ACCEPTED, State.SUCCEEDED, ending), *changes)
        self._tell(reset_id, State.SUCCEEDED, changes, ending)
        self._count(State.SENDING, State.SUCCEEDED, ending)
        self._announce(reset_id, State.SUCCEEDED, ending)

    async def intend(self, reset_id: int, source: State, *changes: Change) -> None:
        """Move a row that is about to be sent, ready or in doubt, and wait until that is on disk.

        The move is made even where the wait is cancelled.
        """
        by_way = [moved(reset_id, source, State.READY)] if source is State.DOUBTFUL else []
        self._count(source, State.SENDING, _PLAIN)
        # In one transaction: a row found ready is one that no earlier send can have reset.
        await self._writer.commit(*by_way, moved(reset_id, State.READY, State.SENDING), *changes)
        self._tell(reset_id, State.SENDING, changes, _PLAIN)

    async def intend_step(self, client_request_id: str, reset_id: int, step: Step) -> None:
        """Write that a step beside the reset is about to be sent, and wait until that is on disk.

        It is written even where the wait is cancelled.
        """
        await self._writer.commit(intended(client_request_id, reset_id, None, step))

    def note_step(self, row: Work | Care, step: Step, exchange: Exchange, verdict: Verdict) -> None:
        """Write and log what came of a step beside the reset. Never waits."""
        name, why = type(verdict).__name__.lower(), getattr(verdict, "why", None)
        detail = self._masked(row.id, why) if why else None
        answer = Answered(name, exchange.status, exchange.request_id, detail=detail)
        self.note(answered(exchange.client_request_id, answer), entry("write", exchange, row.id, step))
        events.tell(
            "step answered",
            step=step,
            verdict=name,
            user=row.user,
            object_id=row.object_id,
            client_request_id=exchange.client_request_id,
        )

    def note(self, *changes: Change) -> None:
        """Write changes that move nothing."""
        self._writer.put(*changes)

    def decide(self, event: str, **fields: Any) -> None:
        """Write a decision of the run's to the audit trail and the log."""
        self.note(logged(event, **fields))
        events.tell(event, **fields)

    @property
    def is_anything_open(self) -> bool:
        """Say whether a row has not ended."""
        return any(count for state, count in self.counts.items() if state not in ENDED)

    def _count(self, source: State, target: State, ending: Ending) -> None:
        self.counts[source] -= 1
        self.counts[target] += 1
        if target is State.ACCEPTED:
            self._breaker.accepted()
        if target in ENDED:
            cause = None if target is State.SUCCEEDED else str(ending.reason)
            if why := self._breaker.trip(cause, ending.detail):
                self._control.halt(why, follow=True)

    def _announce(self, reset_id: int, target: State, ending: Ending) -> None:
        if target in ENDED:
            for hear in self.on_end:
                hear(reset_id, target, ending)

    def _masked(self, reset_id: int, detail: str) -> str:
        """Mask what a service quotes of a row's passwords: by the time of a look nobody else has them at hand."""
        if self._key is None:
            return _MAY_BE_PASSWORD.sub("***", detail)
        for sealed in rows.sealed_for(self._engine, reset_id):
            detail = self._key.unseal(sealed).masked(detail)
        return detail

    def count_if_throttled(self, verdict: Verdict | Look) -> None:
        """Count a 429 for the live view."""
        if isinstance(verdict, Throttled):
            self.throttled += 1
            events.tell("throttled", wait=verdict.retry_after)

    def _tell(self, reset_id: int, target: State, changes: tuple[Change, ...], ending: Ending) -> None:
        """Log a move, by the names that people know the row by."""
        if events.is_heard():
            # A send goes by `client_request_id` where it is recorded first, and by `send` from then on.
            sends = (change.values.get("send") or change.values.get("client_request_id") for change in changes)
            events.tell(
                "ready again" if target is State.READY else target,
                **self._name(reset_id, is_ended=target in ENDED),
                reason=ending.reason,
                client_request_id=next(filter(None, sends), None),
            )

    def _name(self, reset_id: int, *, is_ended: bool) -> dict[str, Any]:
        """Return what people know a row by; it is kept until the row has ended."""
        if reset_id not in self._names:
            # Rows come in order: those that follow are asked for next.
            self._names |= rows.named(self._engine, reset_id, _NAMES)
        return self._names.pop(reset_id) if is_ended else self._names[reset_id]


def entry(route: str, exchange: Exchange, reset_id: int | None = None, step: Step | None = None) -> Change:
    """Make the audit trail's line of an exchange: `route` is `write`, `read` or `poll`; `step` where it is no reset.

    The log is told of a Retry-After that was not taken at its word.
    """
    result = exchange.result
    if isinstance(result, Answer) and (told := distrusted_in(result.headers, now := utc_now())):
        taken = wait_in(result.headers, now)
        events.tell("retry-after distrusted", level=logging.WARNING, told=told, taken=taken, path=exchange.path)
    return requested(
        route,
        exchange.status,
        reset_id=reset_id,
        step=step,
        method=exchange.method,
        path=exchange.path,
        client_request_id=exchange.client_request_id,
        request_id=exchange.request_id,
        seconds=round(exchange.seconds, 3),
        fault=None if isinstance(exchange.result, Answer) else exchange.result.why,
    )
