"""The life of a run, from its plan to its report: submit, follow, drain, account for."""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchreset import report
from batchreset.clock import timestamp
from batchreset.engine import folder as folders
from batchreset.engine.control import Control
from batchreset.engine.ledger import Ledger, entry
from batchreset.engine.outage import Outage
from batchreset.engine.pool import Additions, Feed, Passwords, Pool, Sending
from batchreset.engine.progress import Snapshot
from batchreset.engine.tracker import Followed, Patience, Tracker
from batchreset.errors import KeyMissingError
from batchreset.graph.directory import probe
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import Kind, PasswordSource, Reason, RunState, State
from batchreset.policy.attempts import MOST_DOUBTFUL
from batchreset.policy.breaker import Breaker, Limit
from batchreset.policy.pace import Pacer
from batchreset.settings import pairs, seconds
from batchreset.status import database, record, rows
from batchreset.status.changes import logged
from batchreset.status.writer import Writer
from batchreset.vault.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from batchreset.auth.token import TokenSource
    from batchreset.policy.verdict import Result
    from batchreset.report import Summary
    from batchreset.settings import Settings
    from batchreset.status.rows import Work
    from batchreset.vault.sealing import RunKey

_TICK = 0.5
#: Seconds over which the rate shown is measured.
_RATE_OVER = 10.0


@dataclass(frozen=True, slots=True)
class Means:
    """What a run is carried out with: sign-in, the key if one is at hand, and whom to tell how it goes."""

    tokens: TokenSource
    key: RunKey | None
    progress: Callable[[Snapshot], None] = lambda _: None


async def carry_out(folder: Path, settings: Settings, means: Means) -> Summary:
    """Carry out the run in `folder`, from wherever its status table says it stands, and write its report.

    Raises `LockedError` when another process works on it, `KeyMissingError` when its passwords came with the cohort
    and no key at hand opens them, `StatusTableError` when the last moves could not be written.
    """
    with folders.locked(folder):
        engine = database.connect(folder)
        try:
            return await _carry_out(folder, engine, settings, means)
        finally:
            engine.dispose()


async def _carry_out(folder: Path, engine: Engine, settings: Settings, means: Means) -> Summary:
    line = record.load(engine)
    if settings.password_source is PasswordSource.COLUMN and means.key is None:
        raise KeyMissingError(
            "The passwords of this run came with the cohort and are sealed; no key at hand opens them. "
            "Set BATCHRESET_IDENTITY to the key of a recipient."
        )
    rows.move_all(engine, State.SENDING, State.DOUBTFUL)
    record.note(
        engine, state=RunState.RUNNING, started_at=line.started_at or timestamp(), finished_at=None, halted_because=None
    )
    control, clock = Control(), asyncio.get_running_loop().time
    start = clock()
    try:
        await _work(engine, settings, means, control)
    except BaseException as error:
        control.halt(f"a fault: {type(error).__name__}", follow=False)
        raise
    finally:
        state = RunState.HALTED if control.halted_because else RunState.FINISHED
        state = RunState.INTERRUPTED if control.is_interrupted else state
        record.note(
            engine,
            state=state,
            halted_because=control.halted_because,
            finished_at=timestamp(),
            seconds=line.seconds + clock() - start,
        )
        summary = await asyncio.to_thread(report.write, folder, engine)
    return summary


async def _work(engine: Engine, settings: Settings, means: Means, control: Control) -> None:
    """Send, follow and drain. The writer outlives every task, so what an answer said is on disk whatever happens."""
    loop = asyncio.get_running_loop()

    def on_broken(why: str) -> None:
        loop.call_soon_threadsafe(lambda: control.halt(why, follow=False))

    with Writer(engine, on_broken) as writer:
        breaker = Breaker(Limit.parse(settings.max_failures))
        ledger = Ledger(writer, rows.counts(engine), breaker, control)
        ledger.note(logged("started", version=record.load(engine).version, workers=settings.workers))
        async with GraphSession(settings.graph_root, means.tokens, connections=2 * settings.workers) as graph:
            routes = Routes(resets=Turnstile(Pacer(settings.rate)))
            patience = Patience(
                deadline=seconds(settings.deadline, "--deadline"),
                lag=seconds(settings.directory_lag, "--directory-lag"),
            )
            tracker = Tracker(graph, routes, ledger, control, patience)
            first = _take_up(engine, graph, tracker, settings, means.key)
            sending = Sending(
                graph=graph,
                turnstile=routes.resets,
                passwords=Passwords(
                    source=settings.password_source,
                    sealer=Sealer(record.load(engine).recipient),
                    key=means.key,
                    numbers=itertools.count(rows.next_candidate_id(engine)),
                ),
                additions=Additions(
                    headers=dict(pairs(settings.header, "--header")),
                    properties=dict(pairs(settings.body_property, "--body-property")),
                ),
            )
            outage = Outage(_prober(graph, ledger), control)
            pool = Pool(Feed(engine, first, control), sending, tracker, ledger, outage, control)
            driving = asyncio.create_task(_drive(pool, tracker, control, settings.workers))
            ticking = asyncio.create_task(_tick(ledger, routes, control, means.progress))
            with _signals(control, driving):
                await asyncio.wait({driving})
            ticking.cancel()
            if not driving.cancelled():
                driving.result()
        ledger.note(logged("stopped", because=control.halted_because, interrupted=control.is_interrupted or None))


async def _drive(pool: Pool, tracker: Tracker, control: Control, workers: int) -> None:
    """Run the two stages to their end, or until following is stopped."""
    async with asyncio.TaskGroup() as group:
        following = group.create_task(tracker.run())
        given_up = group.create_task(control.following_stopped.wait())
        await pool.run(workers)
        tracker.close()
        await asyncio.wait({following, given_up}, return_when=asyncio.FIRST_COMPLETED)
        following.cancel()
        given_up.cancel()


def _take_up(
    engine: Engine, graph: GraphSession, tracker: Tracker, settings: Settings, key: RunKey | None
) -> list[Work]:
    """Hand what an earlier start left behind to the tracker; return the rows in doubt that may be sent again.

    Only a cloud account's doubtful row is sent again, with the same password or one of the service's making, since
    that converges. All others are settled by asking the directory.
    """
    for work in rows.work(engine, State.ACCEPTED):
        url = graph.resolve(work.operation_url) if work.operation_url else None
        reason = None if url else Reason.OPERATION_UNREADABLE
        tracker.follow(_followed(work, url, reason, "the answer named no operation to follow"))
    again = []
    is_openable = key is not None or settings.password_source is PasswordSource.SYSTEM
    for work in rows.work(engine, State.DOUBTFUL):
        if work.kind is Kind.CLOUD and is_openable and work.doubts < MOST_DOUBTFUL and not work.send:
            again.append(work)
        else:
            tracker.follow(_followed(work, None, Reason.ANSWER_LOST, "an earlier answer was lost"))
    return again


def _followed(work: Work, url: str | None, reason: Reason | None, detail: str) -> Followed:
    return Followed(
        reset_id=work.id,
        object_id=work.object_id,
        kind=work.kind,
        state=work.state,
        candidate_id=work.candidate_id or 0,
        is_alone=work.candidates == 1,
        has_doubts=work.doubts > 0,
        password_changed_before=work.password_changed_before,
        sent_at=asyncio.get_running_loop().time(),
        send=work.send,
        url=url,
        polls=work.polls,
        reason=reason,
        detail=detail if reason else None,
    )


def _prober(graph: GraphSession, ledger: Ledger) -> Callable[[], Any]:
    async def ask() -> Result:
        exchange = await probe(graph)
        ledger.note(entry("read", exchange))
        return exchange.result

    return ask


async def _tick(ledger: Ledger, routes: Routes, control: Control, progress: Callable[[Snapshot], None]) -> None:
    """Tell how it goes, twice a second, and once more at the end."""
    clock = asyncio.get_running_loop().time
    start, seen = clock(), [(clock(), ledger.counts[State.READY])]
    while True:
        now = clock()
        seen = [(at, left) for at, left in seen if now - at <= _RATE_OVER] + [(now, ledger.counts[State.READY])]
        (first_at, first_left), (last_at, last_left) = seen[0], seen[-1]
        rate = (first_left - last_left) / (last_at - first_at) if last_at > first_at else 0.0
        pace = routes.resets.pacer.rate
        note = control.halted_because or ("stopping" if control.is_interrupted else None)
        progress(Snapshot(dict(ledger.counts), now - start, max(rate, 0.0), ledger.throttled, pace, note))
        await asyncio.sleep(_TICK)


@contextmanager
def _signals(control: Control, driving: asyncio.Task[None]) -> Iterator[None]:
    """Stop gently on the first Ctrl-C or termination signal, at once on the second; what is queued is still written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if control.sending_stopped.is_set() and control.is_interrupted:
            driving.cancel()
        control.interrupt()

    def handle(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stop)

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
