"""Sign-in is blocked before a reset and opened after it, for those whom this run blocked and for nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchreset.model import RevokeSessions, Step
from batchreset.rehearsal.behaviour import Fault, Route, Spread
from batchreset.rehearsal.tenant import What
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, object_id, user
from tests.support.steps import answers, changes, trail

if TYPE_CHECKING:
    from pathlib import Path

APPLIED, REVOKED, DISABLED, ENABLED = What.APPLIED, What.REVOKED, What.DISABLED, What.ENABLED
BLOCKING: dict[str, Any] = {"disable": True, "revoke_sessions": RevokeSessions.AFTER}


def test_who_was_open_is_blocked_reset_and_opened_again(tmp_path: Path) -> None:
    """In that order, with the sessions revoked in between; whoever was blocked before stays so, and is reset."""
    accounts = [
        user("ana"),
        user("ben", synchronised=True),
        user("cid", enabled=False),
        # A reset that is sent again is blocked once, whoever sends it again.
        user("dan", Fault.UNAVAILABLE),
        user("eve", Fault.LOST_BEFORE),
        user("fay", Fault.OPERATION_REJECTS),
        # What comes to naught before a reset does not keep it from being sent.
        user("gus", step_faults=(Fault.FORBIDDEN,)),
        # A write whose answer was lost is repeated.
        user("hal", step_faults=(Fault.LOST_AFTER,)),
    ]

    async def go() -> Run:
        async with at_desk(tmp_path, accounts, **BLOCKING, enable=True) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 7, "failed": 1}
    for name in ("ana", "ben", "dan", "eve"):
        assert changes(run.tenant, name) == [DISABLED, APPLIED, REVOKED, ENABLED]
    assert changes(run.tenant, "cid") == [APPLIED, REVOKED]
    assert changes(run.tenant, "fay") == [DISABLED]
    assert changes(run.tenant, "gus") == [APPLIED]
    assert [verdict for verdict, _ in answers(run, Step.DISABLE, "gus")] == ["refused"]
    assert list(dict.fromkeys(changes(run.tenant, "hal"))) == [DISABLED, APPLIED, REVOKED, ENABLED]
    assert {name: run.tenant.accounts[object_id(name)].enabled for name in ("cid", "fay", "hal")} == {
        "cid": False,
        "fay": False,
        "hal": True,
    }
    assert len(trail(run, "request", route="write", step="disable", method="PATCH")) == 8
    assert not run.disagreements()


def test_a_finished_run_is_opened_again_later(tmp_path: Path) -> None:
    """`resume --enable` opens those whom the run blocked and reset, and sends nothing else to anybody."""

    async def go() -> tuple[Run, Run]:
        accounts = [user("ana"), user("ben", enabled=False), user("cid", Fault.REJECTED)]
        async with at_desk(tmp_path, accounts, **BLOCKING) as desk:
            blocked = await desk.run()
            assert not desk.tenant.accounts[object_id("ana")].enabled
            desk.settings = desk.settings.but(enable=True)
            return blocked, await desk.resume(blocked.folder)

    blocked, opened = run_virtual(go())
    assert blocked.counts == opened.counts == {"succeeded": 2, "failed": 1}
    assert changes(opened.tenant, "ana") == [DISABLED, APPLIED, REVOKED, ENABLED]
    assert changes(opened.tenant, "ben") == [APPLIED, REVOKED]
    assert changes(opened.tenant, "cid") == [DISABLED]


def test_a_run_that_blocked_and_stopped_knows_whom_it_blocked(tmp_path: Path) -> None:
    """The next start finds accounts blocked, and takes none of them for one that was blocked before it came."""
    slow = replace(STEADY, latency=Spread(2.0))

    async def go() -> tuple[list[bool], Run]:
        accounts = [user(name) for name in ("ana", "ben", "cid", "dan")]
        async with at_desk(tmp_path, accounts, slow, **BLOCKING, enable=True, workers=4, stop_after="3s") as desk:
            stopped = await desk.run()
            blocked = [not account.enabled for account in list(desk.tenant.accounts.values())[1:]]
            desk.settings = desk.settings.but(stop_after=None)
            return blocked, await desk.resume(stopped.folder)

    blocked, resumed = run_virtual(go())
    assert blocked == [True] * 4
    assert resumed.counts == {"succeeded": 4}
    for name in ("ana", "ben", "cid", "dan"):
        assert changes(resumed.tenant, name) == [DISABLED, APPLIED, REVOKED, ENABLED]
    assert resumed.tenant.requests[Route.RESET, 202] == 4
