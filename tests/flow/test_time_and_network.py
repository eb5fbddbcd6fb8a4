"""Clocks that jump, machines that sleep, networks that drop, and services that ask for odd waits."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from batchreset import clock
from batchreset.engine import progress
from batchreset.rehearsal.behaviour import Behaviour, Fault, Outage, Spread
from batchreset.rehearsal.quota import Limit, RetryAfter
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Desk, Run, at_desk, user, users

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchreset.engine.progress import Snapshot
    from batchreset.rehearsal.population import User
    from tests.support.clock import VirtualLoop

HOUR = 3600.0
#: A request takes two seconds, so that many are under way at any moment.
BUSY = replace(STEADY, latency=Spread(2), directory_lag=5)


def everybody() -> list[User]:
    """Accounts of both kinds, with rows among them that are in doubt, and some that only the directory can settle.

    The synchronised ones come first: what is lost of theirs before it was taken is for people to settle. Each is of
    another domain, so that it waits for nobody to show that writeback works.
    """
    return [
        *(user(f"synced{number}", synchronised=True, on_premises_domain=f"d{number}") for number in range(3)),
        *(
            user(f"synced-lost{number}", Fault.LOST_AFTER, synchronised=True, on_premises_domain=f"lost{number}")
            for number in range(2)
        ),
        *users(10),
        *(user(f"unnamed{number}", Fault.NO_LOCATION) for number in range(2)),
        *(user(f"lost{number}", Fault.LOST_AFTER) for number in range(2)),
    ]


def carried_out(
    out: Path, accounts: list[User], behaviour: Behaviour, meanwhile: Callable[[Desk, Snapshot], None], **settings: Any
) -> Run:
    """Carry a run out; `meanwhile` is called as it goes on."""

    async def go() -> Run:
        async with at_desk(out, accounts, behaviour, workers=4, **settings) as desk:
            return await desk.carry_out(await desk.plan(), lambda told: meanwhile(desk, told))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "_TICK", 30.0 if meanwhile is nothing else 1.0)  # an hour has many ticks of a live view
        return run_virtual(go())


def nothing(_desk: Desk, _told: Snapshot) -> None:
    """Let it go on."""


def once(happen: Callable[[Desk], None], *, done: int = 8) -> Callable[[Desk, Snapshot], None]:
    """Let something happen when so many rows have ended."""
    due = [happen]

    def meanwhile(desk: Desk, told: Snapshot) -> None:
        if told.done >= done and due:
            due.pop()(desk)

    return meanwhile


def sleep_counted(_desk: Desk) -> None:
    """Sleep an hour on a machine whose monotonic clock goes on (Windows)."""
    cast("VirtualLoop", asyncio.get_running_loop())._selector_with_clock.now += HOUR


def sleep_not_counted(desk: Desk) -> None:
    """Sleep an hour on a machine whose monotonic clock stands still meanwhile (Linux, macOS): the world goes on."""
    before = desk.tenant.clock
    desk.tenant.clock = lambda: before() + HOUR


@pytest.mark.parametrize("asleep", [sleep_counted, sleep_not_counted])
def test_an_hour_asleep_costs_nobody(tmp_path: Path, asleep: Callable[[Desk], None]) -> None:
    """Requests and operations were under way, and a whole deadline passes in a moment: all is settled after it."""
    run = carried_out(tmp_path, everybody(), BUSY, once(asleep))
    assert run.counts == {"succeeded": 19}, [row["detail"] for row in run.rows if row["outcome"] != "succeeded"]
    assert not run.disagreements()


def lose_network(desk: Desk, seconds: float = 600.0) -> None:
    """Let nobody reach the service for so long."""
    now = desk.tenant.now
    desk.tenant.behaviour = replace(desk.tenant.behaviour, outages=(Outage(start=now, end=now + seconds),))


def test_a_network_that_is_not_back_after_the_sleep_costs_nobody(tmp_path: Path) -> None:
    """The VPN takes ten minutes to come up again; by then every deadline is over."""

    def happen(desk: Desk) -> None:
        lose_network(desk, HOUR + 600)
        sleep_counted(desk)

    run = carried_out(tmp_path, everybody(), BUSY, once(happen))
    assert run.counts == {"succeeded": 19}, [row["detail"] for row in run.rows if row["outcome"] != "succeeded"]
    assert not run.disagreements()


def test_ten_minutes_without_a_network_cost_nobody(tmp_path: Path) -> None:
    """Neither who was being sent, nor who was followed, nor who was in doubt; and the run goes on by itself."""
    run = carried_out(tmp_path, everybody(), BUSY, once(lose_network))
    assert run.counts == {"succeeded": 19}, [row["detail"] for row in run.rows if row["outcome"] != "succeeded"]
    assert run.halted_because is None
    assert 600 < run.summary.seconds < 900
    assert not run.disagreements()


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(hours=-30)], ids=["forwards", "backwards"])
def test_a_wall_clock_that_jumps_changes_no_wait(
    tmp_path: Path, jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quota whose Retry-After is a date, operations and directory alike: seconds are told by no calendar."""
    shift = [timedelta()]
    real = time.time_ns

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # it is a datetime
            return datetime.now(tz) + shift[0]

    monkeypatch.setattr(clock, "datetime", Shifted)
    monkeypatch.setattr(time, "time_ns", lambda: real() + int(shift[0].total_seconds() * 1e9))
    behaviour = replace(BUSY, writes=Limit(rate=1, depth=6, retry_after=RetryAfter.DATE))
    run = carried_out(tmp_path, everybody(), behaviour, once(lambda _: shift.__setitem__(0, jump)))
    assert run.counts == {"succeeded": 19}
    assert run.summary.traffic["throttled"] > 0
    assert 10 < run.summary.seconds < 400
    assert not run.disagreements()


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(HOUR, HOUR, 1.2 * HOUR), (31_536_000, HOUR, 1.2 * HOUR), (-1, 0, 300), (math.nan, 0, 300)],
)
def test_an_odd_retry_after_is_bounded_and_named(
    tmp_path: Path, asked: float, least: float, most: float, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour is an hour; a year is one too, and what is nonsense is as good as nothing. The log names these."""
    behaviour = replace(STEADY, writes=Limit(rate=2, depth=6, retry_after=float(asked)))
    with caplog.at_level(logging.WARNING, "batchreset.run"):
        run = carried_out(tmp_path, users(8), behaviour, nothing)
    assert run.counts == {"succeeded": 8}
    assert {row["attempts"] for row in run.rows} == {"1"}
    assert least <= run.summary.seconds <= most
    told = {getattr(record, "fields", {}).get("told") for record in caplog.records}
    assert (f"{asked:g}" in told) == (asked != HOUR)
