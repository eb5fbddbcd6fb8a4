"""Whether a plan is still the one that was agreed to, by the SHA-256 of its plan.json."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from batchreset.errors import RefusedError
from batchreset.model import RunState, State
from batchreset.report import planned
from batchreset.status.changes import logged
from batchreset.status.record import read
from batchreset.status.schema import audit, resets

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from batchreset.status.record import RunRecord

_LEFT = "screened again"


def refuse_another(folder: Path, engine: Engine, line: RunRecord, wanted: str | None) -> None:
    """Raise `RefusedError` where the run is not the plan with the digest `wanted`, or is no longer what was planned.

    A run that has been begun goes by the digest that it was begun with. `wanted` is None where nobody named one.
    """
    if wanted is not None and wanted.strip().lower() != line.plan_digest:
        raise RefusedError(
            f"{line.run_id} is not the plan that was agreed to: its digest is {line.plan_digest}, and --plan-digest "
            f"names {wanted}. Find the right run, or look at {folder / planned.PAGE} and have it agreed to."
        )
    if line.state is not RunState.PLANNED:
        return
    with engine.connect() as connection:
        now = planned.digest(connection)
        if now == line.plan_digest or (now == _left_as(connection) and _is_within(folder, connection, line)):
            return
    raise RefusedError(
        f"{line.run_id}: its status table is no longer what was planned (digest {line.plan_digest}): somebody has "
        "changed it. Nothing was sent; plan again."
    )


def note_table(engine: Engine) -> None:
    """Note how the table of a plan is left that was taken up: what is found to be different later was not done here."""
    with engine.begin() as connection:
        if read(connection).state is RunState.PLANNED:
            told = logged(_LEFT, table_digest=planned.digest(connection))
            connection.execute(audit.insert(), told.values)


def _left_as(connection: Connection) -> str | None:
    query = select(audit.c.fields).where(audit.c.event == _LEFT).order_by(audit.c.id.desc()).limit(1)
    told = connection.execute(query).scalar()
    return json.loads(told)["table_digest"] if told else None


def _is_within(folder: Path, connection: Connection, line: RunRecord) -> bool:
    """Say whether the table holds no more than plan.json, which its digest vouches for.

    Taking a plan up screens again, and is not always gone on with: accounts are told anew then, and some left out.
    """
    try:
        text = (folder / planned.FILE).read_bytes()
    except OSError:
        return False
    if sha256(text).hexdigest() != line.plan_digest:
        return False
    agreed = json.loads(text)
    ready = select(resets.c.source, resets.c.row, resets.c.object_id).where(resets.c.state != State.EXCLUDED)
    rows = {(row["source"], row["row"], row["object_id"]) for row in agreed["reset"]}
    return _lasting(json.loads(json.dumps(planned.header(connection)))) == _lasting(agreed) and all(
        tuple(row) in rows for row in connection.execute(ready)
    )


def _lasting(told: dict[str, Any]) -> dict[str, Any]:
    """Leave the rows out, and what is written by whoever takes a plan up."""
    left = {"reset", "left_out", *planned.OF_WHOEVER_IS_SIGNED_IN}
    return {name: value for name, value in told.items() if name not in left}
