"""What becomes of a row when something goes wrong with it, in particular; `test_fault_matrix` has the table."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchreset.rehearsal.behaviour import STRIKES, Fault, Outage
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR
from batchreset.rehearsal.quota import Limit
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, object_id, remove, user, users

if TYPE_CHECKING:
    from pathlib import Path


FAULTS = (
    *(Fault.THROTTLED, Fault.LOST_BEFORE, Fault.LOST_AFTER),
    *(Fault.NO_LOCATION, Fault.OPERATION_UNREADABLE, Fault.OPERATION_SLOW),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run that has a few of them in it."""

    async def go() -> Run:
        accounts = [
            *(user(fault, fault) for fault in FAULTS),
            *(user(f"synced-{fault}", fault, synchronised=True) for fault in FAULTS),
        ]
        out = tmp_path_factory.mktemp("faults")
        async with at_desk(out, accounts, deadline="10m", directory_lag="1m", max_failures="100%") as desk:
            return await desk.run()

    return run_virtual(go())


def test_what_the_directory_confirmed_says_when(run: Run) -> None:
    """Rows settled by lastPasswordChangeDateTime carry the time of that look; those settled by an operation do not."""
    confirmed = {row["user"].partition("@")[0] for row in run.rows if row["verified_at"]}
    assert {"no-location", "operation-unreadable", "synced-lost-after"} <= confirmed
    assert not {"lost-after", "operation-slow", "synced-throttled"} & confirmed


def test_a_throttled_send_is_no_attempt(run: Run) -> None:
    """Three of its four writes were answered 429: one attempt."""
    assert run.row("throttled")["attempts"] == "1"
    assert run.row("lost-before")["attempts"] == "2"


def test_a_tight_quota_costs_time_and_no_row(tmp_path: Path) -> None:
    """With two writes at once and one in two seconds after that, everybody is reset, with one attempt each."""

    async def go() -> Run:
        behaviour = replace(STEADY, writes=Limit(rate=0.5, depth=2))
        async with at_desk(tmp_path, users(20), behaviour) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 20}
    assert run.summary.traffic["throttled"] > 0
    assert {row["attempts"] for row in run.rows} == {"1"}


def test_a_row_is_tried_six_times_while_nothing_is_applied(tmp_path: Path) -> None:
    """Five times 503 and the sixth try passes; six times, and the row has failed for a reason of the service's."""

    async def go() -> Run:
        accounts = [user("five", Fault.UNAVAILABLE), user("six", Fault.UNAVAILABLE)]
        async with at_desk(tmp_path, accounts, workers=1) as desk:
            usual = STRIKES[Fault.UNAVAILABLE].times
            for name, times in (("five", 5), ("six", 6)):
                # As if it had been struck less often than not at all.
                desk.tenant.accounts[object_id(name)].strikes[Fault.UNAVAILABLE] = int(usual) - times
            return await desk.run()

    run = run_virtual(go())
    assert (run.row("five")["outcome"], run.sends("five")) == ("succeeded", 6)
    assert (run.row("six")["outcome"], run.row("six")["reason"]) == ("failed", "service_unavailable")
    assert run.sends("six") == 6


def test_a_refusal_is_told_by_its_reason(tmp_path: Path) -> None:
    """Who may not be reset, or is not held here or has gone since the look-up, fails at once, each with its reason."""

    async def go() -> Run:
        accounts = [user("admin", roles=(GLOBAL_ADMINISTRATOR,)), user("moved"), user("gone")]
        async with at_desk(tmp_path, accounts, include_privileged=True) as desk:
            plan = await desk.plan()
            moved = desk.tenant.accounts[object_id("moved")]
            moved.user = replace(moved.user, federated=True)
            remove(desk.tenant, "gone")
            return await desk.carry_out(plan)

    run = run_virtual(go())
    assert {row["user"].partition("@")[0]: row["reason"] for row in run.rows} == {
        "admin": "forbidden",
        "moved": "request_refused",
        "gone": "not_found",
    }
    assert run.counts == {"failed": 3}
    assert {row["attempts"] for row in run.rows} == {"1"}


@pytest.mark.parametrize(("back_after", "outcome"), [(200, "succeeded"), (math.inf, "unresolved")])
def test_a_directory_that_is_away_proves_nothing(tmp_path: Path, back_after: float, outcome: str) -> None:
    """It is asked again, past its lag, until it answers or the deadline has passed."""

    async def go() -> Run:
        behaviour = replace(STEADY, outages=(Outage(start=30, end=back_after, answered=True),))
        accounts = [user("ana", Fault.NO_LOCATION, Fault.OPERATION_SLOW)]
        async with at_desk(tmp_path, accounts, behaviour, deadline="10m", directory_lag="1m") as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.row("ana")["outcome"] == outcome
    assert ("the directory could not be read" in run.row("ana")["detail"]) == (outcome == "unresolved")
