"""Processes that are killed while they work, and what the next one makes of it."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchreset.engine import folder as folders
from batchreset.engine.result import INTERRUPTED, reconciled
from batchreset.errors import LockedError
from batchreset.model import State
from batchreset.rehearsal.behaviour import Spread
from batchreset.status import database, rows
from batchreset.vault import identity
from tests.support.crashes import (
    BEHAVIOUR,
    Story,
    Told,
    at_random,
    faults_of,
    finish,
    live,
    planned,
    story_of,
    tenant_beside,
)
from tests.support.desk import users
from tests.support.program import posix_only, wait_until
from tests.support.victim import Life, ended, victim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from tests.support.crashes import Beside, Record

#: The moments at which a process has its first rows under way are 5 to 20: an intent, a send, an answer, an end.
STORIES = (
    story_of("answers", "with-key", (2, 5, 6, 12)),
    story_of("intents", "with-key", (4, 4, 4)),
    story_of("without-key", "keyless", (5, 6, 13)),
    story_of("service-made", "system", (6, 5)),
    story_of("other-route", "profile", (5, 6, 3)),
    *at_random(1, kills=2),
)


@pytest.fixture(scope="module", autouse=True)
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCHRESET_IDENTITY", str(tmp_path_factory.mktemp("key") / "identity.txt"))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        identity.make()
        yield


@pytest.fixture(scope="module")
def stories(_own_key: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Told], Record]:
    """Let the runs live and die, some at a time: they spend much of it waiting."""
    out = tmp_path_factory.mktemp("runs")
    accounts = [account for story in STORIES for account in story.accounts]
    with tenant_beside(accounts) as beside, ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda story: live(story, out / story.name, beside), STORIES))
        return {each.story.name: each for each in told}, beside.remember()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_killed_run_loses_nothing(stories: tuple[dict[str, Told], Record], story: Story) -> None:
    """All is reset that can be, nothing is sent twice that was answered, and what opens is the password in force."""
    told, record = stories
    assert told[story.name].deaths.total() == len(story.deaths)
    assert not faults_of(told[story.name], record)


#: A service that takes its time, so that there is something under way when a process is met.
SLOWLY = Story("slowly", tuple(users(12)), (), settings={"workers": 2})
UNHURRIED = replace(BEHAVIOUR, latency=Spread(0.1), cloud_operation=Spread(0.3))


@contextmanager
def at_work(out: Path) -> Iterator[tuple[BaseProcess, Path, Beside]]:
    """Have a process at work on a run, which has sent something."""
    with tenant_beside(SLOWLY.accounts, UNHURRIED) as beside:
        folder = asyncio.run(planned(SLOWLY, out / "run", beside))
        with victim(Life(folder, beside.token)) as process:
            wait_until(lambda: counts(folder)[State.READY] < len(SLOWLY.accounts))
            yield process, folder, beside


def counts(folder: Path) -> dict[State, int]:
    engine = database.connect(folder)
    try:
        return rows.counts(engine)
    finally:
        engine.dispose()


def test_a_process_at_work_keeps_others_off(tmp_path: Path) -> None:
    """The refusal names it; once it has been killed, it holds nothing."""
    with at_work(tmp_path) as (process, folder, _):
        with pytest.raises(LockedError, match=f"process {process.pid} on "), folders.locked(folder):
            pass
        process.kill()
        assert ended(process, 60)
        with folders.locked(folder):
            pass


@posix_only
def test_ctrl_c_ends_a_process_in_good_order(tmp_path: Path) -> None:
    """Its status says so, its report is there, and the next process finishes the run."""
    with at_work(tmp_path) as (process, folder, beside):
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        assert ended(process, 60) == INTERRUPTED
        assert {row["outcome"] for row in reconciled(folder)} >= {"not_attempted"}
        told = finish(SLOWLY, folder, beside)
        assert not faults_of(told, beside.remember())
