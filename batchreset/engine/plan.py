"""Making a plan: understand the cohort, sign in, look everybody up, and put it all into a run folder."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from batchreset.auth.bearer import read
from batchreset.auth.sign_in import is_app_only
from batchreset.clock import utc_now
from batchreset.engine import events, excepting, gathering, given, keys, ordering, outline, place
from batchreset.engine import folder as folders
from batchreset.engine.faults import plain_errors
from batchreset.engine.ledger import entry
from batchreset.engine.loading import load
from batchreset.engine.memory import known_of
from batchreset.engine.route import because, request_text, routed
from batchreset.engine.screen import rules_for, screen_rows
from batchreset.errors import DirectoryError, SettingsError
from batchreset.graph.directory import Directory, LookUpRefusedError
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import Operator, Reason, State, Step
from batchreset.policy.expiry import ends_too_early
from batchreset.policy.pace import Pacer
from batchreset.policy.prediction import Prediction, predicted
from batchreset.policy.steps import after
from batchreset.report import planned
from batchreset.status import cares, database, excepted, record, schema
from batchreset.status.changes import logged
from batchreset.status.planned import Contents, contents
from batchreset.status.screening import exclude_repeats, leave_out
from batchreset.vault.sealing import RunKey, Sealer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from sqlalchemy import Engine

    from batchreset import cohort
    from batchreset.auth.token import TokenSource
    from batchreset.engine.screen import Findings
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
    #: What screening found now.
    findings: Findings
    retry_failed: bool
    #: Rows that were sent and are left as they are by now, by their ids: the object id, and what protects it.
    spared: Mapping[int, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen. The run folder holds the same; `key` opens the passwords while this process lives."""

    run_id: str
    folder: Path
    record: record.RunRecord
    #: By which it is carried out.
    settings: Settings
    contents: Contents
    first_request: str | None
    duration: Prediction
    #: Why the run takes its route.
    because: str
    #: Who is sent first, by name, and waited for.
    canaries: tuple[str, ...] = ()
    #: For how many accounts that have been reset a step is yet to be taken.
    due: Mapping[Step, int] = field(default_factory=dict)
    #: What is foreseen to go wrong, one sentence each.
    warnings: tuple[str, ...] = ()
    #: Of a run that is taken up again.
    resumption: Resumption | None = None
    key: RunKey | None = field(default=None, repr=False)

    @property
    def counts(self) -> Mapping[State, int]:
        """How many rows are in each state."""
        return self.contents.counts

    @property
    def excluded(self) -> Mapping[Reason, int]:
        """How many rows are left out for each reason."""
        return self.contents.excluded

    @property
    def rows(self) -> int:
        """All rows of the cohort."""
        return sum(self.counts.values())

    @property
    def ready(self) -> int:
        """Rows that would be reset, or settled."""
        return len(self.contents.to_be_reset)


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
    files, in_files = gathering.files(inputs.cohort, settings, inputs.stdin), excepting.named(settings)
    folders.prepare(settings.out)
    key = None if settings.discard_passwords else RunKey.generate()
    journal: list[Change] = []
    async with _directory(settings, inputs.tokens, journal) as directory:
        inputs.progress("signing in")
        await inputs.tokens.token()
        operator = await who_is_signed_in(directory)
        method = routed(settings, is_app_only=operator.is_application).method
        listed = await gathering.lists(directory, files, settings, inputs.progress)
        exceptions = await excepting.exceptions(directory, in_files, settings)
        run_id = folders.new_run_id(files[0].name if files else listed[0].title)
        with folders.drafted(settings.out, run_id) as draft, plain_errors(settings.out, SettingsError):
            engine = database.create(draft)
            try:
                if key is not None:
                    key.store(draft, openers or keys.own_opener())
                sources = gathering.save(listed, draft, files)
                where = gathering.meant(settings)
                gathering.refuse_unknown(sources, where)
                ordering.refuse_unknown(sources, settings.order_by)
                told = load(engine, sources, Sealer(key.recipient) if key and settings.password_column else None, where)
                with engine.begin() as connection:
                    excepted.write(connection, exceptions.keys)
                rules, unchecked = await rules_for(engine, directory, operator, method, settings)
                if not settings.password_column:
                    exclude_repeats(engine, by_object_id=False)
                findings = await screen_rows(engine, directory, rules, _counting(inputs.progress))
                leave_out(engine, findings.left_out)
                foreseen = exceptions.warnings
                if key and settings.password_column:
                    inputs.progress("checking the given passwords")
                    in_clear = None if inputs.rehearsal else given.held_in_clear(sources)
                    foreseen += (*given.judge(engine, key, settings.password_policy), *filter(None, (in_clear,)))
                # Of an account that is named twice, one with a password that is left out is not the first.
                exclude_repeats(engine, by_object_id=True)
                ordering.arrange(engine, sources, settings.order_by)
                recorded = replace(
                    _record(run_id, settings, sources, told, operator),
                    method=method,
                    rehearsal=inputs.rehearsal,
                    unchecked=(*unchecked, *exceptions.unchecked),
                    noted=exceptions.unchecked,
                    foreseen=foreseen,
                    exceptions=exceptions.files,
                    recipient=key.recipient if key else "",
                    domains=tuple(rules.domains),
                )
                record.save(engine, recorded)
                _seal(draft, engine, journal)
                made = replace(show(draft, engine, settings, key), folder=settings.out / run_id, warnings=foreseen)
                made = await warned(made, inputs.tokens, drafted_in=draft)
                planned.write_page(draft, _page(made))
            finally:
                engine.dispose()
    return made


def _seal(draft: Path, engine: Engine, journal: Sequence[Change]) -> None:
    """Write plan.json, by whose digest the plan is known from now on, and the audit trail until here."""
    with engine.begin() as connection:
        digest = planned.save(draft, connection)
        line = record.read(connection)
        told = logged(
            "planned",
            plan_digest=digest,
            operator=line.operator.user,
            ticket=line.ticket,
            justification=line.justification,
        )
        connection.execute(schema.audit.insert(), [change.values for change in (*journal, told)])
    record.note(engine, plan_digest=digest)


def _page(plan: Plan) -> planned.Page:
    return planned.Page(
        title=outline.title(plan),
        line=plan.record,
        facts=outline.facts(plan),
        sections=outline.sections(plan),
        left_out=plan.contents.left_out,
        to_be_reset=plan.contents.to_be_reset,
        first_request=plan.first_request,
    )


async def warned(plan: Plan, tokens: TokenSource, *, drafted_in: Path | None = None) -> Plan:
    """Return the plan with what is foreseen to go wrong, such as a token that will not last."""
    bearer = None if tokens.is_renewable else read(await tokens.token())
    ends_at = bearer.expires_at if bearer else None
    expiry = ends_too_early(ends_at, utc_now(), plan.duration.seconds) if ends_at else None
    one_key = keys.risk(drafted_in or plan.folder, plan.ready, plan.run_id)
    return replace(plan, warnings=(*plan.warnings, *filter(None, (expiry, place.risk(plan.folder), one_key))))


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
    left_out = resumption.findings.left_out if resumption else {}
    if resumption is None:
        found = contents(engine, line.domains)
    else:
        line = replace(line, operator=resumption.operator, unchecked=resumption.unchecked)
        found = contents(engine, line.domains, failed_again=resumption.retry_failed, left_out=left_out)
    spared = resumption.spared if resumption else {}
    due = {step: sum(each not in spared for each in cares.unfinished(engine, {step})) for step in after(settings)}
    told = {state: count for state, count in found.counts.items() if count}
    events.tell("planned", run=line.run_id, state=line.state, tenant=line.operator.tenant_id, rows=told)
    return Plan(
        run_id=line.run_id,
        folder=folder,
        record=line,
        settings=settings,
        contents=found,
        because=because(line, settings),
        first_request=request_text(line, settings, found.first) if found.first else None,
        duration=predicted(found.counts[State.READY], settings, known_of(line), due=sum(due.values())),
        canaries=tuple(row.user for row in ordering.canaries(engine, settings.canary, left_out)),
        due=due,
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


def _record(
    run_id: str,
    settings: Settings,
    sources: Sequence[cohort.Source],
    told: Mapping[str, Mapping[str, Any]],
    operator: Operator,
) -> record.RunRecord:
    columns = dict.fromkeys(column for source in sources for column in source.columns)
    return record.RunRecord(
        run_id=run_id,
        operator=operator,
        graph_url=settings.graph_root,
        method=settings.method,
        settings=settings.recorded(),
        sources=tuple(gathering.recorded(source, told.get(source.name)) for source in sources),
        cohort_columns=tuple(columns),
        ticket=settings.ticket,
        justification=settings.justification,
    )
