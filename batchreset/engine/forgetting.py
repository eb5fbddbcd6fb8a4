"""Destroying a run's key once its passwords have been handed over, and telling which runs still have theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, func, select

from batchreset.engine import folder as folders
from batchreset.engine.faults import plain_errors
from batchreset.engine.trail import deeds, noted
from batchreset.errors import KeyMissingError, RefusedError, SettingsError
from batchreset.model import IN_FLIGHT, Fate, RunState, State
from batchreset.status import database, record, rows
from batchreset.status.schema import candidates
from batchreset.vault.sealing import KEY_FILE, partial_of, sync_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Engine

    from batchreset.status.record import RunRecord

#: The audit trail's name for it.
_FORGOTTEN = "key forgotten"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a run's key was destroyed for: so many sealed passwords that may be in force open no more.

    `openings` say where passwords of the run were opened to before: files among them still hold them in clear, and
    copies of the run folder still hold the key.
    """

    passwords: int
    openings: tuple[str, ...]


def forget(folder: Path, *, anyway: bool = False) -> Forgotten:
    """Destroy the run's key, and note it in the audit trail; its passwords are in force all the same.

    Raises `RefusedError` where rows are still open, unless `anyway`; `LockedError` while another process works on the
    run, `KeyMissingError` where it was forgotten before, `SettingsError` where a file cannot be removed.
    """
    key = folder / KEY_FILE
    with folders.locked(folder), plain_errors(folder):
        engine = database.connect(folder, is_checked=True)
        try:
            if not key.exists() and (told := when_forgotten(engine)):
                raise KeyMissingError(f"{folder.name}: its key was forgotten already, {told}.")
            if not anyway:
                _refuse_if_open(record.load(engine), rows.counts(engine))
            with engine.connect() as connection:
                sealed = connection.execute(select(func.count()).where(_may_be_in_force())).scalar_one()
            openings = tuple(
                dict.fromkeys(
                    str(deed.fields["to"]) for deed in deeds(engine, "passwords opened") if "to" in deed.fields
                )
            )
            with noted(engine, _FORGOTTEN):
                # The copy first: killed in between, the key is still to be seen and can be forgotten again.
                partial_of(key).unlink(missing_ok=True)
                key.unlink(missing_ok=True)
                sync_folder(folder)
        except OSError as error:
            raise SettingsError(f"{error.filename or key}: this file cannot be removed ({error.strerror}).") from error
        finally:
            engine.dispose()
    return Forgotten(sealed, openings)


def when_forgotten(engine: Engine) -> str | None:
    """Say when and by whom a run's key was first destroyed; None where it was not."""
    return next((f"on {deed.at[:16].replace('T', ' ')} UTC by {deed.by}" for deed in deeds(engine, _FORGOTTEN)), None)


def sealed_since(folder: Path, engine: Engine, line: RunRecord) -> str | None:
    """Say since when passwords that may be in force lie sealed beside their key (ISO 8601 UTC); None where none do.

    Those of a rehearsal open nothing, and do not count.
    """
    if line.rehearsal or not (folder / KEY_FILE).exists():
        return None
    with engine.connect() as connection:
        has_any = connection.execute(select(candidates.c.id).where(_may_be_in_force()).limit(1)).first() is not None
    return line.finished_at or line.started_at if has_any else None


def _refuse_if_open(line: RunRecord, counts: Mapping[State, int]) -> None:
    """Raise `RefusedError` where going on with the run could need its key, or make passwords that nobody can open."""
    still = sum(counts[state] for state in IN_FLIGHT)
    if line.state is not RunState.FINISHED:
        still += counts[State.READY]
    if still:
        raise RefusedError(
            f"{line.run_id}: {still:,} rows are still open, and what is left of them needs the key: "
            f"finish it with `batchreset resume {line.run_id}`, or forget it all the same with --anyway."
        )


def _may_be_in_force() -> ColumnElement[bool]:
    return and_(candidates.c.fate.in_((Fate.POSSIBLE, Fate.IN_FORCE)), candidates.c.sealed.is_not(None))
