"""What went with the resets of a run: as the tenant remembers it, and as the run's own files tell it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from batchreset.rehearsal.tenant import What
from batchreset.status import database
from batchreset.status.schema import resets, sends
from tests.support.desk import happened, object_id

if TYPE_CHECKING:
    from batchreset.model import Step
    from batchreset.rehearsal.tenant import Event, Tenant
    from tests.support.desk import Run

#: What is changed of an account beside its password, and that with it.
BESIDE = frozenset({What.REVOKED, What.DISABLED, What.ENABLED})
CHANGES = BESIDE | {What.APPLIED}


def changes(tenant: Tenant, name: str) -> list[What]:
    """Return what was changed of an account, in order."""
    return [what for what in happened(tenant, name) if what in CHANGES]


def received(tenant: Tenant) -> list[int]:
    """Return how many writes came in for each account but the operator's, of whatever kind."""
    return [_count(events, What.RECEIVED) for events in _histories(tenant)]


def resets_received(tenant: Tenant) -> list[int]:
    """Return how many of them were resets: all but those by which something else was changed."""
    return [_count(events, What.RECEIVED) - _count(events, *BESIDE) for events in _histories(tenant)]


def revocations(tenant: Tenant) -> list[int]:
    """Return how often the sessions of each account but the operator's were revoked."""
    return [_count(events, What.REVOKED) for events in _histories(tenant)]


def answers(run: Run, step: Step, name: str | None = None) -> list[tuple[str | None, str | None]]:
    """Return how the sends of a step were answered, of one account or of all: verdict and detail, in order."""
    is_theirs = [resets.c.object_id == object_id(name)] if name is not None else []
    query = select(sends.c.verdict, sends.c.detail).join(resets).where(sends.c.step == step, *is_theirs)
    engine = database.connect(run.folder)
    try:
        with engine.connect() as connection:
            return [(verdict, detail) for verdict, detail in connection.execute(query.order_by(sends.c.id))]
    finally:
        engine.dispose()


def trail(run: Run, event: str, **fields: Any) -> list[dict[str, Any]]:
    """Return the lines of the audit trail of this event that have these fields."""
    lines = map(json.loads, (run.folder / "audit.jsonl").read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["event"] == event and fields.items() <= line.items()]


def _histories(tenant: Tenant) -> list[list[Event]]:
    """Return the events of each account but the operator's; the tenant may be at work in another thread."""
    return [list(account.events) for account in list(tenant.accounts.values())[1:]]


def _count(events: list[Event], *whats: What) -> int:
    return sum(event.what in whats for event in events)
