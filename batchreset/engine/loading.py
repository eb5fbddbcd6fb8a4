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

    from batchreset.vault.sealing import Sealer


def load(engine: Engine, sources: Sequence[cohort.Source], sealer: Sealer | None) -> None:
    """Put the cohort's rows into the table, a chunk at a time; passwords that came with it are sealed on the way."""
    number = 0
    with engine.begin() as connection:
        for source in sources:
            seal = (lambda text: sealer.seal(Secret(text))) if sealer is not None else None
            for chunk in cohort.read(source, seal=seal):
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
