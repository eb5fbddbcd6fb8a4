"""What a run learned of a quota is shown while it goes on and in its report, and the next plan predicts from it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchreset.cli.words import end_text, plan_text, plan_values, snapshot_text
from batchreset.engine.resume import prepare
from batchreset.rehearsal.behaviour import Route, Spread
from batchreset.rehearsal.quota import Limit
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.engine.progress import Snapshot

ANSWERING = replace(STEADY, latency=Spread(0.35))
#: Five a second, and hardly anything saved up.
NARROW = replace(ANSWERING, writes=Limit(rate=5.0, depth=10))


def test_a_quota_that_was_met_is_shown_and_the_next_plan_reckons_with_it(tmp_path: Path) -> None:
    """While the run goes on, at its end and in its files; the next one takes as long as its plan said."""
    shown: list[Snapshot] = []

    async def go() -> tuple[Plan, Run, Plan, Plan, Run]:
        async with at_desk(tmp_path, users(60), NARROW) as desk:
            unknown = await desk.plan()
            first = await desk.carry_out(unknown, shown.append)
            known = await desk.plan()
            resumed = await prepare(known.folder, desk.settings, desk.tokens, retry_failed=False)
            return unknown, first, known, resumed, await desk.carry_out(known)

    unknown, first, known, resumed, second = run_virtual(go())
    quota, spent = first.summary.quota, first.summary.time_spent
    assert quota["learned"] == pytest.approx(5.0, rel=0.2)
    # What the tenant counted is of both runs.
    refused = first.tenant.requests[Route.RESET, 429]
    assert (quota["refused"] + second.summary.quota["refused"], quota["sent"] - quota["refused"]) == (refused, 60)
    assert sum(spent.values()) == pytest.approx(first.summary.seconds, rel=0.02)
    assert spent["quota"] > 8 > spent["answers"] + 5
    assert spent["operations"] >= 2

    told = [snapshot_text(snapshot) for snapshot in shown]
    assert not any("quota" in text for text in told[:2])
    assert any(re.search(r"quota \d\.\d/s, refused \d+, .* waiting for quota \d+% of the time", text) for text in told)
    assert f"quota {quota['learned']:.1f}/s, refused {quota['refused']}" in told[-1]
    end = end_text(first.folder, first.summary)
    assert f"Quota:     {quota['learned']:.1f} writes a second; {quota['refused']} of {quota['sent']} writes" in end
    assert "Time:      waiting " in end
    trail = (first.folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    learned = [line["rate"] for line in map(json.loads, trail) if line["event"] == "quota learned"]
    assert 1 <= len(learned) <= 10
    assert learned[-1] == quota["learned"]

    assert "(Graph's documented quota of 20 writes a second would allow more)" in plan_text(unknown)
    because = f"by the {quota['learned']:.1f} writes a second learned here today"
    assert f"s to send, {because}" in plan_text(known)
    assert plan_values(known)["predicted_because"] == because
    assert resumed.duration == known.duration
    took = second.summary.seconds - second.summary.time_spent["operations"]
    assert took == pytest.approx(known.duration.seconds, rel=0.3)


def test_the_time_of_every_start_is_added_up(tmp_path: Path) -> None:
    """A run that was stopped on the way says where the time of both its starts went; --rate is waited for likewise."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, users(60), ANSWERING, rate=2.0, stop_after="10s") as desk:
            part = await desk.run()
            desk.settings = desk.settings.but(stop_after=None)
            return part, await desk.resume(part.folder)

    part, whole = run_virtual(go())
    for run in (part, whole):
        assert sum(run.summary.time_spent.values()) == pytest.approx(run.summary.seconds, rel=0.05)
    assert part.summary.time_spent["quota"] == pytest.approx(10, abs=0.5)
    assert whole.summary.time_spent["quota"] == pytest.approx(30, abs=1.5)
    assert whole.summary.quota == {"learned": None, "sent": 60, "refused": 0, "share": 0.0}


def test_without_a_quota_the_time_goes_to_answers_and_operations(tmp_path: Path) -> None:
    """Few workers wait for answers, and all for an operation that takes a minute; nobody waits for leave."""

    async def go() -> Run:
        slow = replace(STEADY, latency=Spread(2), cloud_operation=Spread(60))
        async with at_desk(tmp_path, users(12), slow, workers=2) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.summary.time_spent["quota"] <= 0.2
    assert run.summary.time_spent["answers"] >= 6 * 2
    assert run.summary.time_spent["operations"] >= 59
    assert "Quota:     not measured; no write refused" in end_text(run.folder, run.summary)
