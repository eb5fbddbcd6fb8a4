"""A plan that is no longer what was agreed to."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, update

from batchreset.engine.resume import agree, prepare
from batchreset.errors import RefusedError
from batchreset.model import Operator, RunState, State
from batchreset.rehearsal.behaviour import Fault, Route
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR
from batchreset.report import planned
from batchreset.status import database, record, rows
from batchreset.status.schema import audit, sends
from tests.support.clock import run_virtual
from tests.support.desk import Desk, Run, at_desk, object_id, user, users

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchreset.engine.plan import Plan

BOB = Operator("b0000000-0000-0000-0000-00000000000b", "bob@contoso.example", "", "")


def note(folder: Path, **values: Any) -> None:
    """Have a run been planned with other values."""
    engine = database.connect(folder)
    record.note(engine, **values)
    with engine.connect() as connection:
        digest = planned.save(folder, connection)
    record.note(engine, plan_digest=digest)
    engine.dispose()


def add_a_row(plan: Plan) -> None:
    with (plan.folder.parent / "cohort.csv").open("a", encoding="utf-8") as file:
        file.write("user001@contoso.example\n")


def spoil(plan: Plan) -> None:
    (plan.folder.parent / "cohort.csv").write_text("no,accounts\nin,here\n", encoding="utf-8")


def remove(plan: Plan) -> None:
    (plan.folder.parent / "cohort.csv").unlink()


def grow_old(plan: Plan) -> None:
    note(plan.folder, created_at="2026-01-02T03:04:05.678Z")


def be_bobs(plan: Plan) -> None:
    note(plan.folder, operator=record._as_text(BOB))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (add_a_row, r"cohort\.csv has changed: it held 1 records \(SHA-256 \w{12}\), and holds 2 \(\w{12}\)"),
        (spoil, r"cohort\.csv has changed: .*, and holds nothing that can be understood"),
        (remove, r"cohort\.csv is no longer there"),
        (grow_old, r"planned on 2026-01-02 03:04 UTC, which is longer ago than --max-plan-age 24h"),
        (be_bobs, r"planned by bob@contoso\.example, and you are signed in as operator@contoso\.example"),
    ],
)
def test_a_plan_that_is_no_longer_the_same_is_refused(
    tmp_path: Path, change: Callable[[Plan], None], named: str
) -> None:
    """What is different is named. With --anyway it is as it was planned; plan and audit trail tell."""

    async def go() -> tuple[Plan, str]:
        async with at_desk(tmp_path, users(2)) as desk:
            plan = await desk.plan("user000@contoso.example")
            change(plan)
            with pytest.raises(
                RefusedError, match=rf"{plan.run_id}: .*{named}.*Plan again, or add --anyway"
            ) as refused:
                await desk.resume(plan.folder)
            assert refused.value.exit_status == 5
            taken_up = await prepare(plan.folder, desk.settings, desk.tokens, anyway=True)
            with pytest.raises(RefusedError):  # nothing is agreed to yet
                await desk.resume(plan.folder)
            agree(taken_up)
            return taken_up, str(refused.value)

    plan, refusal = run_virtual(go())
    assert plan.ready == 1
    (warning,) = plan.warnings
    assert warning.rstrip(".") in refusal
    engine = database.connect(plan.folder)
    with engine.connect() as connection:
        told = connection.execute(select(audit.c.fields).where(audit.c.event == "agreed")).scalar_one()
    engine.dispose()
    assert json.loads(told) == {
        "plan_digest": plan.record.plan_digest,
        "operator": "operator@contoso.example",
        "accounts": 1,
        "anyway": [warning.rstrip(".")],
    }


def test_all_that_is_different_is_named_at_once(tmp_path: Path) -> None:
    """Whoever adds --anyway for one thing is not to overlook another."""

    async def go() -> None:
        async with at_desk(tmp_path, users(1), max_plan_age="365d") as desk:
            plan = await desk.plan()
            for change in (remove, be_bobs, grow_old):
                change(plan)
            with pytest.raises(RefusedError, match=r"bob@contoso.*; .*no longer there\. Plan again") as refused:
                await desk.resume(plan.folder)
            assert "--max-plan-age" not in str(refused.value)

    run_virtual(go())


def test_another_tenant_is_refused_whatever_anybody_says(tmp_path: Path) -> None:
    """--anyway is for what may be meant."""

    async def go() -> None:
        async with at_desk(tmp_path, users(1)) as desk:
            plan = await desk.plan()
            note(plan.folder, tenant=json.dumps({"id": "another-id", "name": "Fabrikam"}))
            with pytest.raises(RefusedError, match=r"planned for Fabrikam .*; you are signed in to Contoso"):
                await desk.resume(plan.folder, anyway=True)

    run_virtual(go())


def test_a_run_that_has_started_needs_its_cohort_no_longer(tmp_path: Path) -> None:
    """Nor is its age looked at; but whoever takes it up is to be the same person, or to say that it is meant."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(4), limit=2) as desk:
            plan = await desk.plan()
            stopped = await desk.carry_out(plan)
            assert stopped.counts == {"succeeded": 2, "not_attempted": 2}
            desk.settings = desk.settings.but(limit=None)
            remove(plan)
            grow_old(plan)
            be_bobs(plan)
            with pytest.raises(RefusedError, match=r"last worked on by bob@.* Sign in as bob@contoso\.example, or add"):
                await desk.resume(plan.folder)
            return await desk.resume(plan.folder, anyway=True)

    assert run_virtual(go()).counts == {"succeeded": 4}


def age_operations(folder: Path, hours: float) -> None:
    """Have all that was accepted been accepted so long ago."""
    earlier = func.strftime("%Y-%m-%dT%H:%M:%fZ", sends.c.answered_at, f"-{hours} hours")
    engine = database.connect(folder)
    with engine.begin() as connection:
        connection.execute(update(sends).values(answered_at=earlier, intent_at=earlier))
    engine.dispose()


async def _killed_with_operations(desk: Desk) -> Plan:
    """Leave a run behind whose operations were not seen to end."""
    desk.settings = desk.settings.but(deadline="10m", directory_lag="1m")
    plan = await desk.plan()
    settings, desk.settings = desk.settings, desk.settings.but(deadline="2s")
    await desk.carry_out(plan)
    desk.settings = settings
    engine = database.connect(plan.folder)
    rows.move_all(engine, State.UNRESOLVED, State.DOUBTFUL)
    record.note(engine, state=RunState.RUNNING)
    engine.dispose()
    return plan


@pytest.mark.parametrize(
    ("hours", "polls", "told"),
    [
        # Its time was over: it is looked at for a minute more.
        (2, True, "after 600 s the operation was: running"),
        # It cannot be asked any more.
        (25, False, "its operation is over 24 hours old and can no longer be asked; the directory shows no change"),
    ],
)
def test_an_operations_age_outlives_its_process(tmp_path: Path, hours: float, polls: bool, told: str) -> None:  # noqa: FBT001  a parameter of the test
    """The time between two starts counts: past its deadline it is not followed for another, past a day not asked."""

    async def go() -> tuple[Run, bool, float]:
        async with at_desk(tmp_path, [user("late", Fault.OPERATION_NEVER_ENDS)]) as desk:
            plan = await _killed_with_operations(desk)
            age_operations(plan.folder, hours)
            before, seconds = looks(desk), record_of(plan.folder).seconds
            run = await desk.resume(plan.folder)
            return run, looks(desk) > before, run.summary.seconds - seconds

    run, has_looked, seconds = run_virtual(go())
    (row,) = run.rows
    assert row["outcome"] == "unresolved"
    assert told in row["detail"]
    assert has_looked == polls
    assert seconds < 100


def looks(desk: Desk) -> int:
    return sum(count for (route, _), count in desk.tenant.requests.items() if route is Route.OPERATION)


def record_of(folder: Path) -> record.RunRecord:
    engine = database.connect(folder)
    try:
        return record.load(engine)
    finally:
        engine.dispose()


def test_failed_rows_are_taken_up_only_once_that_is_agreed_to(tmp_path: Path) -> None:
    """They are screened and counted before the question; whoever says no leaves them as they were."""

    async def go() -> tuple[dict[State, int], Run]:
        accounts = [user("fine"), user("bad", Fault.REJECTED), user("promoted", Fault.REJECTED)]
        async with at_desk(tmp_path, accounts, max_failures="100%") as desk:
            first = await desk.run()
            for account in desk.tenant.accounts.values():
                account.faults = ()
            promote(desk, "promoted")
            plan = await prepare(first.folder, desk.settings, desk.tokens, retry_failed=True)
            assert (plan.ready, dict(plan.excluded)) == (1, {"privileged": 1})
            assert plan.first_request is not None
            engine = database.connect(first.folder)
            counts = rows.counts(engine)
            engine.dispose()
            agree(plan)
            return counts, await desk.carry_out(plan)

    counts, run = run_virtual(go())
    assert (counts[State.FAILED], counts[State.SUCCEEDED]) == (2, 1)
    assert run.counts == {"succeeded": 2, "excluded": 1}
    assert (run.row("bad")["outcome"], run.row("promoted")["reason"]) == ("succeeded", "privileged")


def promote(desk: Desk, name: str) -> None:
    account = desk.tenant.accounts[object_id(name)]
    account.user = replace(account.user, roles=(GLOBAL_ADMINISTRATOR,))


def test_a_plan_in_a_folder_that_is_copied_says_so(tmp_path: Path) -> None:
    """Before anybody is asked; it is no refusal."""
    out = tmp_path / "OneDrive - Contoso"
    out.mkdir()

    async def go() -> Plan:
        async with at_desk(out, users(1)) as desk:
            return await desk.plan()

    (warning,) = run_virtual(go()).warnings
    assert "that OneDrive copies" in warning
