"""What a killed process leaves in a folder of runs, and when it is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.engine import folder as folders

if TYPE_CHECKING:
    from pathlib import Path

OURS, THEIRS = "20261121T175502Z-ours-7f3a", "20261121T175501Z-theirs-0001"


def test_an_abandoned_plan_is_removed_by_the_next_one(tmp_path: Path) -> None:
    """A draft that a process still works on stays, and so does what is none."""
    abandoned = tmp_path / ".20261120T175501Z-killed-0002.partial"
    abandoned.mkdir()
    (abandoned / "status.sqlite").touch()
    (tmp_path / ".my own.partial").mkdir()
    with folders.drafted(tmp_path, THEIRS), folders.drafted(tmp_path, OURS):
        assert names(tmp_path) == {
            ".my own.partial",
            *(f".{run}.{ending}" for run in (OURS, THEIRS) for ending in ("partial", "lock", "holder")),
        }
    assert names(tmp_path) == {".my own.partial", OURS, THEIRS}


def test_a_report_that_was_not_finished_is_removed_by_whoever_holds_the_run(tmp_path: Path) -> None:
    """Nobody else can be writing it."""
    (tmp_path / ".report-abcd1234").mkdir()
    (tmp_path / ".report-abcd1234" / "report.html").touch()
    (tmp_path / "report.html").touch()
    with folders.locked(tmp_path):
        assert names(tmp_path) == {"report.html", "run.lock", "run.holder"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
