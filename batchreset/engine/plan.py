"""Making a plan: understand the cohort, sign in, look everybody up, and put it all into a run folder."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from batchreset import cohort
from batchreset.auth.bearer import read
from batchreset.auth.sign_in import is_app_only
from batchreset.clock import utc_now
from batchreset.engine import events, given, keys, place
from batchreset.engine import folder as folders
from batchreset.engine.faults import plain_errors
from batchreset.engine.ledger import entry
from batchreset.engine.loading import load
from batchreset.engine.memory import known_of
from batchreset.engine.screen import rules_for, screen_rows
from batchreset.errors import DirectoryError, SettingsError
from batchreset.graph.directory import Directory, LookUpRefusedError
from batchreset.graph.resets import form_of
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import Operator, PasswordSource, Reason, State
from batchreset.policy.expiry import ends_too_early
from batchreset.policy.pace import Pacer
from batchreset.policy.prediction import Prediction, predicted
from batchreset.policy.routing import NoRoute, Route, route
from batchreset.settings import IfEmpty
from batchreset.status import database, record, rows, schema
from batchreset.vault.sealing import RunKey, Sealer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from sqlalchemy import Engine

    from batchreset.auth.token import TokenSource
    from batchreset.secret import Secret
    from batchreset.settings import Settings
    from batchreset.status.changes import Change


@dataclass(frozen=True, slots=True)
class Resumption:
    """What taking a run up again changes in its record, once that is agreed to."""

    operator: Operator
    unchecked: tuple[str, ...]
    #: What is no longer as it was, one clause each, and is gone on with anyway.
    different: tuple[str, ...]
    #: Rows that screening leaves out now, by their ids, and why.
    left_out: Mapping[int, Reason]
    retry_failed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen. The run folder holds the same; `key` opens the passwords while this process lives."""

    run_id: str
    folder: Path
    record: record.RunRecord
    counts: dict[State, int]
    excluded: dict[Reason, int]
    first_request: str | None
    duration: Prediction
    #: Why the run takes its route.
    because: str
    #: What is foreseen to go wrong, one sentence each.
    warnings: tuple[str, ...] = ()
    #: Of a run that is taken up again.
    resumption: Resumption | None = None
    key: RunKey | None = field(default=None, repr=False)

    @property
    def rows(self) -> int:
        """All rows of the cohort."""
        return sum(self.counts.values())

    @property
    def ready(self) -> int:
        """Rows that would be reset, or settled."""
        return self.rows - sum(
            self.counts[state] for state in (State.EXCLUDED, State.SUCCEEDED, State.FAILED, State.UNRESOLVED)
        )


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a plan is made from besides the settings. `progress` is told a line at a time what is being done.

    The `passphrase` is for `seal_with_passphrase`; without one, that of the environment counts.
    """

    cohort: Sequence[str]
    tokens: TokenSource
    rehearsal: bool = False
    stdin: BinaryIO | None = None
    progress: Callable[[str], None] = lambda _: None
    passphrase: Secret | None = None


async def make(inputs: Inputs, settings: Settings) -> Plan:
    """Make a plan and its run folder; nothing in the tenant is changed.

    Raises `RefusedError` of one kind or another, and leaves no folder behind, when the cohort cannot be understood,
    the folder cannot be used, the sign-in is not accepted or the directory cannot be read.
    """
    openers = keys.openers(settings, inputs.passphrase)
    routed(settings, is_app_only=is_app_only(settings))
    sources = cohort.inspect(
        inputs.cohort,
        column=settings.column,
        password_column=settings.password_column,
        stdin=inputs.stdin,
        may_be_empty=settings.if_empty is IfEmpty.OK,
    )
    folders.prepare(settings.out)
    key = None if settings.discard_passwords else RunKey.generate()
    journal: list[Change] = []
    async with _directory(settings, inputs.tokens, journal) as directory:
        inputs.progress("signing in")
        await inputs.tokens.token()
        operator = await who_is_signed_in(directory)
        method = routed(settings, is_app_only=operator.is_application).method
        rules, unchecked = await rules_for(directory, operator, method, settings)
        run_id = folders.new_run_id(sources[0].name)
        with folders.drafted(settings.out, run_id) as draft, plain_errors(settings.out, SettingsError):
            engine = database.create(draft)
            try:
                if key is not None:
                    key.store(draft, openers or keys.own_opener())
                load(engine, sources, Sealer(key.recipient) if key and settings.password_column else None)
                await screen_rows(engine, directory, rules, _counting(inputs.progress))
                foreseen: tuple[str | None, ...] = ()
                if key and settings.password_column:
                    inputs.progress("checking the given passwords")
                    in_clear = None if inputs.rehearsal else given.held_in_clear(sources)
                    foreseen = (*given.judge(engine, key, settings.password_policy), in_clear)
                recorded = _record(run_id, settings, sources, operator)
                recipient = key.recipient if key else ""
                recorded = replace(
                    recorded, method=method, rehearsal=inputs.rehearsal, unchecked=unchecked, recipient=recipient
                )
                record.save(engine, recorded)
                with engine.begin() as connection:
                    connection.execute(schema.audit.insert(), [change.values for change in journal])
            finally:
                engine.dispose()
    final = settings.out / run_id
    engine = database.connect(final)
    try:
        made = replace(show(final, engine, settings, key), warnings=tuple(filter(None, foreseen)))
        return await warned(made, inputs.tokens)
    finally:
        engine.dispose()


def routed(settings: Settings, *, is_app_only: bool | None) -> Route:
    """Choose the route. Raises `SettingsError` where what was asked for cannot be had."""
    chosen = route(settings, is_app_only=is_app_only)
    if isinstance(chosen, NoRoute):
        raise SettingsError(chosen.why)
    return chosen


async def warned(plan: Plan, tokens: TokenSource) -> Plan:
    """Return the plan with what is foreseen to go wrong, such as a token that will not last."""
    bearer = None if tokens.is_renewable else read(await tokens.token())
    ends_at = bearer.expires_at if bearer else None
    expiry = ends_too_early(ends_at, utc_now(), plan.duration.seconds) if ends_at else None
    risks = (expiry, place.risk(plan.folder), keys.risk(plan.folder, plan.ready))
    return replace(plan, warnings=(*plan.warnings, *filter(None, risks)))


def show(
    folder: Path,
    engine: Engine,
    settings: Settings,
    key: RunKey | None = None,
    *,
    resumption: Resumption | None = None,
) -> Plan:
    """Read the plan that a run folder holds, to be carried out by these settings, and tell the log of it.

    With a `resumption`, it is shown as it will be once that is agreed to.
    """
    line = record.load(engine)
    if resumption is not None:
        line = replace(line, operator=resumption.operator, unchecked=resumption.unchecked)
    counts, excluded = rows.counts(engine), Counter(rows.excluded_by_reason(engine))
    first = rows.work(engine, State.READY, limit=1)
    if resumption is not None and resumption.retry_failed:
        failed, left_out = rows.work(engine, State.FAILED), resumption.left_out
        again = [work for work in failed if work.id not in left_out]
        first = first or again[:1]
        excluded += Counter(left_out[work.id] for work in failed if work.id in left_out)
        counts[State.READY] += len(again)
        counts[State.EXCLUDED] += len(failed) - len(again)
        counts[State.DOUBTFUL] += counts[State.UNRESOLVED]
        counts[State.FAILED] = counts[State.UNRESOLVED] = 0
    ready = counts[State.READY]
    told = {state: count for state, count in counts.items() if count}
    events.tell("planned", run=line.run_id, state=line.state, tenant=line.operator.tenant_id, rows=told)
    return Plan(
        run_id=line.run_id,
        folder=folder,
        record=line,
        because=_because(line, settings),
        counts=counts,
        excluded=dict(excluded),
        first_request=_request_text(line, settings, first[0].object_id) if first else None,
        duration=predicted(ready, settings, known_of(line)),
        resumption=resumption,
        key=key,
    )


async def who_is_signed_in(directory: Directory) -> Operator:
    """Say who is signed in, and with which roles. Raises `DirectoryError` where the former may not be read."""
    try:
        operator = await directory.operator()
    except LookUpRefusedError as error:
        raise DirectoryError(f"Who is signed in could not be read ({error}); nothing was sent.") from error
    return replace(operator, roles=await directory.own_roles(operator))


@asynccontextmanager
async def _directory(settings: Settings, tokens: TokenSource, journal: list[Change]) -> AsyncIterator[Directory]:
    routes = Routes(resets=Turnstile(Pacer()))
    async with GraphSession(settings.graph_root, tokens, connections=settings.workers) as graph:
        yield Directory(graph, routes.reads, lambda exchange: journal.append(entry("read", exchange)))


def _counting(progress: Callable[[str], None]) -> Callable[[int], None]:
    return lambda done: progress(f"looked up {done:,} accounts")


def _record(run_id: str, settings: Settings, sources: Sequence[cohort.Source], operator: Operator) -> record.RunRecord:
    columns = dict.fromkeys(column for source in sources for column in source.columns)
    return record.RunRecord(
        run_id=run_id,
        operator=operator,
        graph_url=settings.graph_root,
        method=settings.method,
        settings=settings.recorded(),
        sources=tuple(
            record.SourceRecord(source.name, source.sha256, source.records, source.account_column, _path(source))
            for source in sources
        ),
        cohort_columns=tuple(columns),
        ticket=settings.ticket,
        justification=settings.justification,
    )


def _path(source: cohort.Source) -> str | None:
    place = source.table.origin.place
    return None if isinstance(place, bytes) else str(place)


def _because(line: record.RunRecord, settings: Settings) -> str:
    """Say why a run takes its route, which it keeps whoever resumes it."""
    chosen = route(settings, is_app_only=line.operator.is_application)
    return chosen.because if isinstance(chosen, Route) and chosen.method is line.method else "as planned"


def _request_text(line: record.RunRecord, settings: Settings, object_id: str) -> str:
    """Write the first request out, to the letter but for what is secret."""
    form = form_of(line.method, settings)
    verb, path, body = form.write(object_id, None if settings.password_source is PasswordSource.SYSTEM else "***")
    headers = "".join(f"{name}: {value}\n" for name, value in form.headers.items())
    return (
        f"{verb} {settings.graph_root}/v1.0{path}\n"
        f"Authorization: Bearer ***\nclient-request-id: (a new GUID)\n{headers}"
        f"Content-Type: application/json\n\n{json.dumps(body, ensure_ascii=False)}"
    )
