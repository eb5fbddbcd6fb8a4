"""What one run learned of a quota, the next one begins with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchreset.rehearsal.behaviour import Spread
from batchreset.rehearsal.quota import Limit
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, users

if TYPE_CHECKING:
    from pathlib import Path

#: Five a second, and hardly anything saved up.
NARROW = replace(STEADY, latency=Spread(0.35), writes=Limit(rate=5.0, depth=10))


def test_the_second_run_is_hardly_refused(tmp_path: Path) -> None:
    """The first has to find out; the second paces itself from the start. What is kept are figures, and no names."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, users(150), NARROW) as desk:
            return await desk.run(), await desk.run()

    first, second = run_virtual(go())
    assert first.counts == second.counts == {"succeeded": 150}
    throttled = [run.summary.recorded()["traffic"]["throttled"] for run in (first, second)]
    assert throttled[0] >= 10
    assert throttled[1] <= throttled[0] / 2
    assert second.summary.seconds <= 1.3 * first.summary.seconds
    (file,) = [path for path in tmp_path.rglob("quotas/*") if path.is_file()]
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told.keys() == {"rate", "allowance", "trust", "at"}
    assert told["rate"] == pytest.approx(5.0, rel=0.2)
    assert file.name.endswith("-reset-password.json")
    assert first.summary.recorded()["tenant"]["id"] not in file.name
