"""Kill processes at every moment of a run, and see what becomes of the run: `python -m tests.benchmarks.crash [KILLS]`.

A run's processes die before and after each commit, after each send and after each answer, in turn over all of them,
with the private key at hand and without, by both routes and with passwords made by the service; and larger runs under a
faulty tenant are killed at any time. When each has come to its end, its status table, report and opened passwords are
held against the tenant's own record. The status is 1 where anything disagrees.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from batchreset.vault import identity
from tests.support.crashes import at_random, faults_of, in_turn, live, tenant_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.crashes import Story

KILLS = 300
#: Some processes have done all there was to do before their moment comes.
_SPARE = 1.2
#: Of four kills, three are at a moment in its turn, one is at any time.
_AT_RANDOM, _KILLS_EACH = 0.25, 8
_AT_ONCE = 3


def _stories(kills: int, seed: int) -> Iterator[Story]:
    planned = 0
    for story in in_turn(seed):
        if planned >= kills * _SPARE * (1 - _AT_RANDOM):
            break
        planned += len(story.deaths)
        yield story
    yield from at_random(max(1, round(kills * _SPARE * _AT_RANDOM / _KILLS_EACH)), _KILLS_EACH, seed)


def _main() -> int:
    parser = argparse.ArgumentParser(prog="crash")
    parser.add_argument("kills", nargs="?", type=int, default=KILLS, help=f"about how many (default: {KILLS})")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    stories, start = list(_stories(chosen.kills, chosen.seed)), time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        os.environ |= {"BATCHRESET_IDENTITY": f"{out}/identity.txt", "XDG_STATE_HOME": f"{out}/state"}
        identity.make()
        accounts = [account for story in stories for account in story.accounts]
        with tenant_beside(accounts) as beside, ThreadPoolExecutor(_AT_ONCE) as pool:
            told = list(pool.map(lambda story: live(story, Path(out) / story.name, beside), stories))
            record = beside.remember()
    found = [fault for each in told for fault in faults_of(each, record)]
    deaths = sum((each.deaths for each in told), Counter[str]())
    outcomes = Counter(row["outcome"] for each in told for row in each.rows)
    print(f"{deaths.total()} kills in {len(told)} runs, {time.perf_counter() - start:.0f} s")
    for counted in (deaths, outcomes):
        print("  " + ", ".join(f"{count} {name}" for name, count in counted.most_common()))
    print("\n".join(found) or "nothing disagrees with the tenant's record")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(_main())
