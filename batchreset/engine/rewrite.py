"""Writing a run's report again, whatever became of the process that worked on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset import report
from batchreset.engine import folder as folders
from batchreset.model import RunState
from batchreset.status import database, record

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.report import Summary


def write_again(folder: Path) -> Summary:
    """Write a run's report from its status table. Raises `LockedError` while another process works on it.

    A run that still says `running` once its lock is ours was killed: it was interrupted, and is said to be.
    """
    with folders.locked(folder):
        engine = database.connect(folder, is_checked=True)
        try:
            if record.load(engine).state is RunState.RUNNING:
                record.note(engine, state=RunState.INTERRUPTED)
            return report.write(folder, engine)
        finally:
            engine.dispose()
