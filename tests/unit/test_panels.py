"""Where a run stands, as a terminal shows it."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.console import Console

from batchreset.cli.panels import view_of
from batchreset.engine.glance import looking
from tests.support import runs

if TYPE_CHECKING:
    from pathlib import Path


def test_only_all_is_100_per_cent(tmp_path: Path) -> None:
    """One in thousands is seen in the figures too."""
    runs.make_run(tmp_path, [*[{}] * 2_500, {"state": "failed", "reason": "forbidden"}]).dispose()
    console = Console(file=io.StringIO(), width=100)
    with looking(tmp_path, in_detail=True) as look, console.capture() as shown:
        console.print(view_of(look(), console))
    assert re.search(r"2,500 succeeded +99\.9%\n. +1 failed +0\.1%", shown.get())
