"""A password that the service refuses is replaced by a stronger one, where that can do no harm."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.model import PasswordSource, State
from batchreset.rehearsal.behaviour import Fault
from batchreset.status import database, schema
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, object_id, user, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.progress import Snapshot
    from batchreset.rehearsal.population import User

#: A tenant whose policy wants more than the twenty characters of a first try.
STRICT = replace(STEADY, shortest_password=24)


def ran(out: Path, *accounts: User, **settings: Any) -> Run:
    async def go() -> Run:
        async with at_desk(out, accounts, STRICT, **settings) as desk:
            return await desk.run()

    return run_virtual(go())


def fates(folder: Path) -> list[str]:
    engine = database.connect(folder)
    try:
        with engine.connect() as connection:
            return [line.fate for line in connection.execute(schema.candidates.select())]
    finally:
        engine.dispose()


def test_a_stronger_one_is_tried(tmp_path: Path) -> None:
    """By the answer for cloud accounts, by the operation's end for synchronised ones; it alone is handed out."""
    run = ran(tmp_path, user("ana"), user("bo", synchronised=True))
    assert run.counts == {"succeeded": 2}
    assert (run.sends("ana"), run.sends("bo")) == (2, 2)
    assert sorted(fates(run.folder)) == ["in_force", "in_force", "refused", "refused"]
    assert [each.certainty for each in run.passwords] == ["sure", "sure"]
    assert not run.disagreements()


@pytest.mark.parametrize(("fault", "told"), [(Fault.REJECTED, "HTTP 400"), (Fault.OPERATION_REJECTS, "PasswordPolicy")])
@pytest.mark.parametrize("synchronised", [False, True])
def test_twice_at_most(tmp_path: Path, fault: Fault, told: str, *, synchronised: bool) -> None:
    """Then the row has failed for its password, with what the service said, and nothing of it is handed out."""
    run = ran(tmp_path, user("ana", fault, synchronised=synchronised), password_length=24)
    assert (run.counts, run.sends("ana")) == ({"failed": 1}, 3)
    assert run.row("ana")["reason"] == "password_rejected"
    assert told in run.row("ana")["detail"]
    assert "minimum age" not in run.row("ana")["detail"]
    assert not run.passwords
    assert fates(run.folder) == ["refused"] * 3


@pytest.mark.parametrize("fault", [Fault.REJECTED, Fault.OPERATION_REJECTS])
def test_a_young_password_is_left(tmp_path: Path, fault: Fault) -> None:
    """Of a synchronised account: a minimum age would refuse any other too, and the detail says so."""
    yesterday = (datetime.now(UTC) - timedelta(hours=20)).isoformat()
    run = ran(tmp_path, user("ana", fault, synchronised=True, password_changed_at=yesterday), password_length=24)
    assert (run.counts, run.sends("ana")) == ({"failed": 1}, 1)
    assert run.row("ana")["reason"] == "password_rejected"
    assert "minimum age" in run.row("ana")["detail"]


def test_one_in_doubt_is_never_replaced(tmp_path: Path) -> None:
    """The refusal says nothing of the send before it: that password may be in force, and stays."""
    run = ran(tmp_path, user("ana", Fault.LOST_AFTER, Fault.REJECTED), password_length=24)
    assert (run.counts, run.sends("ana")) == ({"succeeded": 1}, 2)
    assert fates(run.folder) == ["in_force"]
    assert not run.disagreements()


def test_a_given_one_is_not_replaced(tmp_path: Path) -> None:
    """Somebody chose it, and nobody would be told of another."""

    async def go() -> Run:
        settings: dict[str, Any] = {"password_source": PasswordSource.COLUMN, "password_column": "new"}
        async with at_desk(tmp_path, [user("ana")], STRICT, **settings) as desk:
            return await desk.run("ana@contoso.example,Fine-quartz-17", header="userPrincipalName,new")

    run = run_virtual(go())
    assert (run.counts, fates(run.folder)) == ({"failed": 1}, ["refused"])
    assert run.row("ana")["reason"] == "password_rejected"


def test_no_limit_holds_a_replacement(tmp_path: Path) -> None:
    """A row within --limit is carried through, also where its operation was refused after the others had ended."""

    async def go() -> Run:
        accounts = [user("ana", synchronised=True), *users(3)]
        async with at_desk(tmp_path, accounts, STRICT, limit=2, workers=1) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert (run.status, run.counts) == (130, {"succeeded": 2, "not_attempted": 2})
    assert run.sends("ana") == 2


def test_a_stop_between_two_tries_loses_nothing(tmp_path: Path) -> None:
    """A row whose password was refused after sending had stopped is ready, and reset by the next start."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, [user("ana", synchronised=True)], STRICT, stop_after="2s") as desk:
            stopped = await desk.run()
            desk.settings = desk.settings.but(stop_after=None, password_length=24)
            return stopped, await desk.resume(stopped.folder)

    stopped, resumed = run_virtual(go())
    assert stopped.counts == {"not_attempted": 1}
    assert resumed.counts == {"succeeded": 1}
    assert fates(resumed.folder) == ["refused", "in_force"]
    assert resumed.tenant.accounts[object_id("ana")].password == resumed.passwords[0].password.reveal()


def test_what_an_earlier_start_sent_is_followed_and_not_replaced(tmp_path: Path) -> None:
    """Its account may be protected by now, and no limit counts it: it fails, and is screened if taken up again."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, [user("ana", synchronised=True)], STRICT) as desk:
            plan = await desk.plan()

            def interrupt_twice(snapshot: Snapshot) -> None:
                if snapshot.counts[State.ACCEPTED] and not snapshot.note:
                    signal.raise_signal(signal.SIGINT)
                    signal.raise_signal(signal.SIGINT)

            stopped = await desk.carry_out(plan, interrupt_twice)
            desk.settings = desk.settings.but(protect=(object_id("ana"),))
            return stopped, await desk.resume(stopped.folder)

    stopped, resumed = run_virtual(go())
    assert (stopped.status, stopped.counts) == (130, {"unresolved": 1})
    assert (resumed.counts, resumed.sends("ana")) == ({"failed": 1}, 1)
    assert resumed.row("ana")["reason"] == "password_rejected"


def test_twice_at_most_however_often_it_is_resumed(tmp_path: Path) -> None:
    """What was refused is counted in the status table."""

    async def go() -> Run:
        account = user("ana", Fault.OPERATION_REJECTS, synchronised=True)
        async with at_desk(tmp_path, [account], STRICT, stop_after="2s") as desk:
            run = await desk.run()
            desk.settings = desk.settings.but(stop_after="2s")
            run = await desk.resume(run.folder)
            desk.settings = desk.settings.but(stop_after=None)
            return await desk.resume(run.folder)

    run = run_virtual(go())
    assert (run.counts, run.sends("ana")) == ({"failed": 1}, 3)


def test_an_account_for_which_none_can_be_made_is_left_out(tmp_path: Path) -> None:
    """It alone: the others are reset."""
    accounts = [*users(3), user("aab", display_name="Aaa Aba Abb Baa Bab Bba Bbb")]
    run = ran(tmp_path, *accounts, password_alphabet="aB1", password_length=200)
    assert run.counts == {"succeeded": 3, "excluded": 1}
    assert run.row("aab")["reason"] == "password_rejected"
    assert "--password-alphabet" in run.row("aab")["detail"]
