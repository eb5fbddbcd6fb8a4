from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from batchreset.errors import StatusTableError
from batchreset.model import Fate, Reason, State
from batchreset.status import rows, writer
from batchreset.status.changes import (
    Answered,
    Ending,
    IllegalMoveError,
    answered,
    candidate_fate,
    candidate_made,
    intended,
    logged,
    moved,
    operation_seen,
)
from batchreset.status.database import FILE_NAME
from batchreset.status.schema import audit, candidates, resets, sends
from batchreset.status.writer import Writer
from tests.support.clock import run_virtual
from tests.support.runs import make_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

ROWS = 100


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Open a status table with a hundred ready rows."""
    engine = make_run(tmp_path, [{"state": State.READY}] * ROWS)
    yield engine
    engine.dispose()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the writer try often and give up soon."""
    monkeypatch.setattr(writer, "_RETRY_EVERY", 0.01)
    monkeypatch.setattr(writer, "_LAST_CHANCE", 0.05)


def states(engine: Engine) -> dict[State, int]:
    return {state: count for state, count in rows.counts(engine).items() if count}


def never(why: str) -> None:
    pytest.fail(f"the writer broke: {why}")


def lines(engine: Engine, table: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(table)))


class FullDisk:
    """Makes the table as large as it may be, and lets it grow again."""

    def __init__(self, engine: Engine) -> None:
        self.is_full = True
        event.listen(engine, "checkout", self._limit)

    def _limit(self, connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={1 if self.is_full else 2**30}")


def test_a_rows_whole_story_is_written(engine: Engine) -> None:
    """Intent, answer, operation and end, each with what belongs to it, in one row of each table."""
    url = "https://graph.microsoft.com/v1.0/operation?aadgdc=x"
    with Writer(engine, never) as status:
        status.put(
            moved(1, State.READY, State.SENDING), candidate_made(7, 1, b"sealed", Fate.POSSIBLE), intended("send", 1, 7)
        )
        answer = answered("send", Answered("accepted", 202, "request", url))
        status.put(moved(1, State.SENDING, State.ACCEPTED), answer)
        status.put(operation_seen("send", 1, "running"))
        status.put(
            moved(1, State.ACCEPTED, State.SUCCEEDED, Ending(settled_on=7)),
            operation_seen("send", 2, "succeeded", "2026-11-21T12:00:09Z"),
            candidate_fate(7, Fate.IN_FORCE),
            logged("done", reset_id=1, nothing=None, why="é"),
        )
    (row,) = (line for line in lines(engine, resets) if line.id == 1)
    assert (row.state, row.settled_on, row.reason) == ("succeeded", 7, None)
    assert row.finished_at.endswith("Z")
    (send,) = lines(engine, sends)
    assert (send.verdict, send.status, send.request_id, send.operation_url) == ("accepted", 202, "request", url)
    assert (send.polls, send.operation_status, send.candidate_id) == (2, "succeeded", 7)
    assert (send.operation_ended_at, send.intent_at <= send.answered_at) == ("2026-11-21T12:00:09Z", True)
    (candidate,) = lines(engine, candidates)
    assert (candidate.sealed, candidate.fate) == (b"sealed", "in_force")
    (entry,) = lines(engine, audit)
    assert (entry.event, entry.reset_id, entry.fields) == ("done", 1, '{"why": "é"}')


def test_changes_are_applied_in_the_order_they_were_put(engine: Engine) -> None:
    """Many moves of one row in one commit end where the last one ends."""
    with Writer(engine, never) as status:
        for _ in range(50):
            status.put(moved(1, State.READY, State.SENDING))
            status.put(moved(1, State.SENDING, State.DOUBTFUL))
            status.put(moved(1, State.DOUBTFUL, State.READY))
        ending = Ending(Reason.FORBIDDEN, "no")
        status.put(moved(1, State.READY, State.SENDING), moved(1, State.SENDING, State.FAILED, ending))
    (row,) = (line for line in lines(engine, resets) if line.id == 1)
    assert (row.state, row.reason, row.detail) == ("failed", "forbidden", "no")


def test_what_queued_up_shares_a_commit(engine: Engine, tmp_path: Path) -> None:
    """While one commit waits for the disk, a hundred changes become one more."""
    commits: list[object] = []
    event.listen(engine, "commit", commits.append)
    with sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with Writer(engine, never) as status:
            for number in range(1, ROWS + 1):
                status.put(moved(number, State.READY, State.SENDING))
            other.execute("COMMIT")
    other.close()
    assert len(commits) <= 2
    assert states(engine) == {State.SENDING: ROWS}


def test_an_intent_is_on_disk_when_its_wait_ends(engine: Engine) -> None:
    """`commit` returns after the commit: another connection sees the row."""

    async def intend() -> None:
        with Writer(engine, never) as status:
            made = candidate_made(1, 1, None, Fate.POSSIBLE)
            await status.commit(moved(1, State.READY, State.SENDING), made, intended("send", 1, 1))
            assert states(engine)[State.SENDING] == 1
            assert len(lines(engine, sends)) == 1

    run_virtual(intend())


def test_a_cancelled_task_loses_no_answer(engine: Engine) -> None:
    """What is put while a task is being cancelled is written, and so is an intent nobody waits for any more."""

    async def cancelled() -> None:
        with Writer(engine, never) as status:

            async def worker() -> None:
                try:
                    await asyncio.sleep(3600)
                finally:
                    status.put(moved(1, State.READY, State.SENDING))

            working = asyncio.create_task(worker())
            waiting = asyncio.create_task(status.commit(moved(2, State.READY, State.SENDING)))
            await asyncio.sleep(0)
            for task in (working, waiting):
                task.cancel()
            await asyncio.gather(working, waiting, return_exceptions=True)
            assert waiting.cancelled()

    run_virtual(cancelled())
    assert states(engine) == {State.READY: ROWS - 2, State.SENDING: 2}


def test_an_illegal_move_is_not_even_made() -> None:
    """A move that the model does not name is refused where it is asked for."""
    with pytest.raises(IllegalMoveError, match="ready to succeeded"):
        moved(1, State.READY, State.SUCCEEDED)


def test_a_move_from_another_state_is_refused_and_said(engine: Engine) -> None:
    """The commit that it is in is undone whole, sending is told to stop, and whoever writes on hears of it."""
    told: list[str] = []

    async def move_wrongly() -> None:
        with Writer(engine, told.append) as status:
            await status.commit(moved(1, State.READY, State.SENDING))
            with pytest.raises(StatusTableError):
                await status.commit(moved(2, State.READY, State.SENDING), moved(1, State.READY, State.SENDING))
            with pytest.raises(StatusTableError):
                status.put(moved(3, State.READY, State.SENDING))
            with pytest.raises(StatusTableError):
                await status.commit(moved(4, State.READY, State.SENDING))

    with pytest.raises(IllegalMoveError, match="2 moves, 1 of them"):
        run_virtual(move_wrongly())
    assert told == ["2 moves, 1 of them from the state the row is in"]
    assert states(engine) == {State.READY: ROWS - 1, State.SENDING: 1}


def test_a_fault_of_ours_is_not_tried_again(engine: Engine) -> None:
    """The same request id twice will not be taken at the second try either."""
    told: list[str] = []
    made = candidate_made(1, 1, None, Fate.POSSIBLE)
    with pytest.raises(IntegrityError), Writer(engine, told.append) as status:
        status.put(made, intended("send", 1, 1), intended("send", 1, 1))
    assert len(told) == 1
    assert lines(engine, sends) == []


def test_sending_is_told_to_stop_and_nothing_is_lost(engine: Engine, impatient: None) -> None:  # noqa: ARG001  a fixture
    """A full disk is said at once; what was put meanwhile is written as soon as there is room."""
    disk = FullDisk(engine)
    told: list[str] = []

    async def go_on() -> None:
        loop = asyncio.get_running_loop()
        broken = asyncio.Event()

        def on_broken(why: str) -> None:
            told.append(why)
            loop.call_soon_threadsafe(broken.set)

        with Writer(engine, on_broken) as status:
            status.put(logged("large", text="x" * 10**6))
            await broken.wait()
            intent = asyncio.create_task(status.commit(moved(1, State.READY, State.SENDING)))
            await asyncio.sleep(0)
            status.put(moved(2, State.READY, State.SENDING))
            disk.is_full = False
            await intent

    run_virtual(go_on())
    assert told[0] == "the status table cannot be written (database or disk is full)"
    assert states(engine) == {State.READY: ROWS - 2, State.SENDING: 2}
    assert [entry.event for entry in lines(engine, audit)] == ["large"]


def test_a_disk_that_never_recovers_is_said_at_the_end(engine: Engine, impatient: None) -> None:  # noqa: ARG001  a fixture
    """The end of a run waits a little, then says that the last answers are not on disk."""
    FullDisk(engine)
    told: list[str] = []
    with pytest.raises(StatusTableError, match=r"disk is full.*not on disk"), Writer(engine, told.append) as status:
        status.put(logged("large", text="x" * 10**6))
    assert told


def test_the_fault_of_the_body_is_kept(engine: Engine) -> None:
    """An error inside passes through, after everything put so far is written."""

    def put_and_fail() -> None:
        with Writer(engine, never) as status:
            status.put(moved(1, State.READY, State.SENDING))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        put_and_fail()
    assert states(engine)[State.SENDING] == 1


def test_a_closed_writer_takes_nothing(engine: Engine) -> None:
    """What would never be written is refused, not kept in silence."""
    with Writer(engine, never) as status:
        pass
    with pytest.raises(StatusTableError):
        status.put(moved(1, State.READY, State.SENDING))
