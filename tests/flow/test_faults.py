"""What becomes of a row when something goes wrong with it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from batchreset.model import Outcome, Reason
from batchreset.rehearsal.behaviour import STRIKES, Fault, Outage
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR
from batchreset.rehearsal.quota import Limit
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, object_id, remove, user, users

if TYPE_CHECKING:
    from pathlib import Path


class Case(NamedTuple):
    faults: tuple[Fault, ...]
    outcome: Outcome
    reason: Reason | None
    #: Writes that reach the service.
    sends: int

    @property
    def name(self) -> str:
        return "-then-".join(self.faults)


RESET, FAILED, UNRESOLVED = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNRESOLVED

#: Held in the cloud: the same password may be sent again, so nearly everything comes to a good end.
CLOUD = [
    # The service turns the request away, and may think better of it.
    Case((Fault.THROTTLED,), RESET, None, 4),
    Case((Fault.UNAVAILABLE,), RESET, None, 3),
    Case((Fault.CONCURRENCY,), RESET, None, 2),
    # The service turns the request away for good.
    Case((Fault.REJECTED,), FAILED, Reason.PASSWORD_REJECTED, 1),
    # The answer is lost, or says nothing of what was done: sent again, with the same password.
    Case((Fault.LOST_BEFORE,), RESET, None, 2),
    Case((Fault.LOST_AFTER,), RESET, None, 2),
    Case((Fault.SERVER_ERROR,), RESET, None, 2),
    Case((Fault.TIMEOUT_AFTER,), RESET, None, 2),
    Case((Fault.HTML_PAGE,), RESET, None, 2),
    Case((Fault.SLOW_ANSWER,), RESET, None, 2),
    # Three times in doubt is enough: from then on the directory is asked.
    Case((Fault.LOST_BEFORE, Fault.SERVER_ERROR, Fault.HTML_PAGE), UNRESOLVED, Reason.ANSWER_LOST, 3),
    Case((Fault.LOST_BEFORE, Fault.SERVER_ERROR, Fault.LOST_AFTER), RESET, None, 3),
    # What is refused after a doubt is not known to have failed: the first send may have been applied, and may not.
    Case((Fault.LOST_AFTER, Fault.REJECTED), RESET, None, 2),
    Case((Fault.LOST_BEFORE, Fault.REJECTED), UNRESOLVED, Reason.ANSWER_LOST, 2),
    # A throttled answer proves something of its own send only.
    Case((Fault.LOST_AFTER, Fault.THROTTLED), RESET, None, 5),
    # The operation tells its end, sooner or later.
    Case((Fault.OPERATION_SLOW,), RESET, None, 1),
    Case((Fault.OPERATION_LATE,), RESET, None, 1),
    Case((Fault.OPERATION_ODD,), RESET, None, 1),
    Case((Fault.OPERATION_FAILS,), FAILED, Reason.OPERATION_FAILED, 1),
    Case((Fault.OPERATION_REJECTS,), FAILED, Reason.OPERATION_FAILED, 1),
    # The operation does not tell, or there is none to ask: the directory does.
    Case((Fault.NO_LOCATION,), RESET, None, 1),
    Case((Fault.OPERATION_UNREADABLE,), RESET, None, 1),
    Case((Fault.OPERATION_NEVER_ENDS,), UNRESOLVED, Reason.OPERATION_TIMEOUT, 1),
    # An operation that fails says nothing of the send before it.
    Case((Fault.LOST_BEFORE, Fault.OPERATION_FAILS), UNRESOLVED, Reason.ANSWER_LOST, 2),
]

#: Held on-premises: history and minimum age may refuse a repeat, so a send in doubt is the last one.
SYNCHRONISED = [
    Case((Fault.THROTTLED,), RESET, None, 4),
    Case((Fault.UNAVAILABLE,), RESET, None, 3),
    Case((Fault.CONCURRENCY,), RESET, None, 2),
    Case((Fault.REJECTED,), FAILED, Reason.PASSWORD_REJECTED, 1),
    Case((Fault.LOST_BEFORE,), UNRESOLVED, Reason.ANSWER_LOST, 1),
    Case((Fault.LOST_AFTER,), RESET, None, 1),
    Case((Fault.SERVER_ERROR,), UNRESOLVED, Reason.ANSWER_LOST, 1),
    Case((Fault.TIMEOUT_AFTER,), RESET, None, 1),
    Case((Fault.HTML_PAGE,), UNRESOLVED, Reason.ANSWER_LOST, 1),
    Case((Fault.SLOW_ANSWER,), RESET, None, 1),
    Case((Fault.OPERATION_FAILS,), FAILED, Reason.OPERATION_FAILED, 1),
    Case((Fault.NO_LOCATION,), RESET, None, 1),
    Case((Fault.OPERATION_UNREADABLE,), RESET, None, 1),
    Case((Fault.OPERATION_NEVER_ENDS,), UNRESOLVED, Reason.OPERATION_TIMEOUT, 1),
]

CASES = {f"cloud-{case.name}": case for case in CLOUD} | {f"synced-{case.name}": case for case in SYNCHRONISED}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run that has every case in it."""

    async def go() -> Run:
        accounts = [user(name, *case.faults, synchronised=name.startswith("synced")) for name, case in CASES.items()]
        out = tmp_path_factory.mktemp("faults")
        async with at_desk(out, accounts, deadline="10m", directory_lag="1m", max_failures="100%") as desk:
            return await desk.run()

    return run_virtual(go())


@pytest.mark.parametrize(("name", "case"), CASES.items(), ids=CASES)
def test_a_fault_ends_as_it_should(run: Run, name: str, case: Case) -> None:
    """Each fault, of a cloud and of a synchronised account, has the outcome, reason and number of sends that it has."""
    row = run.row(name)
    assert (row["outcome"], row["reason"]) == (case.outcome, case.reason or ""), row["detail"]
    assert run.sends(name) == case.sends


def test_every_fault_is_in_the_table() -> None:
    """A fault that the simulated tenant learns has to be added here."""
    assert {fault for case in CLOUD for fault in case.faults} == set(Fault)


def test_every_sure_password_is_the_one_in_force(run: Run) -> None:
    """Whatever went wrong on the way, who was reset has one sure password, and it opens the account."""
    reset = {row["object_id"] for row in run.rows if row["outcome"] == Outcome.SUCCEEDED}
    sure = [each.object_id for each in run.passwords if each.certainty == "sure"]
    assert sorted(sure) == sorted(reset)
    assert not run.disagreements()


def test_the_passwords_of_unresolved_rows_are_handed_out_marked(run: Run) -> None:
    """Nobody knows whether it took effect, so it is a candidate; of a row that failed there is none."""
    unresolved = {row["object_id"] for row in run.rows if row["outcome"] == Outcome.UNRESOLVED}
    assert {each.object_id for each in run.passwords if each.certainty == "candidate"} == unresolved


def test_what_the_directory_confirmed_says_when(run: Run) -> None:
    """Rows settled by lastPasswordChangeDateTime carry the time of that look; those settled by an operation do not."""
    confirmed = {row["user"].partition("@")[0] for row in run.rows if row["verified_at"]}
    assert {"cloud-no-location", "cloud-operation-unreadable", "synced-lost-after"} <= confirmed
    assert not {"cloud-lost-after", "cloud-operation-slow", "synced-throttled"} & confirmed


def test_a_throttled_send_is_no_attempt(run: Run) -> None:
    """Three of its four writes were answered 429: one attempt."""
    assert run.row("cloud-throttled")["attempts"] == "1"
    assert run.row("cloud-lost-before")["attempts"] == "2"


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
    """Who may not be reset, is not held here, or has gone since the look-up fails at once, each with its reason."""

    async def go() -> Run:
        accounts = [user("admin", roles=(GLOBAL_ADMINISTRATOR,)), user("guest", guest=True), user("gone")]
        async with at_desk(tmp_path, accounts, include_privileged=True) as desk:
            plan = await desk.plan()
            remove(desk.tenant, "gone")
            return await desk.carry_out(plan)

    run = run_virtual(go())
    assert {row["user"].partition("@")[0]: row["reason"] for row in run.rows} == {
        "admin": "forbidden",
        "guest": "request_refused",
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
