"""The first accounts of a run: a few are risked before the many."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchreset.rehearsal.behaviour import Fault, Route, Spread
from batchreset.rehearsal.population import HELPDESK_ADMINISTRATOR
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, sent_in_order, upn, user, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.engine.progress import Snapshot


def test_nobody_goes_before_the_canaries_have_succeeded(tmp_path: Path) -> None:
    """Above fifty accounts three ordinary ones go first: one of each kind, then in turn; the plan says which."""
    odd = [
        user("boss", roles=(HELPDESK_ADMINISTRATOR,)),
        user("away", enabled=False),
        user("locked", restricted=True),
    ]
    accounts = [*odd, *users(50), user("hybrid", synchronised=True)]

    async def go() -> tuple[Plan, Run]:
        more: dict[str, Any] = {"include_privileged": True, "include_restricted": True, "max_failures": "100%"}
        behaviour = replace(STEADY, may_reset_privileged=True)
        async with at_desk(tmp_path, accounts, behaviour, canary=None, limit=4, **more) as desk:
            plan = await desk.plan()
            return plan, await desk.carry_out(plan)

    plan, run = run_virtual(go())
    sent = sent_in_order(run.tenant)
    assert plan.canaries == (upn("user000"), upn("hybrid"), upn("user001"))
    assert {name for _, name in sent[:3]} == {"user000", "hybrid", "user001"}
    assert sent[3][0] >= sent[0][0] + 5
    assert [name for _, name in sent[3:]] == ["boss"]
    assert (run.status, run.counts) == (130, {"succeeded": 4, "not_attempted": 50})  # a limit counts them


def test_a_canary_that_fails_halts_the_run(tmp_path: Path) -> None:
    """It is named, with why and what is missing; the others wait for `resume`, which has a canary yet to pass."""

    async def go() -> tuple[Run, Run]:
        accounts = [user("first"), user("second", Fault.FORBIDDEN), *users(4)]
        async with at_desk(tmp_path, accounts, canary=2) as desk:
            halted = await desk.run()
            return halted, await desk.resume(halted.folder)

    halted, resumed = run_virtual(go())
    assert (halted.status, halted.counts) == (4, {"succeeded": 1, "failed": 1, "not_attempted": 4})
    assert halted.halted_because is not None
    assert halted.halted_because.startswith(f"the canary {upn('second')} failed (forbidden: HTTP 403 ")
    assert "UserAuthenticationMethod.ReadWrite.All" in halted.halted_because
    assert halted.halted_because.endswith("whoever is signed in holds: Authentication Administrator")
    assert resumed.counts == {"succeeded": 5, "failed": 1}
    first, *others = [at for at, name in sent_in_order(resumed.tenant) if name.startswith("user")]
    assert min(others) >= first + 5


def test_few_are_unconfirmed_until_some_have_ended(tmp_path: Path) -> None:
    """Fifty are sent, and no more until twenty of them have ended; stopping does not wait for that."""
    slow = replace(STEADY, cloud_operation=Spread(15))

    async def go() -> Run:
        async with at_desk(tmp_path, users(60), slow, workers=64, stop_after="10s") as desk:
            return await desk.run()

    run = run_virtual(go())
    assert (run.status, run.counts) == (130, {"succeeded": 50, "not_attempted": 10})


def test_ctrl_c_while_all_wait_for_the_canary(tmp_path: Path) -> None:
    """Nobody else is sent, and the canary that was under way is still the canary of the next start."""
    slow = replace(STEADY, cloud_operation=Spread(40))

    def interrupt(told: Snapshot) -> None:
        if told.seconds > 5 and told.note == "waiting for the canary":
            signal.raise_signal(signal.SIGINT)

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, users(6), slow, canary=1) as desk:
            stopped = await desk.carry_out(await desk.plan(), interrupt)
            return stopped, await desk.resume(stopped.folder)

    stopped, resumed = run_virtual(go())
    assert (stopped.status, stopped.counts) == (130, {"unresolved": 1, "not_attempted": 5})
    assert (resumed.status, resumed.counts) == (0, {"succeeded": 6})
    first, *others = [at for at, _ in sent_in_order(resumed.tenant)]
    assert min(others) >= first + 40
    assert resumed.sends("user000") == 1


def test_everybody_refused_is_told_with_what_is_missing(tmp_path: Path) -> None:
    """Also where it is --max-failures that halts the run."""

    async def go() -> Run:
        behaviour = replace(STEADY, forbidden=frozenset({Route.RESET}))
        async with at_desk(tmp_path, users(12), behaviour, workers=1) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert (run.status, run.counts) == (4, {"failed": 10, "not_attempted": 2})
    assert run.halted_because is not None
    assert run.halted_because.startswith("all 10 resets that ended failed for one cause (forbidden; the last: ")
    assert "UserAuthenticationMethod.ReadWrite.All" in run.halted_because
