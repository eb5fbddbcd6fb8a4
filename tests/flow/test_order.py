"""In which order a run's accounts are sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.errors import CohortError
from batchreset.rehearsal.behaviour import Route
from batchreset.rehearsal.population import HELPDESK_ADMINISTRATOR
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, at_desk, sent_in_order, upn, user, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.rehearsal.tenant import Tenant


def test_privileged_accounts_go_first_and_waves_keep_the_order(tmp_path: Path) -> None:
    """With a column, too, by its header in whatever case: it orders them among themselves, blanks last."""
    boss = (HELPDESK_ADMINISTRATOR,)
    accounts = [user("b"), user("a"), user("c"), user("zboss", roles=boss), user("aboss", roles=boss)]
    waves = {"b": "10", "a": "9", "c": "", "zboss": "9.5", "aboss": "10"}

    async def go() -> list[str]:
        behaviour = replace(STEADY, may_reset_privileged=True)
        more: dict[str, Any] = {"include_privileged": True, "order_by": "wave", "workers": 1, "limit": 3}
        async with at_desk(tmp_path, accounts, behaviour, **more) as desk:
            lines = [f"{upn(name)},{wave}" for name, wave in waves.items()]
            part = await desk.run(*lines, header="userPrincipalName,Wave")
            assert (part.status, part.counts) == (130, {"succeeded": 3, "not_attempted": 2})
            desk.settings = desk.settings.but(limit=None)
            await desk.resume(part.folder)
            return [name for _, name in sent_in_order(desk.tenant)]

    assert run_virtual(go()) == ["zboss", "aboss", "a", "b", "c"]


def test_a_column_that_is_not_there_is_refused_before_anybody_is_looked_up(tmp_path: Path) -> None:
    """In a sentence that names those that are."""

    async def go() -> Tenant:
        async with at_desk(tmp_path, users(2), order_by="department") as desk:
            with pytest.raises(CohortError, match=r"--order-by department: .* it has: userPrincipalName, Team, Site"):
                await desk.plan(f"{upn('user000')},x,y", header="userPrincipalName,Team,Site")
            return desk.tenant

    tenant = run_virtual(go())
    assert not any(route in {Route.USERS, Route.BATCH, Route.ROLES} for route, _ in tenant.requests)
