"""Runs that stop before their end, and go on."""

from __future__ import annotations

import asyncio
import json
import math
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from batchreset.errors import StatusTableError
from batchreset.rehearsal.behaviour import Fault, Outage, Route, Spread
from batchreset.rehearsal.tenant import What
from batchreset.status import database
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, happened, user, users

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchreset.engine.progress import Snapshot

SLOW = replace(STEADY, latency=Spread(2.0))
#: From the eleventh send on the table cannot be written: SQLite refuses for a reason of its own, as for a full disk.
FULL = text(
    "CREATE TRIGGER full BEFORE INSERT ON sends WHEN (SELECT count(*) FROM sends) >= 10 "
    "BEGIN SELECT abs(-9223372036854775807 - 1); END"
)
REFUSAL = "the status table cannot be written .integer overflow"
ROOM = text("DROP TRIGGER IF EXISTS full")


@pytest.mark.parametrize("is_answered", [True, False], ids=["answers 503", "closes connections"])
def test_an_outage_is_sat_out(tmp_path: Path, is_answered: bool) -> None:  # noqa: FBT001  a parameter of the test
    """The service is away for ten minutes: the run pauses, asks now and then, goes on, and no row has suffered."""

    async def go() -> Run:
        behaviour = replace(STEADY, outages=(Outage(1, 601, answered=is_answered),))
        async with at_desk(tmp_path, users(30), behaviour, workers=4, rate=10) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 30}
    assert run.summary.seconds > 600
    turned_away = sum(count for (route, status), count in run.tenant.requests.items() if is_away(route, status))
    assert 4 <= turned_away <= 8
    assert not run.disagreements()


def is_away(route: Route, status: int | None) -> bool:
    return route is Route.RESET and status in {503, None}


def test_a_service_that_stays_away_halts_the_run(tmp_path: Path) -> None:
    """After fifteen minutes, with every row that was not accepted ready to be resumed; then all is done."""

    async def go() -> tuple[Run, Run]:
        behaviour = replace(STEADY, outages=(Outage(1, math.inf, answered=True),))
        async with at_desk(tmp_path, users(30), behaviour, workers=4, rate=10) as desk:
            halted = await desk.run()
            desk.tenant.behaviour = STEADY
            return halted, await desk.resume(halted.folder)

    halted, resumed = run_virtual(go())
    assert (halted.summary.state, halted.status) == ("halted", 4)
    assert halted.halted_because == "the service could not be reached for 15 minutes"
    assert halted.summary.seconds > 900
    assert halted.counts.keys() == {"unresolved", "not_attempted"}
    assert {row["reason"] for row in halted.rows} == {"halted"}
    assert (resumed.counts, resumed.status) == ({"succeeded": 30}, 0)
    assert each_accepted_once(resumed)


def each_accepted_once(run: Run) -> bool:
    return all(happened(run.tenant, row["user"].partition("@")[0]).count(What.ACCEPTED) == 1 for row in run.rows)


def test_too_many_failures_halt_the_run(tmp_path: Path) -> None:
    """More than --max-failures: nothing more is sent, and what was accepted is followed to its end."""

    async def go() -> Run:
        accounts = [*users(10), *(user(f"bad{number}", Fault.REJECTED) for number in range(10)), user("zoe")]
        async with at_desk(tmp_path, accounts, workers=2, max_failures="3") as desk:
            return await desk.run()

    run = run_virtual(go())
    assert (run.summary.state, run.status) == ("halted", 4)
    assert run.halted_because
    assert "--max-failures" in run.halted_because
    assert run.counts["succeeded"] == 10
    assert 4 <= run.counts["failed"] <= 5
    assert run.row("zoe")["outcome"] == "not_attempted"
    retry = (run.folder / "retry.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(retry) == 1 + run.counts["failed"] + run.counts["not_attempted"]


def test_one_cause_for_all_halts_the_run(tmp_path: Path) -> None:
    """Twenty-five failures in a row for one reason are no accident, whatever --max-failures says."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(60, Fault.REJECTED), workers=2, max_failures="100%") as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.status == 4
    assert 25 <= run.counts["failed"] <= 26
    assert run.halted_because is not None
    assert run.halted_because.startswith("all 25 resets that ended failed for one cause (password_rejected; the last: ")


def test_ctrl_c_stops_sending_and_follows_what_is_under_way(tmp_path: Path) -> None:
    """Requests under way end, operations are followed for a few seconds, the report is written; then it is resumed."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, users(40), SLOW, workers=4) as desk:
            plan = await desk.plan()
            stopped = await desk.carry_out(plan, once(lambda told: told.in_flight and told.done, interrupt))
            return stopped, await desk.resume(stopped.folder)

    handler = signal.getsignal(signal.SIGINT)
    stopped, resumed = run_virtual(go())
    assert (stopped.summary.state, stopped.status) == ("interrupted", 130)
    assert stopped.counts["succeeded"] > 0
    assert stopped.counts["not_attempted"] > 0
    assert {row["reason"] for row in stopped.rows if row["outcome"] != "succeeded"} == {"interrupted"}
    assert (resumed.counts, resumed.status) == ({"succeeded": 40}, 0)
    assert each_accepted_once(resumed)
    assert not resumed.disagreements()
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_ctrl_c_waits_for_nothing(tmp_path: Path) -> None:
    """Requests under way are let go of: their rows are in doubt, and resuming settles them."""

    async def go() -> tuple[Run, Run]:
        behaviour = replace(STEADY, latency=Spread(30))
        async with at_desk(tmp_path, users(20), behaviour, workers=8) as desk:
            plan, requests = await desk.plan(), desk.tenant.requests
            twice = once(lambda _: requests[Route.RESET, 202] == 8, interrupt, interrupt)
            stopped = await desk.carry_out(plan, twice)
            return stopped, await desk.resume(stopped.folder)

    stopped, resumed = run_virtual(go())
    assert stopped.status == 130
    assert stopped.counts == {"unresolved": 8, "not_attempted": 12}
    assert resumed.counts == {"succeeded": 20}
    assert not resumed.disagreements()


def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    """As `nohup` does it: the run is not stopped by what whoever started it did not want to hear of."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(3)) as desk:
            return await desk.carry_out(await desk.plan(), lambda _: signal.raise_signal(signal.SIGTERM))

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert run_virtual(go()).status == 0
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def once(moment: Callable[[Snapshot], object], *actions: Callable[[], object]) -> Callable[[Snapshot], None]:
    """Make a progress callback that acts at the first snapshot of that kind."""
    waiting = list(actions)

    def tell(snapshot: Snapshot) -> None:
        if moment(snapshot):
            while waiting:
                waiting.pop(0)()

    return tell


def test_a_cancelled_run_is_accounted_for(tmp_path: Path) -> None:
    """As a program that uses the library may do it: the report is there, and the run can be resumed."""

    async def go() -> tuple[str, Run]:
        async with at_desk(tmp_path, users(20), SLOW, workers=4) as desk:
            plan = await desk.plan()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3):
                    await desk.carry_out(plan)
            told = json.loads((plan.folder / "summary.json").read_text(encoding="utf-8"))
            return told["state"], await desk.resume(plan.folder)

    state, resumed = run_virtual(go())
    assert state == "interrupted"
    assert resumed.counts == {"succeeded": 20}
    assert not resumed.disagreements()


def test_a_lost_sign_in_halts_the_run(tmp_path: Path) -> None:
    """401 in mid-run: nobody has failed for it, what was accepted is unresolved, and after signing in all is done."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, users(40), SLOW, workers=4) as desk:
            halted = await desk.carry_out(await desk.plan(), once(lambda told: told.done, desk.lose_sign_in))
            desk.sign_in_again()
            return halted, await desk.resume(halted.folder)

    halted, resumed = run_virtual(go())
    assert halted.status == 4
    assert halted.halted_because
    assert halted.halted_because.startswith("the sign-in was lost (HTTP 401")
    assert halted.counts.keys() == {"succeeded", "unresolved", "not_attempted"}
    assert resumed.counts == {"succeeded": 40}
    assert each_accepted_once(resumed)


def test_a_table_that_takes_no_more_stops_sending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent whose intent is not on disk; the error says why, the report is there, and it can be resumed."""
    monkeypatch.setattr("batchreset.status.writer._LAST_CHANCE", 0.1)

    async def go() -> tuple[int, Run]:
        async with at_desk(tmp_path, users(60), SLOW, workers=4) as desk:
            plan = await desk.plan()
            alter(plan.folder, FULL)
            with pytest.raises(StatusTableError, match=REFUSAL) as caught:
                await desk.carry_out(plan)
            assert caught.value.exit_status == 4
            told = json.loads((plan.folder / "summary.json").read_text(encoding="utf-8"))
            assert told["state"] == "halted"
            sent = sum(count for (route, _), count in desk.tenant.requests.items() if route is Route.RESET)
            alter(plan.folder, ROOM)
            return sent, await desk.resume(plan.folder)

    sent, resumed = run_virtual(go())
    assert sent <= 10
    assert resumed.counts == {"succeeded": 60}
    assert not resumed.disagreements()


def test_a_disk_with_room_again_has_lost_nothing(tmp_path: Path) -> None:
    """The table refuses for a while: sending has stopped for good, and what answers said is on disk after all."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, users(60), SLOW, workers=4) as desk:
            plan = await desk.plan()
            alter(plan.folder, FULL)
            make_room = once(lambda told: told.note, lambda: alter(plan.folder, ROOM))
            halted = await desk.carry_out(plan, make_room)
            return halted, await desk.resume(plan.folder)

    halted, resumed = run_virtual(go())
    assert halted.status == 4
    assert {row["reason"] for row in halted.rows if row["outcome"] != "succeeded"} == {"halted"}
    assert resumed.counts == {"succeeded": 60}
    assert each_accepted_once(resumed)


def test_what_went_wrong_first_is_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor can the report be written: the error is still that of the status table."""
    monkeypatch.setattr("batchreset.status.writer._LAST_CHANCE", 0.1)

    async def go() -> None:
        async with at_desk(tmp_path, users(20), workers=4) as desk:
            plan = await desk.plan()
            alter(plan.folder, FULL)
            (plan.folder / "reconciliation.csv").mkdir()
            with pytest.raises(StatusTableError, match=REFUSAL) as caught:
                await desk.carry_out(plan)
            assert any("reconciliation.csv" in note for note in caught.value.__notes__)

    run_virtual(go())


def alter(folder: Path, statement: object) -> None:
    engine = database.connect(folder)
    with engine.begin() as connection:
        connection.execute(statement)  # type: ignore[call-overload]  # a text clause
    engine.dispose()
