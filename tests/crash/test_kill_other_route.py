"""Processes killed on the route that has no operations: an answer is the whole reset."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchreset.auth.token import GivenToken
from batchreset.engine.passwords import key_needed, opened
from batchreset.engine.plan import Inputs, make
from batchreset.engine.result import reconciled
from batchreset.model import Method
from batchreset.rehearsal.behaviour import Behaviour, Spread
from batchreset.rehearsal.tenant import Tenant, What
from batchreset.secret import Secret
from batchreset.settings import Settings
from batchreset.status import database
from tests.support.desk import users
from tests.support.program import tenant_beside
from tests.support.victim import DEAD, victim

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BEHAVIOUR = Behaviour(latency=Spread(0.05, 0.5))
#: Right before or after so many commits: within the first intents, and around the first answers.
DEATHS = ("before:1", "after:1", "before:2", "after:3", "before:6", "after:9")


def test_a_killed_run_of_the_other_route_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However its processes died, the last one resets everybody, and nobody twice whose answer was on disk."""
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(tmp_path / "identity.txt"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    tenant = Tenant(users(24), BEHAVIOUR)
    cohort = tmp_path / "cohort.csv"
    cohort.write_text("\n".join(["upn", *(each.user_principal_name for each in users(24))]), encoding="utf-8")
    with tenant_beside(tenant) as url:
        settings = Settings(out=tmp_path, graph_url=url, workers=4, method=Method.PASSWORD_PROFILE, directory_lag="1s")
        folder = asyncio.run(make(Inputs([str(cohort)], GivenToken(Secret(tenant.token))), settings)).folder
        for death in DEATHS:
            with victim(folder, tenant.token, "--die", death) as process:
                assert process.wait(60) == DEAD
        with victim(folder, tenant.token) as process:
            assert process.wait(60) == 0
    rows = list(reconciled(folder))
    assert {row["outcome"] for row in rows} == {"succeeded"}
    engine = database.connect(folder)
    passwords = {each.object_id: each for each in opened(engine, key_needed(folder))}
    engine.dispose()
    assert {each.certainty for each in passwords.values()} == {"sure"}
    for row in rows:
        assert passwords[row["object_id"]].password.reveal() == tenant.password_of(row["object_id"])
        received = [event for event in tenant.events_of(row["object_id"]) if event.what is What.RECEIVED]
        assert len(received) <= 1 + len(DEATHS)
        assert int(row["attempts"]) >= len(received)
