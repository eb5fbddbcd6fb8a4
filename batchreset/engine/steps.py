"""Carrying steps out: the writes beside the reset, each repeated until it is accepted, refused or given up."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.clock import utc_now
from batchreset.engine.ledger import entry
from batchreset.errors import SignInError
from batchreset.graph.directory import ask_whether_open
from batchreset.graph.retry import until_decided
from batchreset.graph.session import new_request_id
from batchreset.graph.steps import send_step
from batchreset.policy.steps import Next, decide, judge_step
from batchreset.policy.verdict import Accepted, Answer, Demoted, SignedOut, Throttled, is_open, judge
from batchreset.status.changes import Answered, answered, found_blocked

if TYPE_CHECKING:
    from batchreset.engine.control import Control
    from batchreset.engine.crew import Crew
    from batchreset.engine.ledger import Ledger
    from batchreset.engine.outage import Outage
    from batchreset.graph.session import Exchange, GraphSession
    from batchreset.graph.turnstile import Routes
    from batchreset.model import Step
    from batchreset.policy.verdict import Verdict
    from batchreset.status.cares import Care
    from batchreset.status.rows import Work


@dataclass(slots=True)
class _Errand:
    """A step on its way for an account, and what it has been through."""

    step: Step
    row: Work | Care
    tried: int = 0
    was_renewed: bool = False
    is_accepted: bool = False


class Steps:
    """Carries steps out for the workers of one crew."""

    def __init__(
        self, graph: GraphSession, routes: Routes, ledger: Ledger, outage: Outage, control: Control, crew: Crew
    ) -> None:
        """Send by a turnstile of `routes` that is not that of the resets."""
        self.crew = crew
        self._graph = graph
        self._turnstile = routes.steps
        self._reads = routes.reads
        self._ledger = ledger
        self._outage = outage
        self._control = control

    async def carry_out(self, number: int, step: Step, row: Work | Care) -> bool:
        """Carry a step out for an account, by this worker; say whether it was accepted.

        A crash or a cancellation on the way leaves a send without an answer, and the step due. The worker counts as one
        that may meet an outage while its request is under way, and not while it waits for leave to send it.
        """
        errand = _Errand(step, row)

        async def attempt() -> Next:
            return await self._attempt(number, errand)

        await until_decided(attempt)
        return errand.is_accepted

    async def is_blocked_by_now(self, row: Work) -> bool:
        """Ask whether somebody has blocked an account since it was screened, and write it down where it is so.

        Of an account that this run may have blocked itself nobody could tell; of one that cannot be read, what
        screening found goes.
        """
        while not (row.may_be_blocked_here or self.crew.stopped.is_set()):
            await self._outage.clear()
            stamp = await self._reads.permit()
            exchange = await ask_whether_open(self._graph, row.object_id)
            verdict = judge(exchange.result, utc_now())
            self._reads.tell(verdict, stamp, exchange.result)
            self._ledger.count_if_throttled(verdict)
            is_blocked = is_open(exchange.result, row.object_id) is False
            line = entry("read", exchange, row.id)
            self._ledger.note(line, *((found_blocked(row.id),) if is_blocked else ()))
            if not isinstance(verdict, Throttled):
                return is_blocked
        return False

    async def _attempt(self, number: int, errand: _Errand) -> Next:
        """Send a step once: intent, permit, request, verdict."""
        if not self.crew.stopped.is_set():  # who is not to send any more need not wait for the service
            await self._outage.clear()
        if self.crew.stopped.is_set():
            return Next()
        send = new_request_id()
        try:
            await self._ledger.intend_step(send, errand.row.id, errand.step)
            stamp = await self._turnstile.permit()
            with suppress(SignInError):  # waited for here, where nothing is under way; sending asks again, and tells
                await self._graph.token()
        except asyncio.CancelledError:
            self._ledger.note(answered(send, Answered("unsent")))
            raise
        self._outage.busy.add(number)
        self.crew.under_way.add(number)
        try:
            exchange = await send_step(self._graph, errand.step, errand.row.object_id, send)
        finally:
            self.crew.under_way.discard(number)
            self._outage.busy.discard(number)
        verdict = judge_step(errand.step, exchange.result, utc_now())
        self._turnstile.tell(verdict, stamp, exchange.result)
        self._ledger.count_if_throttled(verdict)
        return self._conclude(number, errand, exchange, verdict)

    def _conclude(self, number: int, errand: _Errand, exchange: Exchange, verdict: Verdict) -> Next:
        """Write what the answer means, and say whether the step is sent again."""
        has_another_token = exchange.refused is not None and isinstance(exchange.result, Answer)
        if isinstance(verdict, SignedOut) and has_another_token and not errand.was_renewed:
            verdict, errand.was_renewed = Demoted(), True
        errand.is_accepted = isinstance(verdict, Accepted)
        is_away = self._outage.note(number, exchange.result)
        self._ledger.note_step(errand.row, errand.step, exchange, verdict)
        if isinstance(verdict, SignedOut):
            self._control.halt(f"the sign-in was lost ({verdict.why})", follow=False)
        decided = decide(verdict, 0 if is_away else errand.tried)
        errand.tried = decided.tried
        return Next() if self.crew.stopped.is_set() else decided
