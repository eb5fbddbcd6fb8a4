"""--discard-passwords: nobody is to know the new passwords, and nothing is kept that could tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchreset.model import PasswordSource
from batchreset.rehearsal.behaviour import Fault
from batchreset.status import database, schema
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, user

if TYPE_CHECKING:
    from pathlib import Path


def sealed(folder: Path) -> set[bytes | None]:
    engine = database.connect(folder)
    try:
        with engine.connect() as connection:
            return {line.sealed for line in connection.execute(schema.candidates.select())}
    finally:
        engine.dispose()


@pytest.mark.parametrize("source", [PasswordSource.GENERATED, PasswordSource.SYSTEM])
def test_nothing_is_kept(tmp_path: Path, source: PasswordSource) -> None:
    """Every account is reset, whatever becomes of answers; there is no key, no identity and no sealed password."""

    async def go() -> Run:
        accounts = [user("ana"), user("lost", Fault.LOST_BEFORE), user("taken", Fault.LOST_AFTER)]
        async with at_desk(tmp_path, accounts, discard_passwords=True, password_source=source) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert (run.status, run.counts) == (0, {"succeeded": 3})
    assert sealed(run.folder) == {None}
    assert not {"key.age", "identity.txt"} & {path.name for path in tmp_path.rglob("*")}
    assert run.summary.passwords_kept is False
    assert not run.row("taken")["detail"]
    assert {"ana": 1, "lost": 2}.items() <= {name: run.sends(name) for name in ("ana", "lost", "taken")}.items()
