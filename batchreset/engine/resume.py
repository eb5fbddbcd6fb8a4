"""Taking up a run that is planned, halted or interrupted: same tenant, and everybody screened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.engine import folder as folders
from batchreset.engine.faults import plain_errors
from batchreset.engine.ledger import entry
from batchreset.engine.plan import Plan, routed, show, warned, who_is_signed_in
from batchreset.engine.screen import rules_for, screen_rows
from batchreset.errors import RefusedError
from batchreset.gather import restore
from batchreset.graph.directory import Directory
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import RunState, State
from batchreset.policy.pace import Pacer
from batchreset.policy.permissions import has_lost_its_role
from batchreset.status import database, record, rows, schema

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.auth.token import TokenSource
    from batchreset.settings import Settings
    from batchreset.status.changes import Change


def settings_of(folder: Path, own: Settings) -> Settings:
    """Return the settings that a run was planned with; what bounded one start does not bound the next.

    Raises `RefusedError` for a rehearsal, and where the record leads elsewhere than to the cloud's own hosts or to
    where the user's `own` settings lead: whoever can write to a run folder does not say who is sent tokens and secrets.
    """
    engine = database.connect(folder)
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


async def prepare(folder: Path, settings: Settings, tokens: TokenSource, *, retry_failed: bool) -> Plan:
    """Screen the ready rows again and return what is left to do; `settings` are those that `settings_of` returned.

    Raises `RefusedError` where the sign-in is for another tenant or has lost its role, `LockedError` when another
    process works on the run, `StatusTableError` when its table cannot be used.
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
                if operator.tenant_id != line.operator.tenant_id:
                    raise RefusedError(
                        f"{folder.name} was planned for {line.operator.tenant_text}; "
                        f"you are signed in to {operator.tenant_text}."
                    )
                if has_lost_its_role(line.operator, operator):
                    raise RefusedError(
                        f"{operator.user} holds none of the directory roles that may reset any more, and did when "
                        f"{folder.name} was last worked on: activate the role, then resume."
                    )
                routed(settings.but(method=line.method), is_app_only=operator.is_application)
                rules, unchecked = await rules_for(directory, operator, line.method, settings)
                if retry_failed:
                    rows.move_all(engine, State.FAILED, State.READY)
                    rows.move_all(engine, State.UNRESOLVED, State.DOUBTFUL)
                await screen_rows(engine, directory, rules)
            record.note_screening(engine, operator, unchecked)
            with engine.begin() as connection:
                connection.execute(schema.audit.insert(), [change.values for change in journal])
            return await warned(show(folder, engine, settings), tokens)
        finally:
            engine.dispose()
