"""Taking up a run that is planned, halted or interrupted: same tenant, and everybody screened again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batchreset.engine import folder as folders
from batchreset.engine import stale
from batchreset.engine.agreed import AGREED, refuse_another
from batchreset.engine.faults import plain_errors
from batchreset.engine.keys import refuse_strange
from batchreset.engine.ledger import entry
from batchreset.engine.plan import Plan, Resumption, show, warned, who_is_signed_in
from batchreset.engine.route import routed
from batchreset.engine.screen import rules_for, screen_rows
from batchreset.errors import RefusedError
from batchreset.gather import restore
from batchreset.graph.directory import Directory
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import IN_FLIGHT, RunState, State
from batchreset.policy.pace import Pacer
from batchreset.policy.permissions import has_lost_its_role
from batchreset.policy.steps import after
from batchreset.status import cares, database, excepted, record, rows, schema
from batchreset.status.changes import logged
from batchreset.status.screening import leave_out

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from sqlalchemy import Engine

    from batchreset.auth.token import TokenSource
    from batchreset.model import Operator
    from batchreset.policy.screening import Rules
    from batchreset.settings import Settings
    from batchreset.status.changes import Change

#: Rows of which a send may have been applied, and may be repeated; and those that --retry-failed takes up.
_IN_DOUBT = frozenset({State.SENDING, State.DOUBTFUL})
_GIVEN_UP = frozenset({State.FAILED, State.UNRESOLVED})


def settings_of(folder: Path, own: Settings) -> Settings:
    """Return the settings that a run was planned with; what bounded one start does not bound the next.

    Raises `RefusedError` for a status table that is damaged, for a rehearsal, and where the record leads elsewhere than
    to the cloud's own hosts or to where the user's `own` settings lead: whoever can write to a run folder does not say
    who is sent tokens and secrets.
    """
    engine = database.connect(folder, is_checked=True)
    try:
        line = record.load(engine)
    finally:
        engine.dispose()
    if line.rehearsal:
        raise RefusedError(f"{folder.name} is a rehearsal: its tenant is gone. Rehearse again instead.")
    settings = restore(line.settings)
    for option, place, trusted in (
        ("--graph-url", settings.graph_url, own.graph_url),
        ("--authority", settings.authority, own.authority),
    ):
        if place is not None and place != trusted:
            raise RefusedError(
                f"{folder.name} was planned with {option} {place}, and where tokens and secrets are sent is not taken "
                f"from a run folder: if that place is right, add {option} {place}."
            )
    return settings if line.state is RunState.PLANNED else settings.but(limit=None, stop_after=None)


async def prepare(
    folder: Path,
    settings: Settings,
    tokens: TokenSource,
    *,
    retry_failed: bool = False,
    anyway: bool = False,
    plan_digest: str | None = None,
) -> Plan:
    """Screen the ready rows again and return what is left to do; `settings` are those that `settings_of` returned.

    Nothing of the run is changed yet but for what is known of its accounts: that is for `agree`. `retry_failed` is to
    take up the failed rows too; `anyway` is to go on although something is no longer as it was, which the plan's
    warnings then tell; `plan_digest` is that of the plan that was agreed to, where somebody named it.

    Raises `RefusedError` for any other plan, for a sign-in to another tenant or without its role, or for such a
    difference; `LockedError` when another process works on the run, `StatusTableError` when its table cannot be used.
    """
    with folders.locked(folder), plain_errors(folder):
        engine = database.connect(folder)
        try:
            line = record.load(engine)
            journal: list[Change] = []
            routes = Routes(resets=Turnstile(Pacer()))
            await tokens.token()
            async with GraphSession(settings.graph_root, tokens, connections=settings.workers) as graph:
                directory = Directory(graph, routes.reads, lambda exchange: journal.append(entry("read", exchange)))
                operator = await who_is_signed_in(directory)
                _refuse_strangers(line, operator)
                refuse_another(folder, engine, line, plan_digest)
                different = stale.differences(line, operator, settings)
                if different and not anyway:
                    stale.refuse(line, different)
                routed(settings.but(method=line.method), is_app_only=operator.is_application)
                rules, unchecked = await rules_for(engine, directory, operator, line.method, settings)
                also = _IN_DOUBT | (_GIVEN_UP if retry_failed else frozenset())
                findings = await screen_rows(engine, directory, rules, also=also)
            with engine.begin() as connection:
                connection.execute(schema.audit.insert(), [change.values for change in journal])
            resumption = Resumption(
                operator,
                (*unchecked, *line.noted),
                different,
                findings,
                retry_failed,
                _spared(engine, rules, settings, also),
            )
            plan = show(folder, engine, settings, resumption=resumption)
            if any(plan.counts[state] for state in rows.MAY_BE_SENT):
                refuse_strange(folder, line, None)
            plan = await warned(plan, tokens)
            # What came of the cohort's passwords, say, was agreed to by whoever began the run.
            foreseen = line.foreseen if line.state is RunState.PLANNED else ()
            return replace(plan, warnings=(*foreseen, *plan.warnings, *(f"{clause}." for clause in different)))
        finally:
            engine.dispose()


def agree(plan: Plan) -> None:
    """Write down that a plan was agreed to, by its digest, and take a run up again as `prepare` found it.

    Failed rows are taken up where that was asked for; rows in doubt that are left out by now are sent no more.
    """
    with folders.locked(plan.folder), plain_errors(plan.folder):
        engine = database.connect(plan.folder)
        try:
            told = logged(
                AGREED,
                plan_digest=plan.record.plan_digest,
                operator=plan.record.operator.user,
                accounts=plan.ready,
                anyway=(plan.resumption and plan.resumption.different) or None,
            )
            with engine.begin() as connection:
                connection.execute(schema.audit.insert(), told.values)
            # From here on the table may differ from the plan.
            if plan.resumption is not None:
                _take_up(engine, plan.resumption)
        finally:
            engine.dispose()


def _take_up(engine: Engine, resumption: Resumption) -> None:
    record.note_screening(engine, resumption.operator, resumption.unchecked)
    if resumption.retry_failed:
        rows.move_all(engine, State.FAILED, State.READY)
        rows.move_all(engine, State.UNRESOLVED, State.DOUBTFUL)
    with engine.begin() as connection:
        excepted.write(connection, dict(resumption.spared.values()))
    leave_out(engine, resumption.findings.left_out)
    rows.hold_back(engine, resumption.findings.left_out)


def _spared(engine: Engine, rules: Rules, settings: Settings, also: AbstractSet[State]) -> dict[int, tuple[str, str]]:
    """Return the rows that were sent and whose accounts are protected by now, with what protects them.

    Nothing is sent for them of what comes after a reset, be that over or still to be settled; `also` are the states
    that are taken up again.
    """
    concerned = cares.concerned(engine, after(settings), (also | IN_FLIGHT) - {State.FAILED})
    known = rules.protected
    whys = {row.id: known.get(row.object_id, known.get(row.user)) for row in concerned}
    return {row.id: (row.object_id, why) for row in concerned if (why := whys[row.id]) is not None}


def _refuse_strangers(line: record.RunRecord, operator: Operator) -> None:
    """Raise `RefusedError` for a sign-in that cannot carry on with the run, whatever anybody says."""
    if operator.tenant_id != line.operator.tenant_id:
        raise RefusedError(
            f"{line.run_id} was planned for {line.operator.tenant_text}; you are signed in to {operator.tenant_text}."
        )
    if has_lost_its_role(line.operator, operator):
        raise RefusedError(
            f"{operator.user} holds none of the directory roles that may reset any more, and did when "
            f"{line.run_id} was last worked on: activate the role, then resume."
        )
