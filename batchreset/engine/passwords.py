"""Opening the sealed passwords of a run, and saying how sure each is."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from batchreset.errors import KeyMissingError
from batchreset.model import Fate, State, outcome_of
from batchreset.status.changes import logged
from batchreset.status.schema import audit, candidates, resets
from batchreset.vault import identity
from batchreset.vault.sealing import RunKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from batchreset.secret import Secret

#: States in which a candidate may be the account's password.
_SENT = (State.SENDING, State.ACCEPTED, State.DOUBTFUL, State.SUCCEEDED, State.UNRESOLVED)


@dataclass(frozen=True, slots=True)
class OpenedPassword:
    """One password. `certainty` is `sure` when it took effect and no other can have, else `candidate`."""

    source: str
    row: int
    user: str
    object_id: str
    password: Secret
    certainty: str
    outcome: str


def key_at_hand(folder: Path) -> RunKey | None:
    """Open the run's key with the user's own identity; None where that is no recipient of this run."""
    return RunKey.load(folder, identity.load())


def key_needed(folder: Path) -> RunKey:
    """Open the run's key. Raises `KeyMissingError` where the user's identity does not."""
    key = key_at_hand(folder)
    if key is None:
        raise KeyMissingError(
            f"{folder.name}: your key ({identity.path()}) does not open this run's passwords; "
            "set BATCHRESET_IDENTITY to the key of one of its recipients."
        )
    return key


def opened(engine: Engine, key: RunKey) -> Iterator[OpenedPassword]:
    """Yield every password that is, or may be, in force, in input order."""
    query = (
        select(
            resets.c.source,
            resets.c.row,
            resets.c.user,
            resets.c.object_id,
            resets.c.state,
            candidates.c.reset_id,
            candidates.c.sealed,
            candidates.c.fate,
        )
        .join(candidates, candidates.c.reset_id == resets.c.id)
        .where(resets.c.state.in_(_SENT), candidates.c.fate.in_((Fate.POSSIBLE, Fate.IN_FORCE)))
        .order_by(resets.c.id, candidates.c.id)
    )
    possible = select(candidates.c.reset_id).where(candidates.c.fate == Fate.POSSIBLE).distinct()
    with engine.connect() as connection:
        unsure = set(connection.execute(possible).scalars())
        for line in connection.execute(query):
            if line.sealed is None:
                continue
            is_sure = line.fate == Fate.IN_FORCE and line.reset_id not in unsure
            yield OpenedPassword(
                source=line.source,
                row=line.row,
                user=line.user,
                object_id=line.object_id,
                password=key.unseal(line.sealed),
                certainty="sure" if is_sure else "candidate",
                outcome=outcome_of(State(line.state)).value,
            )


def note_opening(engine: Engine, where: str) -> None:
    """Write to the audit trail that the passwords are being opened, by whom and where to."""
    change = logged("passwords opened", by=getpass.getuser(), to=where)
    with engine.begin() as connection:
        connection.execute(audit.insert(), change.values)
