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
from batchreset.model import State
from batchreset.policy.pace import Pacer
from batchreset.policy.permissions import has_lost_its_role
from batchreset.status import database, record, rows, schema

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.auth.token import TokenSource
    from batchreset.status.changes import Change


async def prepare(folder: Path, tokens: TokenSource, *, retry_failed: bool) -> Plan:
    """Screen the ready rows again and return what is left to do.

    Raises `RefusedError` for a rehearsal, where the sign-in is for another tenant or has lost its role, `LockedError`
    when another process works on the run, `StatusTableError` when its table cannot be used.
    """
    with folders.locked(folder), plain_errors(folder):
        engine = database.connect(folder)
        try:
            line = record.load(engine)
            if line.rehearsal:
                raise RefusedError(f"{folder.name} is a rehearsal: its tenant is gone. Rehearse again instead.")
            journal: list[Change] = []
            routes = Routes(resets=Turnstile(Pacer()))
            settings = restore(line.settings)
            await tokens.token()
            async with GraphSession(line.graph_url, tokens, connections=settings.workers) as graph:
                directory = Directory(graph, routes.reads, lambda exchange: journal.append(entry("read", exchange)))
                operator = await who_is_signed_in(directory)
                if operator.tenant_id != line.operator.tenant_id:
                    raise RefusedError(
                        f"{folder.name} was planned for {line.operator.tenant_text}; "
                        f"you are signed in to {operator.tenant_text}."
                    )
                if has_lost_its_role(line.operator, operator):
                    raise RefusedError(
                        f"{operator.user} holds none of the directory roles that may reset, as when {folder.name} was "
                        "last worked on: activate the role, then resume."
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
            return await warned(show(folder, engine), tokens)
        finally:
            engine.dispose()
