"""Run folders: their names, finding them, and the lock that keeps two processes off one run."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from batchreset.clock import utc_now
from batchreset.engine.lock import held
from batchreset.engine.place import restrict_to_owner
from batchreset.errors import LockedError, RunNotFoundError, SettingsError
from batchreset.status.database import FILE_NAME
from batchreset.vault.sealing import KEY_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUN_ID = re.compile(r"\d{8}T\d{6}Z-.+-[0-9a-f]{4}")
_DRAFT = re.compile(rf"\.{_RUN_ID.pattern}\.partial")
#: Folders that a report is written in before it takes its place.
_REPORT_DRAFTS = ".report-*"
_LONGEST_NAME = 40


def new_run_id(source: str) -> str:
    """Name a run by time, cohort and chance: sorts by time, and safe in a file name on every system."""
    stem = Path(source.partition("#")[0]).stem.lower()
    name = re.sub(r"[^a-z0-9]+", "-", stem)[:_LONGEST_NAME].strip("-") or "cohort"
    return f"{utc_now():%Y%m%dT%H%M%SZ}-{name}-{secrets.token_hex(2)}"


def prepare(out: Path) -> None:
    """See to it that run folders can be made in `out`. Raises `SettingsError` where they cannot."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--out {out}: this folder cannot be made ({error.strerror}).") from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise SettingsError(f"--out {out}: this folder cannot be written to.")


@contextmanager
def drafted(out: Path, run_id: str) -> Iterator[Path]:
    """Make the folder that a run is prepared in, hidden from `runs`; those of processes that were killed are removed.

    It gets its name when all went well, and is removed when anything did not. Raises `SettingsError` where it cannot
    be made or written to.
    """
    draft = out / f".{run_id}.partial"
    with _being_made(draft):
        try:
            _remove_abandoned(out)
            draft.mkdir(mode=0o700)
            restrict_to_owner(draft)
            yield draft
            draft.rename(out / run_id)
        except BaseException as error:
            shutil.rmtree(draft, ignore_errors=True)
            if isinstance(error, OSError):
                raise SettingsError(f"--out {out}: the run's folder cannot be made here ({error}).") from error
            raise


@contextmanager
def _being_made(draft: Path) -> Iterator[None]:
    """Hold a draft for this process; the lock lies beside it, since Windows renames no folder with an open file."""
    lock, is_ours = draft.with_suffix(".lock"), True
    try:
        with held(lock, lambda who: f"{draft}: {who} is making this plan."):
            yield
    except LockedError:
        is_ours = False
        raise
    finally:
        if is_ours:
            lock.unlink(missing_ok=True)


def _remove_abandoned(out: Path) -> None:
    """Remove the drafts that no process holds any more."""
    for draft in out.iterdir():
        if _DRAFT.fullmatch(draft.name):
            try:
                with _being_made(draft):
                    shutil.rmtree(draft, ignore_errors=True)
            except LockedError:
                continue


def listed(out: Path) -> list[Path]:
    """Return the run folders in `out` that this user may look into, oldest first. Raises `SettingsError`."""
    try:
        runs = [path for path in out.iterdir() if is_run_id(path.name) and _has_table(path)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SettingsError(f"--out {out}: this folder cannot be read ({error.strerror}).") from error
    return sorted(runs, key=_made_at)


def is_run_id(name: str) -> bool:
    """Say whether a run could be called so."""
    return _RUN_ID.fullmatch(name) is not None


def _has_table(folder: Path) -> bool:
    """Say whether a run can be found in a folder: not in one that is for others alone, or no folder's name at all."""
    return os.path.isfile(folder / FILE_NAME)  # noqa: PTH113  what cannot be looked at is none, where Path's raises


def _made_at(folder: Path) -> tuple[str, int, str]:
    """Order runs by the second in their names; within one, by when their keys were written."""
    key = folder / KEY_FILE
    return folder.name.partition("-")[0], key.stat().st_mtime_ns if key.is_file() else 0, folder.name


def find(run: str | None, out: Path) -> Path:
    """Find a run by its folder or its id; None is the latest in `out`. Raises `RunNotFoundError`."""
    if run is None:
        runs = listed(out)
        if not runs:
            raise RunNotFoundError(f"There is no run in {out}; --out names another folder.")
        return runs[-1]
    for folder in (Path(run), out / run):
        if _has_table(folder):
            return folder
    raise RunNotFoundError(f"{run}: no such run, neither as a folder nor as a run id in {out}; see `batchreset runs`.")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run for this process; whatever a killed one left of a report that was being written is removed.

    Raises `LockedError` naming the holder; a dead process holds nothing.
    """
    with held(folder / "run.lock", lambda who: f"{folder.name}: {who} is working on this run; wait for it or stop it."):
        for draft in folder.glob(_REPORT_DRAFTS):
            shutil.rmtree(draft, ignore_errors=True)
        yield
