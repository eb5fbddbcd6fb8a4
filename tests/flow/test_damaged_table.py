"""A status table that is not what SQLite wrote."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from batchreset.model import RunState
from batchreset.status.database import FILE_NAME
from tests.support.program import at_home
from tests.support.runs import RUN_ID, make_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Call

PAGE = 4096


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a run of fifty rows that was halted."""
    at_home(tmp_path, monkeypatch)
    folder = tmp_path / "reports" / RUN_ID
    make_run(folder, [{"state": "ready", "kind": "cloud"}] * 50, state=RunState.HALTED).dispose()
    return folder


def root_page(folder: Path, name: str) -> int:
    """Return where the page is that a table or an index begins with."""
    with closing(sqlite3.connect(f"{(folder / FILE_NAME).as_uri()}?mode=ro", uri=True)) as connection:
        number: int
        (number,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name]).fetchone()
    return (number - 1) * PAGE


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".sqlite-shm"}


COMMANDS = (("status",), ("report",), ("resume", "--yes"), ("passwords", "-o", "-"))


def test_a_damaged_table_is_refused_and_left_as_it_is(folder: Path, here: Call) -> None:
    """By every command that opens it, with how to recover it; not even what is in the log is moved into it."""
    overwrite(folder / FILE_NAME, root_page(folder, "resets"), os.urandom(PAGE))
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute("UPDATE run SET ticket = 'INC-4711'")
        connection.commit()
        # As a process leaves it that is killed now: this is in the log only.
        dead = folder.with_name("20261121T175503Z-killed-0001")
        shutil.copytree(folder, dead)
        before = content(dead)
    assert before[f"{FILE_NAME}-wal"]
    for command, *more in COMMANDS:
        ended = here(command, dead.name, *more)
        assert (ended.status, ended.out) == (5, ""), ended
        assert f"{dead.name}: the status table is damaged (" in ended.err
        assert ".recover" in ended.err
    after = content(dead)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"run.lock"}


@pytest.mark.parametrize("wrong", [b"no database at all" * 300, b""], ids=["something else", "nothing"])
def test_a_file_that_is_no_status_table_is_refused(folder: Path, here: Call, wrong: bytes) -> None:
    """Nor is anything made of it."""
    for path in folder.iterdir():
        path.unlink()
    (folder / FILE_NAME).write_bytes(wrong)
    for command, *more in COMMANDS:
        ended = here(command, folder.name, *more)
        assert ended.status == 5
        assert "status table" in ended.err
    assert (folder / FILE_NAME).read_bytes() == wrong


def test_an_index_that_hides_rows_is_found_before_anything_is_sent(folder: Path, here: Call) -> None:
    """Rows to be sent are found by it."""
    at = root_page(folder, "resets_by_state")
    page = (folder / FILE_NAME).read_bytes()[at : at + PAGE]
    overwrite(folder / FILE_NAME, at + page.rindex(b"ready"), b"reedy")
    ended = here("resume", folder.name, "--yes")
    assert ended.status == 5
    assert re.search(r"damaged \(row \d+ missing from index resets_by_state\)", ended.err)


def can_recover() -> bool:
    """Say whether there is an SQLite shell here that knows the command; some systems build theirs without."""
    shell = shutil.which("sqlite3")
    if shell is None:
        return False
    tried = subprocess.run([shell, ":memory:", ".recover"], capture_output=True, check=False)  # noqa: S603  found above
    return tried.returncode == 0 and b"error" not in tried.stdout + tried.stderr


@pytest.mark.skipif(not can_recover(), reason="no sqlite3 on the path that knows .recover")
def test_what_the_message_says_recovers_the_table(folder: Path, here: Call) -> None:
    """The command, to the letter, then the new file in the old one's place: every row is there and told of."""
    overwrite(folder / FILE_NAME, root_page(folder, "resets_by_key"), os.urandom(PAGE))
    told = here("status", folder.name)
    assert told.status == 5
    (command,) = re.findall(r"sqlite3 -readonly .* \| sqlite3 \"[^\"]+\"", told.err)
    subprocess.run(command, shell=True, check=True)  # noqa: S602  as whoever reads it does
    for path in folder.glob(f"{FILE_NAME}*"):
        path.unlink()
    (folder / "recovered.sqlite").rename(folder / FILE_NAME)
    assert here("report", folder.name).status == 0
    assert len((folder / "reconciliation.csv").read_text(encoding="utf-8-sig").splitlines()) == 51


@pytest.mark.usefixtures("folder")
def test_a_run_that_cannot_be_read_hides_no_other(tmp_path: Path, here: Call) -> None:
    """Nor does one whose rows are in a state that there is not; a name that is none is refused in a sentence."""
    name = "20261122T091500Z-damaged-0b2c"
    make_run(tmp_path / "reports" / name, [{"state": "bogus"}], run_id=name).dispose()
    ended = here("runs")
    assert (ended.status, len(ended.out.splitlines())) == (0, 1)
    assert "what the status table says of its rows cannot be read" in ended.err
    for arguments in (["status", "a" * 300], ["report", "a" * 300, "--verify"], ["status", name]):
        refused = here(*arguments)
        assert (refused.status, len(refused.err.splitlines())) == (5, 1)
