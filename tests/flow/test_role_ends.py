"""Roles that end in mid-run, and rows that were never theirs to reset."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.model import Method
from batchreset.rehearsal.behaviour import Behaviour, Fault, Route, Spread
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR
from batchreset.rehearsal.tenant import Tenant, What
from batchreset.rehearsal.tokens import Grant
from batchreset.secret import Secret
from batchreset.settings import Auth
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Desk, Run, at_desk, happened, user, users

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchreset.engine.progress import Snapshot

SLOW = replace(STEADY, latency=Spread(2.0))
#: Tokens of a person and of an application, by the route that is theirs.
ROUTES = [Method.RESET_PASSWORD, Method.PASSWORD_PROFILE]


class Renewable:
    """A sign-in that gives another token whenever it is asked for one, and counts them."""

    is_renewable = True

    def __init__(self, tenant: Tenant, first: Grant, following: Grant) -> None:
        self.number = 0
        self._tenant = tenant
        self._following = following
        tenant.tokens.admit("token-0", first)

    async def token(self) -> Secret:
        return Secret(f"token-{self.number}")

    async def refresh(self) -> bool:
        return await self.renew(await self.token(), None)

    async def renew(self, rejected: Secret, claims: str | None) -> bool:  # noqa: ARG002  no challenge here
        if rejected == await self.token():
            self.number += 1
            self._tenant.tokens.admit(f"token-{self.number}", self._following)
        return True


def after(done: int, act: Callable[[], None]) -> Callable[[Snapshot], None]:
    """Make a progress callback that acts once, when so many rows are done."""
    waiting = [act]

    def tell(told: Snapshot) -> None:
        if told.done >= done and waiting:
            waiting.pop()()

    return tell


def lost_and_activated(
    out: Path, method: Method, behaviour: Behaviour, accounts: list[Any], **settings: Any
) -> tuple[Run, Run]:
    """Let the role end in mid-run, activate it again, and resume."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(out, accounts, behaviour, workers=4, auth=Auth.TOKEN, **settings) as desk:
            if method is Method.PASSWORD_PROFILE:
                desk.be_an_application()
            halted = await desk.carry_out(await desk.plan(), after(4, desk.tenant.end_role))
            desk.tenant.activate_role()
            return halted, await desk.resume(halted.folder)

    return run_virtual(go())


#: How the end of the role is found out: by an operation that cannot be read any more, by the roles themselves, or
#: for want of anything that speaks for it.
WAYS = [
    (Method.RESET_PASSWORD, frozenset[Route]()),
    (Method.RESET_PASSWORD, frozenset({Route.OPERATION})),
    (Method.RESET_PASSWORD, frozenset({Route.OWN_ROLES})),
    (Method.RESET_PASSWORD, frozenset({Route.OWN_ROLES, Route.OPERATION})),
    (Method.PASSWORD_PROFILE, frozenset[Route]()),
]


@pytest.mark.parametrize(("method", "closed"), WAYS)
def test_a_role_that_ends_halts_the_run(tmp_path: Path, method: Method, closed: frozenset[Route]) -> None:
    """Exit 4, nobody is `forbidden`, every row refused is ready again; activated and resumed, all are reset once."""
    behaviour = replace(SLOW, forbidden=closed)
    halted, resumed = lost_and_activated(tmp_path, method, behaviour, users(40), directory_lag="1m")
    assert halted.status == 4
    assert halted.halted_because is not None
    assert "may have expired (HTTP 403 Authorization_RequestDenied" in halted.halted_because
    assert "activate it, then `batchreset resume`" in halted.halted_because
    assert halted.counts.keys() == {"succeeded", "not_attempted"}
    assert halted.counts["succeeded"] >= 4
    assert (resumed.counts, resumed.status) == ({"succeeded": 40}, 0)
    for row in resumed.rows:
        name = row["user"].partition("@")[0]
        assert happened(resumed.tenant, name).count(What.APPLIED) == 1
    assert {each.certainty for each in resumed.passwords} == {"sure"}
    assert not resumed.disagreements()


def test_one_incident_is_looked_into_once(tmp_path: Path) -> None:
    """Several workers are refused; one finds out, for which an operation and the roles are read once more."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(80), SLOW, workers=16, auth=Auth.TOKEN) as desk:
            return await desk.carry_out(await desk.plan(), after(4, desk.tenant.end_role))

    run = run_virtual(go())
    assert run.status == 4
    assert run.tenant.requests[Route.RESET, 403] > 1
    assert run.tenant.requests[Route.OWN_ROLES, 200] == 2


def test_looks_that_are_refused_make_no_row_wrong(tmp_path: Path) -> None:
    """Operations under way when the role ended cannot be read; the directory says what became of them."""
    behaviour = replace(SLOW, cloud_operation=Spread(20))
    halted, resumed = lost_and_activated(tmp_path, Method.RESET_PASSWORD, behaviour, users(90), directory_lag="1m")
    assert halted.counts.keys() == {"succeeded", "not_attempted"}
    assert any(row["verified_at"] for row in halted.rows)
    assert [row for row in resumed.rows if row["outcome"] != "succeeded"] == []
    assert not resumed.disagreements()


@pytest.mark.parametrize("method", ROUTES)
def test_a_row_that_was_never_ours_fails_in_a_healthy_run(tmp_path: Path, method: Method) -> None:
    """Privileged accounts among ordinary ones are `forbidden`, everybody else is reset, and it costs little."""
    accounts = [
        *users(10),
        *(user(f"admin{number}", roles=(GLOBAL_ADMINISTRATOR,)) for number in range(3)),
        user("zoe"),
    ]

    async def go() -> Run:
        async with at_desk(
            tmp_path, accounts, SLOW, workers=2, auth=Auth.TOKEN, include_privileged=True, max_failures="100%"
        ) as desk:
            if method is Method.PASSWORD_PROFILE:
                desk.be_an_application()
            return await desk.run()

    run = run_virtual(go())
    assert (run.counts, run.status) == ({"succeeded": 11, "failed": 3}, 3)
    assert {row["reason"] for row in run.rows if row["outcome"] == "failed"} == {"forbidden"}
    assert {run.sends(f"admin{number}") for number in range(3)} == {1}
    held = run.tenant.requests[Route.OWN_ROLES, 200] + run.tenant.requests[Route.ROLES, 200]
    assert held <= 1 + 1 + 3  # who is privileged, the roles at the start, and once for each refusal


def test_what_cannot_be_told_puts_a_row_off_but_not_for_ever(tmp_path: Path) -> None:
    """Where nothing speaks for the role the run halts; in the next start nothing came before, so the row fails."""

    async def go() -> tuple[Run, Run]:
        accounts = [*users(3), user("viktor", roles=(GLOBAL_ADMINISTRATOR,)), user("zoe")]
        async with at_desk(
            tmp_path, accounts, SLOW, workers=1, auth=Auth.TOKEN, include_privileged=True, allow_unchecked=True
        ) as desk:
            desk.be_an_application("User.Read.All", "User-PasswordProfile.ReadWrite.All", "Organization.Read.All")
            halted = await desk.run()
            return halted, await desk.resume(halted.folder)

    halted, resumed = run_virtual(go())
    assert (halted.counts, halted.status) == ({"succeeded": 3, "not_attempted": 2}, 4)
    assert (resumed.counts, resumed.status) == ({"succeeded": 4, "failed": 1}, 3)
    assert resumed.row("viktor")["reason"] == "forbidden"


def test_without_an_earlier_success_a_refusal_is_the_rows_own(tmp_path: Path) -> None:
    """Whoever never could do it has lost nothing: every row says so, and five in a row halt nothing here."""

    async def go() -> Run:
        behaviour = replace(STEADY, role_ends_at=0.0)
        async with at_desk(tmp_path, users(5), behaviour, auth=Auth.TOKEN, max_failures="100%") as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"failed": 5}
    assert {row["reason"] for row in run.rows} == {"forbidden"}


def renewing(out: Path, following: Grant, accounts: list[Any], **settings: Any) -> tuple[Run, Renewable]:
    """Have the first token lose its permission in mid-run; what is had instead is `following`."""

    async def go() -> tuple[Run, Renewable]:
        async with at_desk(out, accounts, SLOW, auth=Auth.TOKEN, **settings) as desk:
            tokens = Renewable(desk.tenant, Grant(), following)
            desk.tokens = tokens

            def weaken() -> None:
                desk.tenant.tokens.admit("token-0", Grant(permissions=frozenset({"User.Read.All"})))

            return await desk.carry_out(await desk.plan(), after(4, weaken)), tokens

    return run_virtual(go())


def test_another_token_is_tried_before_anything_is_concluded(tmp_path: Path) -> None:
    """A role that was activated anew is in new tokens only: one renewal for all workers, and nobody has failed."""
    run, tokens = renewing(tmp_path, Grant(), users(60), workers=8)
    assert (run.counts, run.status) == ({"succeeded": 60}, 0)
    assert tokens.number == 1
    assert not run.disagreements()


def test_a_sign_in_is_renewed_once_a_minute_at_most(tmp_path: Path) -> None:
    """However many accounts are refused for their own sake: each is sent once, or twice where the token was renewed."""
    accounts = [user(f"u{number}", restricted=bool(number % 2)) for number in range(40)]
    run, tokens = renewing(
        tmp_path, Grant(), accounts, workers=1, rate=0.5, include_restricted=True, max_failures="100%"
    )
    assert run.counts == {"succeeded": 20, "failed": 20}
    assert 1 <= tokens.number <= 1 + run.summary.seconds / 60
    assert sum(run.sends(f"u{number}") for number in range(40)) <= 40 + tokens.number + 1


def test_rows_in_doubt_stay_so_when_the_role_ends(tmp_path: Path) -> None:
    """What is refused after a doubt proves nothing of the earlier send: the directory says what became of that."""

    async def go() -> tuple[Run, Run]:
        accounts = [*users(4), user("lost", Fault.LOST_AFTER)]
        async with at_desk(tmp_path, accounts, workers=1, auth=Auth.TOKEN, rate=0.1) as desk:
            desk.be_an_application()
            plan = await desk.plan()
            halted = await desk.carry_out(plan, lambda _: _end_role_once_received(desk, "lost"))
            desk.tenant.activate_role()
            return halted, await desk.resume(halted.folder)

    halted, resumed = run_virtual(go())
    assert halted.status == 4
    assert (halted.row("lost")["outcome"], halted.row("lost")["verified_at"] != "") == ("succeeded", True)
    assert resumed.counts == {"succeeded": 5}
    assert not resumed.disagreements()


def _end_role_once_received(desk: Desk, name: str) -> None:
    if What.RECEIVED in happened(desk.tenant, name):
        desk.tenant.end_role()
