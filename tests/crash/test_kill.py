"""Processes that are killed while they work, and what the next one makes of it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from batchreset.auth.token import GivenToken
from batchreset.engine import folder as folders
from batchreset.engine.passwords import key_needed, opened
from batchreset.engine.plan import Inputs, make
from batchreset.engine.result import reconciled
from batchreset.errors import LockedError
from batchreset.rehearsal.behaviour import Behaviour, Route, Spread
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant, What
from batchreset.secret import Secret
from batchreset.settings import Settings
from batchreset.status import database, schema
from batchreset.vault import identity
from tests.support.desk import users
from tests.support.victim import DEAD, victim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: A service that takes its time, so that there is always something under way.
BEHAVIOUR = Behaviour(latency=Spread(0.05, 0.5), cloud_operation=Spread(0.5, 0.5), synchronised_operation=Spread(0.5))
ACCOUNTS = [*users(28), *[each for each in users(32, synchronised=True) if each.display_name > "User027"]]


@contextmanager
def served(tenant: Tenant) -> Iterator[str]:
    """Serve a tenant from a thread of this process, in real time, for other processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    door = serve(tenant)
    try:
        yield asyncio.run_coroutine_threadsafe(door.__aenter__(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(door.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def planned(out: Path) -> Iterator[tuple[Tenant, Path]]:
    """Serve a tenant and plan a reset of all its accounts."""
    tenant = Tenant(ACCOUNTS, BEHAVIOUR)
    cohort = out / "cohort.csv"
    cohort.write_text("\n".join(["upn", *(each.user_principal_name for each in ACCOUNTS)]), encoding="utf-8")
    with served(tenant) as url:
        settings = Settings(out=out, graph_url=url, workers=4, deadline="2s", directory_lag="1s")
        plan = asyncio.run(make(Inputs([str(cohort)], GivenToken(Secret(tenant.token))), settings))
        yield tenant, plan.folder


@pytest.fixture(scope="module", autouse=True)
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCHRESET_IDENTITY", str(tmp_path_factory.mktemp("key") / "identity.txt"))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        identity.make()
        yield


#: How the processes of one run die, one after the other: right before or after so many commits, or killed from outside
#: so many seconds after the tenant received something.
DEATHS = [
    ("before:1", "after:1"),
    ("after:2", "before:3"),
    ("before:4", "after:5"),
    ("after:7", "before:10"),
    ("after:14", "before:20"),
    ("0.1", "0.3"),
    ("0.7",),
]


@pytest.fixture(scope="module")
def stories(_own_key: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, ...], Future[None]]]:
    """Let the runs live and die, some at a time: they spend most of it waiting."""
    with ThreadPoolExecutor(4) as pool:
        yield {deaths: pool.submit(live, tmp_path_factory.mktemp("run"), deaths) for deaths in DEATHS}


@pytest.mark.parametrize("deaths", DEATHS, ids=" then ".join)
def test_a_killed_run_loses_nothing(stories: dict[tuple[str, ...], Future[None]], deaths: tuple[str, ...]) -> None:
    """However its processes died, the next one finishes what was begun, and sends nothing twice that was answered."""
    stories[deaths].result()


def live(out: Path, deaths: tuple[str, ...]) -> None:
    with planned(out) as (tenant, folder):
        for death in deaths:
            die(tenant, folder, death)
        with victim(folder, tenant.token) as process:
            assert process.wait(60) in {0, 3}
        check(tenant, folder)


def die(tenant: Tenant, folder: Path, death: str) -> None:
    if ":" in death:
        with victim(folder, tenant.token, "--die", death) as process:
            assert process.wait(60) == DEAD
        return
    before = received(tenant)
    with victim(folder, tenant.token) as process:
        wait_for(lambda: received(tenant) > before)
        time.sleep(float(death))
        process.kill()


def received(tenant: Tenant) -> int:
    return sum(count for (route, _), count in tenant.requests.items() if route in {Route.RESET, Route.OPERATION})


def wait_for(is_true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def check(tenant: Tenant, folder: Path) -> None:
    """Hold the run's own story against the tenant's."""
    tenant.settle()
    rows = {row["object_id"]: row for row in reconciled(folder)}
    engine = database.connect(folder)
    with engine.connect() as connection:
        query = select(schema.resets.c.object_id, schema.sends).join(schema.sends).order_by(schema.sends.c.intent_at)
        sends = connection.execute(query).all()
    passwords = {each.object_id: each for each in opened(engine, key_needed(folder))}
    engine.dispose()
    assert rows.keys() == {each.id for each in ACCOUNTS}
    for each in ACCOUNTS:
        row, mine = rows[each.id], [send for send in sends if send.object_id == each.id]
        events = tenant.events_of(each.id)
        # Nothing left whose intent was not on disk.
        arrived = [event.client_request_id for event in events if event.what is What.RECEIVED]
        assert set(arrived) <= {send.client_request_id for send in mine}
        # What was answered was not sent again.
        assert {send.verdict for send in mine[:-1]} <= {None, "unsent"}
        if each.synchronised:
            assert len(arrived) <= 1
        else:
            assert row["outcome"] == "succeeded", row
        is_reset = any(event.what is What.APPLIED for event in events)
        assert is_reset or row["outcome"] == "unresolved"
        if row["outcome"] == "succeeded":
            assert passwords[each.id].certainty == "sure"
            assert passwords[each.id].password.reveal() == tenant.password_of(each.id)


def test_a_process_at_work_keeps_others_off(tmp_path: Path) -> None:
    """The refusal names it; once it has been killed, it holds nothing."""
    with planned(tmp_path) as (tenant, folder):
        with victim(folder, tenant.token) as process:
            wait_for(lambda: received(tenant) > 0)
            with pytest.raises(LockedError, match=f"process {process.pid} on "), folders.locked(folder):
                pass
        with folders.locked(folder):
            assert process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_ends_a_process_in_good_order(tmp_path: Path) -> None:
    """Its status says so, its report is there, and the next process finishes the run."""
    with planned(tmp_path) as (tenant, folder):
        with victim(folder, tenant.token) as process:
            wait_for(lambda: received(tenant) > 0)
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(60) == 130
        assert {row["outcome"] for row in reconciled(folder)} >= {"not_attempted"}
        with victim(folder, tenant.token) as process:
            assert process.wait(60) == 0
        check(tenant, folder)
