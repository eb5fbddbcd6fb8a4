"""How fast resets go without a quota, beside a bare aiohttp loop that makes the same calls and stores nothing.

Run it as `python -m tests.benchmarks.speed [RESETS]`; both clients run in turn against one simulated tenant, which is
a process of its own. Figures are printed, never asserted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from batchreset.auth.token import GivenToken
from batchreset.cli.asynchronous import run_async
from batchreset.engine.plan import Inputs, make
from batchreset.engine.runner import Means, carry_out
from batchreset.graph.resets import reset_path
from batchreset.secret import Secret
from batchreset.settings import Settings
from tests.support.tenant_process import tenant_process, upns

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

WORKERS = 32


@dataclass(frozen=True, slots=True)
class Figure:
    """Seconds of wall clock and of CPU that `resets` took in this process."""

    name: str
    resets: int
    seconds: float
    cpu: float

    def __str__(self) -> str:
        pace, cost = self.resets / self.seconds, self.cpu / self.resets * 1000
        return f"{self.name:<18} {self.resets:>7,} resets  {pace:>8,.0f} a second  {cost:>6.2f} ms CPU each"


async def bare(url: str, token: str, resets: int) -> Figure:
    """POST and GET, nothing kept but the body."""
    headers = {"Authorization": f"Bearer {token}"}
    names = iter(upns(resets))
    async with aiohttp.ClientSession(headers=headers) as session:

        async def work() -> None:
            for name in names:
                body = {"newPassword": "correct-Horse-7-battery"}
                async with session.post(f"{url}/v1.0{reset_path(name)}", json=body) as answer:
                    await answer.read()
                    location = answer.headers["Location"]
                async with session.get(location) as answer:
                    assert (await answer.json())["status"] == "succeeded"

        start, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())
    return Figure("bare aiohttp loop", resets, time.perf_counter() - start, time.process_time() - cpu)


async def ours(url: str, token: str, resets: int, folder: Path) -> Figure:
    """Plan and carry out; the clock runs from the first intent to the last move, the report is not counted."""
    os.environ["BATCHRESET_IDENTITY"] = str(folder / "identity.txt")
    os.environ["XDG_STATE_HOME"] = str(folder)
    cohort = folder / "cohort.csv"
    cohort.write_text("userPrincipalName\n" + "\n".join(upns(resets)) + "\n", encoding="utf-8")
    settings = Settings(graph_url=url, out=folder / "reports", workers=WORKERS)
    tokens = GivenToken(Secret(token))
    plan = await make(Inputs([str(cohort)], tokens), settings)
    marks: list[float] = []
    summary = await carry_out(
        plan.folder, settings, Means(tokens, plan.key, lambda _: marks.append(time.process_time()))
    )
    assert summary.counts["succeeded"] == resets, summary.counts
    return Figure("batchreset", resets, summary.seconds, marks[-1] - marks[0])


def measure(resets: int) -> list[Figure]:
    """Measure both clients, each against a fresh tenant."""
    figures = []
    for client in (bare, ours):
        with tenant_process(resets) as (url, token), tempfile.TemporaryDirectory() as folder:
            work: Coroutine[Any, Any, Figure] = (
                bare(url, token, resets) if client is bare else ours(url, token, resets, Path(folder))
            )
            figures.append(run_async(work))
    return figures


def main() -> None:
    """Print the figures and the share."""
    resets = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    loop, tool = measure(resets)
    share = (tool.resets / tool.seconds) / (loop.resets / loop.seconds)
    print(loop)
    print(tool)
    print(f"batchreset keeps {share:.0%} of the bare loop's pace, at {tool.cpu / loop.cpu:.1f} times its CPU per reset")


if __name__ == "__main__":
    main()
