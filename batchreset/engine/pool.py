"""The pool: workers that send resets, each handing its Location to the tracker and taking the next row."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from batchreset.clock import utc_now
from batchreset.engine.followed import UNNAMED, Followed, Operation
from batchreset.engine.ledger import entry
from batchreset.engine.supply import refusal
from batchreset.errors import PasswordNotMadeError, SignInError
from batchreset.graph.resets import ResetRequest, operation_url, send_reset
from batchreset.graph.retry import until_decided
from batchreset.graph.session import new_request_id
from batchreset.model import Fate, Reason, State, Step
from batchreset.policy.attempts import Next, Tally, decide
from batchreset.policy.routing import is_complete
from batchreset.policy.settling import Landed, in_force
from batchreset.policy.steps import due_before
from batchreset.policy.verdict import Accepted, Ambiguous, Answer, Demoted, Refused, SignedOut, judge
from batchreset.status.changes import Answered, Change, Ending, answered, candidate_fate, candidate_made, intended

if TYPE_CHECKING:
    from batchreset.engine.control import Control
    from batchreset.engine.feed import Feed
    from batchreset.engine.ledger import Ledger
    from batchreset.engine.outage import Outage
    from batchreset.engine.standing import Standing
    from batchreset.engine.steps import Steps
    from batchreset.engine.supply import Passwords
    from batchreset.engine.tracker import Tracker
    from batchreset.graph.resets import Form
    from batchreset.graph.session import Exchange, GraphSession
    from batchreset.graph.turnstile import Turnstile
    from batchreset.policy.verdict import Verdict
    from batchreset.secret import Secret
    from batchreset.status.rows import Work


@dataclass(slots=True)
class _Row:
    """A row in a worker's hands, and what it has been through there."""

    work: Work
    state: State
    tally: Tally
    #: The candidate on disk, and its plain text where there is one.
    candidate_id: int | None = None
    password: Secret | None = None
    #: How many sends may have been taken.
    sends: int = 0
    #: The candidates that a send of unknown effect may have put in force, and what came of the last such send.
    doubted: set[int] = field(default_factory=set)
    doubt: str = "an earlier answer was lost"
    #: Whether another password is to be tried once the directory has had its time to show the present one.
    is_sent_again: bool = False
    #: When it was first refused (403) although others had been accepted, and whether its token was once taken no more.
    refused_at: float | None = None
    was_renewed: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """What the workers share to send with."""

    graph: GraphSession
    turnstile: Turnstile
    passwords: Passwords
    form: Form
    standing: Standing
    #: What is sent before each reset, and what carries it out.
    before: tuple[Step, ...]
    steps: Steps


class Pool:
    """Sends until the feed is empty or sending is stopped."""

    def __init__(
        self, feed: Feed, sending: Sending, tracker: Tracker, ledger: Ledger, outage: Outage, control: Control
    ) -> None:
        """Take rows from `feed`, hand those accepted or in doubt to `tracker`."""
        self._crew = sending.steps.crew
        self._feed = feed
        self._sending = sending
        self._tracker = tracker
        self._ledger = ledger
        self._outage = outage
        self._control = control

    async def run(self, workers: int) -> None:
        """Work with so many workers until all are done; those that only wait are sent home when sending stops."""
        await self._crew.work(range(workers), self._work)

    async def _work(self, number: int) -> None:
        while (work := await self._feed.take()) is not None:
            self._outage.busy.add(number)
            try:
                await self._reset(number, self._take_up(work))
            finally:
                self._feed.put_down()
                self._outage.busy.discard(number)

    def _take_up(self, work: Work) -> _Row:
        """Take a row up where the status table left it: with the same candidate where it can be opened."""
        tally = Tally(doubtful=max(work.tries, min(work.past.lost, 1)), rejected=work.rejected)
        row = _Row(work, work.state, tally, sends=work.past.lost, doubted=set(work.past.doubted))
        row.password = self._sending.passwords.open(work)
        if row.password is not None:
            row.candidate_id = work.candidate_id
        elif work.candidate_id is not None and work.fate is Fate.UNSENT:
            self._ledger.note(candidate_fate(work.candidate_id, Fate.REPLACED))
        return row

    async def _reset(self, number: int, row: _Row) -> None:
        """Send one row until it is accepted, has failed or is in doubt for good."""

        async def attempt() -> Next:
            return await self._attempt(number, row)

        decided = await until_decided(attempt)
        if decided.state is State.DOUBTFUL and not self._control.following_stopped.is_set():
            followed = self._followed(row)
            followed.reason, followed.detail = Reason.ANSWER_LOST, decided.detail or row.doubt
            followed.is_sent_again = row.is_sent_again
            self._tracker.follow(followed)

    async def _attempt(self, number: int, row: _Row) -> Next:
        """Send a row once: intent, permit, request, verdict."""
        await self._outage.clear()
        if self._control.sending_stopped.is_set():
            return Next(row.state, row.tally)
        try:
            candidate = self._candidate(row)
        except PasswordNotMadeError as error:
            return self._without_password(row, str(error))
        await self._prepare(number, row)
        if self._control.sending_stopped.is_set():
            return Next(row.state, row.tally)
        back, row.state, send = row.state, State.SENDING, new_request_id()
        try:
            intent = intended(send, row.work.id, row.candidate_id or 0)
            await self._ledger.intend(row.work.id, back, *candidate, intent)
            stamp = await self._sending.turnstile.permit()
            with suppress(SignInError):  # waited for here, where nothing is under way; sending asks again, and tells
                await self._sending.graph.token()
        except asyncio.CancelledError:
            self._move(row, back, answered(send, Answered("unsent")), *self._untouched(row))
            raise
        request = ResetRequest(row.work.object_id, send, row.password, self._sending.form)
        departure = self._sending.standing.departure(row.refused_at)
        self._crew.under_way.add(number)
        try:
            exchange, made = await send_reset(self._sending.graph, request)
        except asyncio.CancelledError:
            self._move(row, State.DOUBTFUL, answered(send, Answered("ambiguous")))
            raise
        finally:
            self._crew.under_way.discard(number)
        verdict = judge(exchange.result, utc_now())
        if isinstance(verdict, Accepted) and row.password is None and made is None and self._sending.passwords.are_told:
            verdict = Ambiguous("the service took the reset but did not tell the password it made")
        self._sending.turnstile.tell(verdict, stamp, exchange.result)
        self._ledger.count_if_throttled(verdict)
        # Whoever waits here meets no service that could be away.
        self._outage.busy.discard(number)
        try:
            verdict = await self._sending.standing.weigh(verdict, departure)
        except asyncio.CancelledError:
            self._conclude(number, row, exchange, Demoted(), made)
            raise
        finally:
            self._outage.busy.add(number)
        if isinstance(verdict, Demoted):
            row.refused_at = departure.refused_at or asyncio.get_running_loop().time()
        elif isinstance(verdict, SignedOut) and exchange.refused is not None and not row.was_renewed:
            verdict, row.was_renewed = self._renewed(exchange, verdict), True
        return self._conclude(number, row, exchange, verdict, made)

    async def _prepare(self, number: int, row: _Row) -> None:
        """Carry out what goes before the reset and was not done yet; a step that comes to naught keeps nobody up."""
        work, sending = row.work, self._sending
        for step in due_before(sending.before, work.steps_done, enabled=work.enabled_before):
            self._outage.busy.discard(number)
            try:
                if step is Step.DISABLE and await sending.steps.is_blocked_by_now(work):
                    row.work = replace(row.work, enabled_before=False)
                    continue
                await sending.steps.carry_out(number, step, work)
            finally:
                self._outage.busy.add(number)
            row.work = replace(row.work, steps_done=row.work.steps_done | {step})

    def _without_password(self, row: _Row, why: str) -> Next:
        """Leave a row out for which no password can be made; where one is in doubt already, it is followed."""
        if row.state is State.READY:
            self._move(row, State.EXCLUDED, ending=Ending(Reason.PASSWORD_REJECTED, why))
        return Next(row.state, row.tally, detail=why)

    def _renewed(self, exchange: Exchange, verdict: SignedOut) -> Verdict:
        """Return what a refused token means where there is another one now."""
        if not isinstance(exchange.result, Answer):
            return verdict
        self._ledger.decide("sign-in renewed", client_request_id=exchange.client_request_id)
        return Demoted()

    def _conclude(self, number: int, row: _Row, exchange: Exchange, verdict: Verdict, made: Secret | None) -> Next:
        """Write what the answer means for the row, and say what follows."""
        is_away = self._outage.note(number, exchange.result)
        tally = replace(row.tally, transient=0) if is_away else row.tally
        decided = decide(verdict, tally, row.work.kind, may_replace=self._sending.passwords.may_replace(row.work))
        row.tally, row.sends = decided.tally, row.sends + isinstance(verdict, Accepted | Ambiguous)
        location = verdict.location if isinstance(verdict, Accepted) else None
        url = operation_url(self._sending.graph, location, row.work.object_id)
        name = type(verdict).__name__.lower()
        answer = Answered(name, exchange.status, exchange.request_id, url)
        sealed = self._sending.passwords.seal(made)
        changes = [answered(exchange.client_request_id, answer), entry("write", exchange, row.work.id)]
        candidate_id = row.candidate_id or 0
        if sealed is not None:
            changes.append(candidate_fate(candidate_id, Fate.POSSIBLE, sealed))
        elif isinstance(verdict, Ambiguous):
            row.doubted.add(candidate_id)
            row.doubt = verdict.why
        elif not isinstance(verdict, Accepted):
            is_over = decided.state is State.FAILED or isinstance(verdict, Refused)
            changes.extend(self._untouched(row, Fate.REFUSED if is_over else Fate.UNSENT))
        if decided.tally.rejected > tally.rejected:
            row.candidate_id = row.password = None
        if isinstance(verdict, Accepted) and is_complete(self._sending.form.method, exchange.status):
            self._complete(row, *changes)
            return replace(decided, state=row.state)
        self._move(row, decided.state, *changes, ending=refusal(row.work, decided.reason, decided.detail))
        if isinstance(verdict, Accepted):
            followed = self._followed(row)
            if url is not None:
                followed.operations.append(Operation(exchange.client_request_id, candidate_id, url))
            else:
                followed.doubted.add(candidate_id)
                followed.reason, followed.detail = UNNAMED
            self._tracker.follow(followed, verdict.retry_after)
        if isinstance(verdict, SignedOut):
            self._control.halt(f"the sign-in was lost ({verdict.why})", follow=False)
        # A password that the service made is made again, and not before it is seen what became of the first; a row in
        # doubt when sending stops is left to the next start.
        is_stopped = self._control.sending_stopped.is_set()
        is_made_again = row.password is None and candidate_id in row.doubted and self._sending.passwords.are_told
        row.is_sent_again = decided.again and decided.state is State.DOUBTFUL and (is_made_again or is_stopped)
        return replace(decided, again=False) if row.is_sent_again or is_stopped else decided

    def _complete(self, row: _Row, *changes: Change) -> None:
        """Settle a row whose answer was its end; the directory is still asked when it shows that."""
        settled = in_force([Landed(row.candidate_id or 0)], row.doubted)
        fate = (candidate_fate(settled, Fate.IN_FORCE),) if settled is not None else ()
        self._ledger.complete(row.work.id, *changes, *fate, ending=Ending(settled_on=settled))
        row.state = State.SUCCEEDED
        if row.work.password_changed_before is not None:
            self._tracker.follow(self._followed(row))

    def _candidate(self, row: _Row) -> list[Change]:
        """See to it that the row has a candidate to send; return the changes that put it on disk.

        It counts as possible from the intent on. What was in doubt is sent again only where its text is known.
        """
        if row.candidate_id is not None and (row.password is not None or row.candidate_id not in row.doubted):
            return [candidate_fate(row.candidate_id, Fate.POSSIBLE)]
        passwords = self._sending.passwords
        row.candidate_id = next(passwords.numbers)
        row.password = passwords.make(row.work, row.tally.rejected)
        return [candidate_made(row.candidate_id, row.work.id, passwords.seal(row.password), Fate.POSSIBLE)]

    def _untouched(self, row: _Row, fate: Fate = Fate.UNSENT) -> list[Change]:
        """Return the change that says that the candidate is not in force, where that is proven."""
        return [] if row.candidate_id in row.doubted else [candidate_fate(row.candidate_id or 0, fate)]

    def _move(self, row: _Row, target: State, *changes: Change, ending: Ending | None = None) -> None:
        self._ledger.move(row.work.id, row.state, target, *changes, ending=ending or Ending())
        row.state = target

    def _followed(self, row: _Row) -> Followed:
        work = replace(row.work, rejected=row.tally.rejected) if row.tally.rejected else row.work
        return Followed(
            work=work,
            state=row.state,
            sent_at=asyncio.get_running_loop().time(),
            sends=row.sends,
            tries=row.tally.doubtful,
            doubted=set(row.doubted),
            is_untold=bool(row.doubted) and row.password is None and self._sending.passwords.are_told,
            may_be_replaced=self._sending.passwords.may_replace(work) and not row.doubted,
        )
