from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from batchreset.errors import RefusedError, RunNotFoundError, SettingsError
from batchreset.model import Account, Fate, Kind, State
from batchreset.policy.settling import NOTHING, Landed
from batchreset.status import database, record, rows
from batchreset.status.changes import IllegalMoveError
from batchreset.status.database import FILE_NAME
from batchreset.status.schema import candidates, resets, sends
from tests.support.runs import make_run, put, send

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

READY: dict[str, Any] = {"state": State.READY}
ANA = Account(
    "id-1", "ana@contoso.example", "Ana", Kind.SYNCHRONISED, enabled=False, password_changed_at="2025-01-01T00:00:00Z"
)


def table(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(resets).order_by(resets.c.id)))


def named(*identifiers: str, **facts: Any) -> list[dict[str, Any]]:
    return [READY | {"identifier": identifier} | facts for identifier in identifiers]


def test_all_rows_of_a_state_move_at_once(tmp_path: Path) -> None:
    """As a start does it with what a crash left behind; a move the model does not name is refused here too."""
    engine = make_run(tmp_path, [{"state": State.SENDING}] * 3 + [READY])
    assert rows.move_all(engine, State.SENDING, State.DOUBTFUL) == 3
    assert rows.move_all(engine, State.SENDING, State.DOUBTFUL) == 0
    assert rows.counts(engine)[State.DOUBTFUL] == 3
    with pytest.raises(IllegalMoveError):
        rows.move_all(engine, State.READY, State.SUCCEEDED)
    assert rows.counts(engine)[State.READY] == 1
    engine.dispose()


def test_a_row_is_taken_up_with_its_whole_past(tmp_path: Path) -> None:
    """What its sends came to, and the latest candidate that may be in force, or else the latest."""
    known = {
        "object_id": "id",
        "user": "u",
        "kind": Kind.CLOUD,
        "state": State.DOUBTFUL,
        "password_changed_before": "t",
    }
    engine = make_run(tmp_path, [known, known | {"kind": Kind.SYNCHRONISED}, known | {"state": State.READY}])
    tried = ((1, Fate.POSSIBLE), (1, Fate.POSSIBLE), (1, Fate.REFUSED), (2, Fate.REFUSED), (2, Fate.UNSENT))
    rows_of = [
        {"id": number, "reset_id": reset, "sealed": b"%d" % number, "fate": fate, "made_at": "now"}
        for number, (reset, fate) in enumerate(tried, start=1)
    ]
    put(engine, candidates, rows_of)
    of_first: tuple[dict[str, Any], ...] = (
        {"verdict": "throttled"},
        {"verdict": "ambiguous"},
        {"verdict": None, "candidate_id": 2},
        {"operation_url": "operation/4", "operation_status": "failed", "candidate_id": 3},
        {"operation_url": "operation/5", "operation_status": "running", "candidate_id": 2, "polls": 7},
        {"operation_url": "operation/6", "operation_status": "Succeeded", "operation_ended_at": "then"},
        {"verdict": "unsent"},
    )
    lines = [send(1, number, **({"candidate_id": 1} | facts)) for number, facts in enumerate(of_first, start=1)]
    columns = ("candidate_id", "operation_status", "operation_ended_at")
    put(engine, sends, [dict.fromkeys(columns) | line for line in lines])
    first, second = rows.work(engine, State.DOUBTFUL)
    assert (first.id, first.object_id, first.user, first.kind, first.state) == (
        1,
        "id",
        "u",
        Kind.CLOUD,
        State.DOUBTFUL,
    )
    assert (first.candidate_id, first.sealed, first.fate) == (2, b"2", Fate.POSSIBLE)
    # One ambiguous, and one whose answer never came to disk; what was never sent is in no doubt.
    assert (first.past.lost, set(first.past.doubted)) == (2, {1, 2})
    assert first.past.landed == (Landed(1, "then"),)
    (unended,) = first.past.unended
    assert (unended.candidate_id, unended.operation_url, unended.polls) == (2, "operation/5", 7)
    assert unended.answered_at == "2026-11-21T12:00:05.500Z"
    assert first.password_changed_before == "t"
    assert (second.candidate_id, second.fate, second.past) == (5, Fate.UNSENT, NOTHING)
    (third,) = rows.work(engine, State.READY)
    assert (third.candidate_id, third.sealed, third.fate, third.past) == (None, None, None, NOTHING)
    assert rows.next_candidate_id(engine) == 6
    engine.dispose()


def test_work_is_handed_out_in_pieces(tmp_path: Path) -> None:
    """In input order, after a given row, up to a limit."""
    known = READY | {"object_id": "id", "user": "u", "kind": Kind.CLOUD}
    engine = make_run(tmp_path, [known] * 5)
    assert [work.id for work in rows.work(engine, State.READY, limit=2)] == [1, 2]
    assert [work.id for work in rows.work(engine, State.READY, after=2, limit=2)] == [3, 4]
    assert [work.id for work in rows.work(engine, State.READY, after=4)] == [5]
    assert rows.next_candidate_id(engine) == 1
    engine.dispose()


def test_a_table_opens_wherever_its_folder_is(tmp_path: Path) -> None:
    """Signs that mean something in a URL are letters of a path."""
    place = tmp_path / ("50% #1" if os.name == "nt" else "what? 50% #1")
    make_run(place, [READY]).dispose()
    assert (place / FILE_NAME).is_file()
    engine = database.connect(place)
    assert rows.counts(engine)[State.READY] == 1
    assert record.load(engine).run_id
    engine.dispose()


def test_every_commit_is_on_disk_before_it_counts(tmp_path: Path) -> None:
    """WAL, synchronous FULL and foreign keys, on every connection."""
    engine = make_run(tmp_path, [READY])
    for _ in range(2):
        with engine.connect() as one, engine.connect() as other:
            for connection in (one, other):
                pragmas = ("journal_mode", "synchronous", "foreign_keys")
                found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
                assert found == ["wal", 2, 1]
    engine.dispose()


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps rights elsewhere")
def test_the_table_is_its_owners_only(tmp_path: Path) -> None:
    """The table and SQLite's own files beside it."""
    engine = make_run(tmp_path, [READY])
    with engine.begin() as connection:
        connection.execute(resets.update().values(reason=None))
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    engine.dispose()


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    """A missing table, another database, another version, no database: one sentence each, and no file left open."""
    with pytest.raises(RunNotFoundError, match=FILE_NAME):
        database.connect(tmp_path)
    sqlite3.connect(tmp_path / FILE_NAME).close()
    (tmp_path / FILE_NAME).touch()
    with pytest.raises(RefusedError, match="not a status table"):
        database.connect(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(RefusedError, match="file is not a database"):
        database.connect(tmp_path)
    newer = tmp_path / "newer"
    make_run(newer, [READY], schema_version=99).dispose()
    with pytest.raises(RefusedError, match="schema 99"):
        database.connect(newer)


def test_a_folder_that_cannot_hold_a_table_is_refused(tmp_path: Path) -> None:
    """Before anything else is done with it."""
    with pytest.raises(SettingsError, match="--out"):
        database.create(tmp_path / "missing")
