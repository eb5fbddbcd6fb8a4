"""Rows in doubt when a run stops: left to the next start, which asks again who may be touched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.rehearsal.behaviour import Fault, Spread
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Desk, Run, at_desk, object_id, user

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: The first answer is under way when sending stops, and is lost.
SLOW = replace(STEADY, latency=Spread(5.0))


def stopped_and_resumed(out: Path, meanwhile: Callable[[Desk], None]) -> Run:
    """Stop a run whose one row is in flight, and take it up again after what happens `meanwhile`."""

    async def go() -> Run:
        settings: dict[str, Any] = {"directory_lag": "60s", "stop_after": "2s"}
        async with at_desk(out, [user("ana", Fault.LOST_BEFORE)], SLOW, **settings) as desk:
            stopped = await desk.run()
            assert (stopped.status, stopped.sends("ana")) == (130, 1)
            desk.settings = desk.settings.but(stop_after=None)
            meanwhile(desk)
            return await desk.resume(stopped.folder)

    return run_virtual(go())


def protect(desk: Desk) -> None:
    desk.settings = desk.settings.but(protect=(object_id("ana"),))


def promote(desk: Desk) -> None:
    account = desk.tenant.accounts[object_id("ana")]
    account.user = replace(account.user, roles=(GLOBAL_ADMINISTRATOR,))


def test_a_row_in_doubt_when_sending_stops_is_left_to_the_next_start(tmp_path: Path) -> None:
    """It is not given up for an answer that was lost as the time ran out."""
    resumed = stopped_and_resumed(tmp_path, lambda _: None)
    assert (resumed.counts, resumed.sends("ana")) == ({"succeeded": 1}, 2)


@pytest.mark.parametrize("meanwhile", [protect, promote])
def test_a_row_in_doubt_is_screened_again(tmp_path: Path, meanwhile: Callable[[Desk], None]) -> None:
    """Whoever is not to be touched by now is looked for in the directory, and sent nothing more."""
    resumed = stopped_and_resumed(tmp_path, meanwhile)
    assert (resumed.counts, resumed.sends("ana")) == ({"unresolved": 1}, 1)


def test_a_row_held_back_is_not_sent_again_when_its_operation_fails(tmp_path: Path) -> None:
    """An unresolved row whose account is protected by now is settled by its operation's end, and left out."""

    async def go() -> Run:
        slow = replace(STEADY, cloud_operation=Spread(600.0))
        settings: dict[str, Any] = {"deadline": "60s", "directory_lag": "30s"}
        async with at_desk(tmp_path, [user("ana", Fault.OPERATION_FAILS)], slow, **settings) as desk:
            unresolved = await desk.run()
            assert unresolved.counts == {"unresolved": 1}
            desk.settings = desk.settings.but(deadline="1h")
            protect(desk)
            return await desk.resume(unresolved.folder, retry_failed=True)

    run = run_virtual(go())
    assert (run.counts, run.sends("ana")) == ({"excluded": 1}, 1)
    assert run.row("ana")["reason"] == "protected"
