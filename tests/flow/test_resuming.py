"""Who may take a run up again, and what is taken up."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from batchreset.engine import folder as folders
from batchreset.engine.gates import refuse_unfit
from batchreset.engine.resume import prepare, settings_of
from batchreset.engine.rewrite import write_again
from batchreset.errors import LockedError, RefusedError
from batchreset.model import RunState
from batchreset.rehearsal.behaviour import Fault
from batchreset.settings import Cloud, Settings
from batchreset.status import database, record
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, happened, object_id, remove, upn, user, users
from tests.support.runs import make_run

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.report import Summary


def test_two_processes_keep_off_each_others_run(tmp_path: Path) -> None:
    """The second is refused, and told who holds it; when the first has gone, it may go on."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(2)) as desk:
            plan = await desk.plan()
            with folders.locked(plan.folder):
                with pytest.raises(LockedError, match=f"process {os.getpid()} on "):
                    await desk.carry_out(plan)
                with pytest.raises(LockedError):
                    await desk.resume(plan.folder)
            return await desk.resume(plan.folder)

    assert run_virtual(go()).counts == {"succeeded": 2}


def test_a_rehearsal_is_not_resumed(tmp_path: Path) -> None:
    """Its tenant is gone."""

    async def go() -> None:
        async with at_desk(tmp_path, users(2)) as desk:
            plan = await desk.plan(rehearsal=True)
            with pytest.raises(RefusedError, match="is a rehearsal"):
                settings_of(plan.folder, desk.settings)

    run_virtual(go())


@pytest.mark.parametrize(
    ("changed", "own", "option"),
    [
        ({"graph_url": "https://evil.example"}, {}, "--graph-url https://evil.example"),
        ({"authority": "https://evil.example/t"}, {}, "--authority https://evil.example/t"),
        ({"authority": "https://evil.example/t"}, {"authority": "https://login.example/t"}, "--authority https://evil"),
    ],
)
def test_a_run_folder_does_not_say_who_is_sent_secrets(
    tmp_path: Path, changed: dict[str, str], own: dict[str, str], option: str
) -> None:
    """A record that leads where the user's own settings do not is refused, naming the place and the option."""
    engine = make_run(tmp_path / "run", settings=Settings().but(**changed).recorded(), state=RunState.HALTED)
    engine.dispose()
    with pytest.raises(RefusedError, match=f"run was planned with .* if that place is right, add {option}"):
        settings_of(tmp_path / "run", Settings().but(**own))
    assert settings_of(tmp_path / "run", Settings().but(**changed)) == Settings().but(**changed)


def test_a_clouds_own_hosts_need_no_naming(tmp_path: Path) -> None:
    """They are known, whatever the user's own settings say; and what bounded one start does not bound the next."""
    bounded = Settings(cloud=Cloud.USGOV, limit=3, stop_after="1h")
    for state in (RunState.PLANNED, RunState.INTERRUPTED):
        engine = make_run(tmp_path / state, settings=bounded.recorded(), state=state)
        engine.dispose()
        found = settings_of(tmp_path / state, Settings(graph_url="https://graph.example"))
        assert found.graph_root == "https://graph.microsoft.us"
        assert (found.limit, found.stop_after) == ((3, "1h") if state is RunState.PLANNED else (None, None))


def test_a_run_is_resumed_in_its_own_tenant_only(tmp_path: Path) -> None:
    """The refusal names both tenants, and nothing was sent."""

    async def go() -> None:
        async with at_desk(tmp_path, users(2)) as desk:
            plan = await desk.plan()
            engine = database.connect(plan.folder)
            record.note(engine, tenant=json.dumps({"id": "another-id", "name": "Fabrikam"}))
            engine.dispose()
            with pytest.raises(RefusedError, match=r"planned for Fabrikam .*; you are signed in to Contoso"):
                await desk.resume(plan.folder)
            assert not happened(desk.tenant, "user000")

    run_virtual(go())


def test_a_begun_run_of_strangers_is_refused_too(tmp_path: Path) -> None:
    """Of the accounts that this start looked up; those that were unknown from the beginning do not count."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(10), limit=1) as desk:
            first = await desk.run(*(upn(f"user{number:03}") for number in range(10)), *map(upn, "abcdef"))
            desk.settings = desk.settings.but(limit=None)
            for number in range(5, 9):
                remove(desk.tenant, f"user{number:03}")
            refuse_unfit(await prepare(first.folder, desk.settings, desk.tokens), desk.settings)
            remove(desk.tenant, "user009")
            plan = await prepare(first.folder, desk.settings, desk.tokens)
            gone = r"5 of the 9 accounts that were looked up are not in .*: user005@.*They were there when the run was"
            with pytest.raises(RefusedError, match=gone):
                refuse_unfit(plan, desk.settings)
            refuse_unfit(plan, desk.settings.but(allow_not_found=True))
            return await desk.resume(first.folder)

    run = run_virtual(go())
    assert run.counts == {"succeeded": 5, "excluded": 11}
    assert run.summary.reasons == {"not_found": 11}


def test_a_name_that_became_somebody_elses_resets_nobody_else(tmp_path: Path) -> None:
    """Once planned, a row goes by its object id: whoever has the name now received no write."""

    async def go() -> Run:
        async with at_desk(tmp_path, [user("ana")]) as desk:
            plan = await desk.plan()
            account = desk.tenant.accounts[object_id("ana")]
            account.user = replace(account.user, user_principal_name=upn("ana.former"))
            desk.tenant._admit(replace(user("namesake"), user_principal_name=upn("ana")))
            run = await desk.resume(plan.folder)
            assert not happened(desk.tenant, "namesake")
            return run

    run = run_virtual(go())
    assert run.counts == {"succeeded": 1}
    assert run.rows[0]["object_id"] == object_id("ana")


def test_of_two_runs_of_one_second_the_later_is_the_latest(tmp_path: Path) -> None:
    """Run ids tell seconds; within one, `status` goes by when a run was made, not by how it is called."""
    second = "20261121T175502Z"
    for moment, name in enumerate(("zebra-ffff", "alpha-0000", "middle-7f3a")):
        folder = tmp_path / f"{second}-{name}"
        folder.mkdir()
        (folder / "status.sqlite").touch()
        (folder / "key.age").touch()
        os.utime(folder / "key.age", ns=(moment * 1_000_000, moment * 1_000_000))
    assert [folder.name[17:] for folder in folders.listed(tmp_path)] == ["zebra-ffff", "alpha-0000", "middle-7f3a"]
    assert folders.find(None, tmp_path).name == f"{second}-middle-7f3a"


def test_a_killed_runs_report_says_that_it_was_interrupted(tmp_path: Path) -> None:
    """A run that says `running` while nobody holds its lock is not running."""

    async def go() -> Summary:
        async with at_desk(tmp_path, users(2)) as desk:
            plan = await desk.plan()
            engine = database.connect(plan.folder)
            record.note(engine, state=RunState.RUNNING)
            engine.dispose()
            return write_again(plan.folder)

    assert run_virtual(go()).state is RunState.INTERRUPTED


def test_failed_rows_are_taken_up_again_when_asked_for(tmp_path: Path) -> None:
    """With a new password. Unresolved ones are settled by the directory, and never sent again for that."""

    async def go() -> tuple[Run, Run, Run]:
        accounts = [
            user("fine"),
            user("rejected", Fault.REJECTED),
            user("failed", Fault.OPERATION_FAILS),
            user("late", Fault.OPERATION_NEVER_ENDS),
            user("lost", Fault.LOST_BEFORE, synchronised=True),
        ]
        async with at_desk(tmp_path, accounts, deadline="1m", directory_lag="30s", max_failures="100%") as desk:
            first = await desk.run()
            for account in desk.tenant.accounts.values():
                account.faults = ()
                for operation in account.under_way:
                    operation.ends_at = desk.tenant.now
            unasked = await desk.resume(first.folder)
            return first, unasked, await desk.resume(first.folder, retry_failed=True)

    first, unasked, resumed = run_virtual(go())
    assert first.counts == unasked.counts == {"succeeded": 1, "failed": 2, "unresolved": 2}
    assert resumed.counts == {"succeeded": 4, "unresolved": 1}
    assert resumed.row("lost")["outcome"] == "unresolved"
    assert {name: resumed.sends(name) for name in ("fine", "rejected", "failed", "late", "lost")} == {
        "fine": 1,
        "rejected": 4,
        "failed": 2,
        "late": 1,
        "lost": 1,
    }
    assert not resumed.disagreements()
    assert candidates_of(resumed, "failed") == 2


def candidates_of(run: Run, name: str) -> int:
    engine = database.connect(run.folder)
    query = "SELECT count(*) FROM candidates JOIN resets ON resets.id = reset_id WHERE object_id = :id"
    try:
        with engine.connect() as connection:
            return int(connection.execute(text(query), {"id": object_id(name)}).scalar_one())
    finally:
        engine.dispose()
