"""Putting a cohort's rows into the status table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchreset import cohort
from batchreset.clock import timestamp
from batchreset.model import Fate, Reason, State
from batchreset.secret import Secret
from batchreset.status import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from batchreset.cohort import Where
    from batchreset.vault.sealing import Sealer


def load(
    engine: Engine, sources: Sequence[cohort.Source], sealer: Sealer | None, where: Where | None = None
) -> dict[str, dict[str, Any]]:
    """Put the cohort's rows into the table, a chunk at a time, and say by source what they name, as `rows.tally` does.

    Passwords that came with it are sealed on the way, but for those of rows that `where` leaves out. Raises as
    `cohort.read` does, and `EmptyError` where no row is meant.
    """
    number = 0
    with engine.begin() as connection:
        for source in sources:
            seal = (lambda text: sealer.seal(Secret(text))) if sealer is not None else None
            for chunk in cohort.read(source, seal=seal, where=where):
                lines, given = [], []
                for row, identifier, key, reason, extra, sealed in chunk[
                    ["row", "identifier", "key", "reason", "cohort", "sealed"]
                ].itertuples(index=False, name=None):
                    number += 1
                    why = reason or (Reason.PASSWORD_MISSING if seal is not None and sealed is None else None)
                    line: dict[str, Any] = {"id": number, "source": source.name, "row": row, "identifier": identifier}
                    line |= {
                        "key": key,
                        "reason": why,
                        "state": State.EXCLUDED if why else State.READY,
                        "cohort": extra,
                    }
                    lines.append(line)
                    if sealed is not None and not why:
                        given.append(
                            {"reset_id": number, "sealed": sealed, "fate": Fate.UNSENT, "made_at": timestamp()}
                        )
                rows.insert_rows(connection, lines)
                rows.insert_candidates(connection, given)
        told = rows.tally(connection)
    if where and not any(each["accounts"] or each["invalid"] for each in told.values()):
        raise cohort.EmptyError(f"--where {where.text}: this is true for none of the {number:,} rows of the cohort.")
    return told
