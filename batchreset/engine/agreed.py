"""Whether a run is still the plan that was agreed to, by the SHA-256 of its plan.json."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from sqlalchemy import select

from batchreset.errors import RefusedError
from batchreset.model import PasswordSource, RunState
from batchreset.report import planned
from batchreset.status.schema import audit

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from batchreset.status.record import RunRecord

#: The event of the audit trail with which a plan is no longer only a plan.
AGREED = "agreed"


def refuse_another(folder: Path, engine: Engine, line: RunRecord, wanted: str | None) -> None:
    """Raise `RefusedError` where the run is not the plan with the digest `wanted`, or is no longer what was planned.

    `wanted` is None where nobody named one: a run that has been begun is not compared with its plan then.
    """
    if wanted is not None and wanted.strip().lower() != line.plan_digest:
        raise RefusedError(
            f"{line.run_id} is not the plan that was agreed to: its digest is {line.plan_digest}, and --plan-digest "
            f"names {wanted}. Find the right run, or look at {folder / planned.PAGE} and have it agreed to."
        )
    if wanted is None and line.state is not RunState.PLANNED:
        return
    with engine.connect() as connection:
        if _is_as_planned(folder, connection, line):
            return
    raise RefusedError(
        f"{line.run_id}: its status table is no longer what was planned (digest {line.plan_digest}), or its "
        f"{planned.FILE} is not: somebody has changed it. Nothing was sent; plan again."
    )


def _is_as_planned(folder: Path, connection: Connection, line: RunRecord) -> bool:
    """Compare the table with plan.json, which its digest vouches for; once agreed to, it may hold less, never else."""
    was = planned.read_back(folder, line.plan_digest)
    if was is None:
        return False
    now = planned.told(connection)
    if line.state is RunState.PLANNED and not _is_agreed(connection):
        return all(before == after for before, after in zip_longest(was, now))
    left = {"left_out", *planned.OF_WHOEVER_IS_SIGNED_IN}
    if line.settings.get("password_source") != PasswordSource.COLUMN:
        left.add("given_passwords")  # those that were made here meanwhile
    # Both are in the same order: each fact and row of the table is found behind the one before it.
    return all(each in was for each in now if each[0] not in left)


def _is_agreed(connection: Connection) -> bool:
    return connection.execute(select(audit.c.id).where(audit.c.event == AGREED).limit(1)).first() is not None
