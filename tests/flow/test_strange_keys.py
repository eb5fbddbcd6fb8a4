"""What a run sends next is sealed to the key that was agreed to, or not sent."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from batchreset.engine import forgetting
from batchreset.engine.keys import key_at_hand
from batchreset.engine.runner import Means, carry_out
from batchreset.errors import KeyMissingError
from batchreset.rehearsal.behaviour import Fault
from batchreset.status import database, schema
from batchreset.vault.sealing import KEY_FILE, RunKey
from tests.support.clock import run_virtual
from tests.support.desk import at_desk, upn, user

if TYPE_CHECKING:
    from pathlib import Path


def test_a_forgotten_key_is_sealed_to_no_more(tmp_path: Path) -> None:
    """Failed rows of such a run are not taken up: nobody could ever open their new passwords."""

    async def go() -> tuple[str, int]:
        async with at_desk(tmp_path, [user("ana"), user("bo", Fault.REJECTED)], max_failures="100%") as desk:
            run = await desk.run()
            forgetting.forget(run.folder)
            with pytest.raises(KeyMissingError) as refused:
                await desk.resume(run.folder, retry_failed=True)
            return str(refused.value), run.sends("bo")

    said, sends = run_virtual(go())
    assert "its key was forgotten" in said
    assert "Nothing was sent" in said
    assert sends == 3


def test_a_key_forgotten_before_the_answer_was_yes(tmp_path: Path) -> None:
    """A plan whose key went while somebody was being asked is not carried out."""

    async def go() -> int:
        async with at_desk(tmp_path, [user("ana")]) as desk:
            plan = await desk.plan()
            forgetting.forget(plan.folder, anyway=True)
            with pytest.raises(KeyMissingError, match="its key was forgotten"):
                await desk.carry_out(plan)
            return desk.tenant.requests.total()

    run_virtual(go())


def test_the_key_of_another_run(tmp_path: Path) -> None:
    """One that was put back in the wrong folder is told from the right one before anything is sent."""

    async def go() -> None:
        async with at_desk(tmp_path, [user("ana"), user("bo")]) as desk:
            mine, other = await desk.plan(upn("ana")), await desk.plan(upn("bo"))
            shutil.copy(other.folder / KEY_FILE, mine.folder / KEY_FILE)
            with pytest.raises(KeyMissingError, match="is not the key that this run's passwords are sealed to"):
                await carry_out(mine.folder, desk.settings, Means(desk.tokens, key_at_hand(mine.folder)))
            assert not desk.tenant.events_of(desk.tenant.find(upn("ana")).user.id)  # type: ignore[union-attr]

    run_virtual(go())


def test_whoever_writes_to_the_table_does_not_say_who_opens(tmp_path: Path) -> None:
    """Another recipient in the status table than that of the key at hand is refused."""

    async def go() -> None:
        async with at_desk(tmp_path, [user("ana")]) as desk:
            plan = await desk.plan()
            engine = database.connect(plan.folder)
            with engine.begin() as connection:
                connection.execute(schema.run.update().values(recipient=RunKey.generate().recipient))
            engine.dispose()
            with pytest.raises(KeyMissingError):
                await desk.carry_out(plan)

    run_virtual(go())
