"""Starts that send only a part of a run: by number, or by time."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from batchreset.rehearsal.behaviour import Fault, Route, Spread
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, user, users

if TYPE_CHECKING:
    from pathlib import Path


def test_a_row_within_the_limit_is_carried_through(tmp_path: Path) -> None:
    """A row that is throttled, or answered 503, is sent again although the limit has been reached by then."""

    async def go() -> tuple[Run, Run]:
        accounts = [user("slow", Fault.THROTTLED), user("away", Fault.UNAVAILABLE), *users(4)]
        async with at_desk(tmp_path, accounts, workers=8, limit=2) as desk:
            part = await desk.run()
            desk.settings = desk.settings.but(limit=None)
            return part, await desk.resume(part.folder)

    part, whole = run_virtual(go())
    assert (part.status, part.counts) == (130, {"succeeded": 2, "not_attempted": 4})
    assert part.sends("away") > 1
    assert (whole.status, whole.counts, whole.halted_because) == (0, {"succeeded": 6}, None)


def test_rows_in_doubt_count(tmp_path: Path) -> None:
    """What a killed start left in doubt is sent again first, and is part of the limit."""

    async def go() -> tuple[Run, Run, int]:
        async with at_desk(tmp_path, users(9), replace(STEADY, latency=Spread(30)), workers=6) as desk:
            plan, requests = await desk.plan(), desk.tenant.requests

            def interrupt_twice(_: object) -> None:
                if requests[Route.RESET, 202] == 6:
                    signal.raise_signal(signal.SIGINT)

            begun = await desk.carry_out(plan, interrupt_twice)
            desk.tenant.behaviour, desk.settings = STEADY, desk.settings.but(limit=4)
            return begun, await desk.resume(plan.folder), requests[Route.RESET, 202]

    begun, part, sent = run_virtual(go())
    assert begun.counts == {"unresolved": 6, "not_attempted": 3}
    assert sent - 6 == 4
    assert (part.status, part.counts) == (130, {"succeeded": 4, "unresolved": 2, "not_attempted": 3})
    assert not part.disagreements()


def test_after_its_time_a_run_sends_no_more(tmp_path: Path) -> None:
    """What was sent by then is followed to its end, however long that takes; the next start sends the rest."""

    async def go() -> tuple[Run, Run]:
        slow = replace(STEADY, latency=Spread(2), cloud_operation=Spread(90))
        async with at_desk(tmp_path, users(40), slow, workers=4, stop_after="11s") as desk:
            part = await desk.run()
            desk.settings = desk.settings.but(stop_after="1h")
            return part, await desk.resume(part.folder)

    part, whole = run_virtual(go())
    assert (part.status, part.halted_because) == (130, "stopped by --stop-after 11s")
    assert 20 <= part.counts["succeeded"] <= 24
    assert part.counts == {"succeeded": part.counts["succeeded"], "not_attempted": 40 - part.counts["succeeded"]}
    assert part.summary.seconds > 90
    assert (whole.status, whole.counts, whole.halted_because) == (0, {"succeeded": 40}, None)
    assert {whole.sends(f"user{number:03}") for number in range(40)} == {1}
