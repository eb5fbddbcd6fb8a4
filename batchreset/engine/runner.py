"""The life of a run, from its plan to its report: submit, follow, drain, account for."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy.exc import DatabaseError

from batchreset import report
from batchreset.clock import timestamp, utc_now
from batchreset.engine import events, signals
from batchreset.engine import folder as folders
from batchreset.engine.aftercare import Aftercare
from batchreset.engine.control import Control
from batchreset.engine.crew import Crew
from batchreset.engine.evidence import look_after
from batchreset.engine.faults import plain_errors
from batchreset.engine.feed import Feed
from batchreset.engine.keys import refuse_strange
from batchreset.engine.ledger import Ledger, entry
from batchreset.engine.leftovers import take_up
from batchreset.engine.lock import tenant_held
from batchreset.engine.memory import recall, remember
from batchreset.engine.ordering import opening_of
from batchreset.engine.outage import Outage
from batchreset.engine.pool import Pool, Sending
from batchreset.engine.progress import Teller
from batchreset.engine.standing import Evidence, Standing, roles_of
from batchreset.engine.steps import Steps
from batchreset.engine.supply import Passwords
from batchreset.engine.tracker import Patience, Tracker
from batchreset.errors import BatchResetError, HaltedError, KeyMissingError, RefusedError
from batchreset.graph.directory import Directory, probe
from batchreset.graph.resets import form_of
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import PasswordSource, RunState, State
from batchreset.policy import steps
from batchreset.policy.breaker import Breaker, Limit, advice
from batchreset.policy.pace import Pacer
from batchreset.policy.passwords import banned_on
from batchreset.status import cares, database, record, rows, turns
from batchreset.status.changes import logged
from batchreset.status.writer import Writer
from batchreset.values import seconds
from batchreset.vault.making import Maker, recipe_of
from batchreset.vault.sealing import Sealer
from batchreset.version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from batchreset.auth.token import TokenSource
    from batchreset.engine.progress import Snapshot
    from batchreset.graph.session import Exchange
    from batchreset.policy.verdict import Result
    from batchreset.report import Summary
    from batchreset.settings import Settings
    from batchreset.vault.sealing import RunKey


@dataclass(frozen=True, slots=True)
class Means:
    """What a run is carried out with: sign-in, the key if one is at hand, and whom to tell how it goes."""

    tokens: TokenSource
    key: RunKey | None
    progress: Callable[[Snapshot], None] = lambda _: None


async def carry_out(folder: Path, settings: Settings, means: Means) -> Summary:
    """Carry out the run in `folder`, from wherever its status table says it stands, and write its report.

    Raises `LockedError` when another process works on it, or on another run in its tenant, `KeyMissingError` when its
    passwords came with the cohort and no key at hand opens them, `StatusTableError` when its table does not take what
    is to be written.
    """
    with folders.locked(folder), plain_errors(folder):
        engine = database.connect(folder)
        try:
            with tenant_held(record.load(engine), folder):
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
    if rows.may_be_sent(engine):
        refuse_strange(folder, line, means.key)
    rows.move_all(engine, State.SENDING, State.DOUBTFUL)
    record.note(
        engine,
        state=RunState.RUNNING,
        started_at=line.started_at or timestamp(),
        finished_at=None,
        halted_because=None,
        settings_now=json.dumps(settings.recorded()),
    )
    control, clock = Control(), asyncio.get_running_loop().time
    start = clock()
    with signals.heard(control):
        try:
            with plain_errors(folder):
                await _work(engine, settings, means, control)
        except BaseException as fault:
            control.note_fault(fault)
            try:
                await _account_for(folder, engine, control, line.seconds + clock() - start)
            except (BatchResetError, DatabaseError) as also:
                fault.add_note(f"Nor could the run's end be written: {also}")
            raise
        return await _account_for(folder, engine, control, line.seconds + clock() - start)


async def _account_for(folder: Path, engine: Engine, control: Control, seconds: float) -> Summary:
    """Note how the run ended, and write its report, which can be had even where the table takes no more."""
    try:
        control.note_left(turns.leave_waiting(engine, control.closed))
        record.note(
            engine,
            state=control.state,
            halted_because=control.because,
            finished_at=timestamp(),
            seconds=seconds,
        )
    finally:
        try:
            summary = await asyncio.to_thread(report.write, folder, engine)
        except RefusedError as error:
            raise HaltedError(str(error)) from error  # too late to be a refusal: things were sent
    events.tell(
        "ended",
        run=summary.run_id,
        state=summary.state,
        because=summary.halted_because,
        counts=dict(summary.counts),
        seconds=summary.seconds,
    )
    return summary


async def _work(engine: Engine, settings: Settings, means: Means, control: Control) -> None:
    """Send, follow and drain. The writer outlives every task, so what an answer said is on disk whatever happens."""
    loop, line = asyncio.get_running_loop(), record.load(engine)

    def on_broken(why: str) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(lambda: control.halt(why, follow=False))

    with Writer(engine, on_broken) as writer:
        advised = advice(line.method, line.operator)
        ledger = Ledger(engine, writer, Breaker(Limit.parse(settings.max_failures), advised), control, means.key)
        ledger.decide(
            "started",
            run=line.run_id,
            version=__version__,
            workers=settings.workers,
            operator=line.operator.user,
            ticket=line.ticket,
            justification=line.justification,
        )
        async with GraphSession(
            settings.graph_root,
            means.tokens,
            connections=2 * settings.workers,
            on_renewal=lambda exchange: _note_renewal(ledger, exchange),
        ) as graph:
            rates = steps.rates(settings)
            pacer = Pacer(rates.resets, recall(line))
            routes = Routes(resets=Turnstile(pacer), steps=Turnstile(Pacer(rates.steps)))
            patience = Patience(
                deadline=seconds(settings.deadline, "--deadline"),
                lag=seconds(settings.directory_lag, "--directory-lag"),
            )
            feed = Feed(engine, control, opening_of(engine, settings.canary, advised), settings.limit)
            ledger.on_end.append(feed.had_ended)
            tracker = Tracker(graph, routes, ledger, control, patience, feed)
            directory = Directory(graph, routes.reads, lambda exchange: ledger.note(entry("read", exchange)))
            evidence = Evidence(roles_of(directory, line.operator), tracker.reread)
            standing = Standing(graph, line.operator.roles, evidence, ledger, control)
            passwords = Passwords(
                source=settings.password_source,
                maker=Maker(recipe_of(settings), banned_on(utc_now().date(), line.operator.tenant)),
                sealer=None if settings.discard_passwords else Sealer(line.recipient),
                key=means.key,
                numbers=itertools.count(rows.next_candidate_id(engine)),
            )
            take_up(engine, graph, tracker, feed, passwords, patience)
            form = form_of(line.method, settings)
            outage = Outage(_prober(graph, ledger), control)
            first, then = (
                Steps(graph, routes, ledger, outage, control, Crew(stopped))
                for stopped in (control.sending_stopped, control.caring_stopped)
            )
            sending = Sending(graph, routes.resets, passwords, form, standing, steps.before(settings), first)
            pool = Pool(feed, sending, tracker, ledger, outage, control)
            aftercare = Aftercare(engine, then, steps.after(settings), lambda: feed.idle(loop.time()))
            ledger.on_end.append(aftercare.hear)
            teller = Teller(ledger, control, feed, aftercare, routes.resets, means.progress)
            with _time_limit(settings.stop_after, control):
                await _drive(Stages(pool, tracker, aftercare), settings.workers, control, teller)
            if not ledger.is_anything_open:
                control.cut_short_by = None  # all there was fitted in
            teller.tell()
            spent, over_at = teller.spent(), loop.time()
            if not control.caring_stopped.is_set():
                await writer.commit()  # what has ended is on disk
                if not (ledger.is_anything_open or cares.unfinished(engine, steps.after(settings))):
                    control.settle()
                async with teller.telling("asking the directory once more"):
                    await look_after(engine, directory, writer, control)
            spent = replace(spent, answers=spent.answers + loop.time() - over_at)
        remember(line, pacer.learned)
        is_interrupted, told = control.is_interrupted or None, spent.recorded()
        ledger.note(logged("stopped", because=control.because, interrupted=is_interrupted, spent=told))


def _note_renewal(ledger: Ledger, exchange: Exchange) -> None:
    ledger.note(entry("read", exchange))
    ledger.decide("sign-in renewed", client_request_id=exchange.client_request_id)


@contextmanager
def _time_limit(stop_after: str | None, control: Control) -> Iterator[None]:
    """Stop sending that long after the start of it."""
    if stop_after is None:
        yield
        return
    option = f"--stop-after {stop_after}"
    alarm = asyncio.get_running_loop().call_later(seconds(stop_after, "--stop-after"), control.stop_after, option)
    try:
        yield
    finally:
        alarm.cancel()


class Stages(NamedTuple):
    """The stages that a row goes through."""

    pool: Pool
    tracker: Tracker
    aftercare: Aftercare


async def _drive(stages: Stages, workers: int, control: Control, teller: Teller) -> None:
    """Run the stages to their end, or for as long as `control` lets them."""
    async with asyncio.TaskGroup() as group:
        pool = group.create_task(stages.pool.run(workers))
        following = group.create_task(stages.tracker.run())
        caring = group.create_task(stages.aftercare.run(steps.carers(workers)))
        given_up = group.create_task(control.following_stopped.wait())
        abandoned = group.create_task(control.abandoned.wait())
        telling = group.create_task(teller.run())
        await asyncio.wait({pool, abandoned}, return_when=asyncio.FIRST_COMPLETED)
        stages.tracker.close()
        await asyncio.wait({following, given_up}, return_when=asyncio.FIRST_COMPLETED)
        stages.aftercare.close()
        await asyncio.wait({caring, abandoned}, return_when=asyncio.FIRST_COMPLETED)
        for task in (pool, following, caring, given_up, abandoned, telling):
            task.cancel()


def _prober(graph: GraphSession, ledger: Ledger) -> Callable[[], Awaitable[Result]]:
    async def ask() -> Result:
        exchange = await probe(graph)
        ledger.note(entry("read", exchange))
        return exchange.result

    return ask
