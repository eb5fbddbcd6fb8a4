"""A sign-in that cannot be renewed just now, and refusals that are a row's own: neither may be taken for the other."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.auth.msal_tokens import MsalTokens
from batchreset.errors import RefusedError, SignInError
from batchreset.model import Method
from batchreset.rehearsal.behaviour import Fault, Outage, Route, Spread
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR, User
from batchreset.rehearsal.tenant import Tenant, What
from batchreset.rehearsal.tokens import Grant
from batchreset.secret import Secret
from batchreset.settings import Auth
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Desk, Run, app_token, at_desk, happened, user, users
from tests.support.program import posix_only

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from batchreset.engine.progress import Snapshot

SLOW = replace(STEADY, latency=Spread(2.0))


def one_forbidden(before: int = 6, after: int = 6) -> list[User]:
    """Make ordinary accounts around one that nobody here may reset."""
    later = [user(f"z{number:03}") for number in range(after)]
    return [*users(before), user("viktor", roles=(GLOBAL_ADMINISTRATOR,)), *later]


def carried_out(out: Path, accounts: list[User], act: Callable[[Desk], Awaitable[Run]], **settings: Any) -> Run:
    async def go() -> Run:
        chosen = {"behaviour": SLOW, "workers": 2, "auth": Auth.TOKEN, "include_privileged": True, **settings}
        async with at_desk(out, accounts, **chosen) as desk:
            return await act(desk)

    return run_virtual(go())


class Renewable:
    """Gives another token whenever it is asked for one, which takes a while, once for all who ask."""

    is_renewable = True

    def __init__(self, tenant: Tenant, takes: float = 0.0) -> None:
        self.number = 0
        self._tenant = tenant
        self._takes = takes
        self._turn = asyncio.Lock()
        tenant.tokens.admit("token-0", Grant())

    async def token(self) -> Secret:
        return Secret(f"token-{self.number}")

    async def renew(self, rejected: Secret, claims: str | None) -> bool:  # noqa: ARG002  no challenge here
        async with self._turn:
            if rejected.reveal() == f"token-{self.number}":
                await asyncio.sleep(self._takes)
                self.number += 1
                self._tenant.tokens.admit(f"token-{self.number}", Grant())
        return True

    async def refresh(self) -> bool:
        return await self.renew(await self.token(), None)


def test_one_refused_row_costs_a_managed_identity_nothing(tmp_path: Path) -> None:
    """The machine gives the same token for hours: it stays good when no other can be had, and the run goes on."""
    token = app_token(86_000)

    async def act(desk: Desk) -> Run:
        desk.be_an_application()
        desk.use(token, Grant(is_app_only=True))
        desk.tokens = MsalTokens(lambda _claims, _new: {"access_token": token, "expires_in": 80_000})
        return await desk.run()

    run = carried_out(tmp_path, one_forbidden(), act)
    assert (run.counts, run.status) == ({"succeeded": 12, "failed": 1}, 3)
    assert run.row("viktor")["reason"] == "forbidden"


def test_one_refused_row_costs_a_person_nothing_whose_refresh_token_has_died(tmp_path: Path) -> None:
    """The access token is good for an hour yet, and is used: everybody else is reset."""

    async def act(desk: Desk) -> Run:
        def acquire(_claims: str | None, must_be_new: bool) -> Mapping[str, Any]:  # noqa: FBT001  as MsalTokens asks
            if must_be_new:
                raise SignInError("The sign-in has expired by not being used; sign in again.")
            return {"access_token": desk.tenant.token, "expires_in": 3600}

        desk.tokens = MsalTokens(acquire)
        return await desk.run()

    run = carried_out(tmp_path, one_forbidden(), act)
    assert (run.counts, run.status) == ({"succeeded": 12, "failed": 1}, 3)


@pytest.mark.parametrize(("rate", "workers", "after"), [(0.5, 32, 60), (0.01, 1, 3)])
def test_a_refused_row_is_sent_twice_at_most(tmp_path: Path, rate: float, workers: int, after: int) -> None:
    """With another token once more, however slowly the run goes; and those behind it have their turn."""

    async def act(desk: Desk) -> Run:
        desk.tokens = Renewable(desk.tenant)
        return await desk.run()

    run = carried_out(tmp_path, one_forbidden(after=after), act, rate=rate, workers=workers)
    assert run.counts == {"succeeded": 6 + after, "failed": 1}
    assert run.sends("viktor") <= 2


def test_writes_repeated_for_their_token_keep_to_the_rate(tmp_path: Path) -> None:
    """Sixteen wait for one renewal of twenty seconds; then they leave one a second, as all the others."""

    async def act(desk: Desk) -> Run:
        desk.tokens = Renewable(desk.tenant, takes=20.0)
        left = [desk.tenant.tokens.revoke]

        def after_three(_: Snapshot) -> None:
            if left and desk.tenant.requests[Route.RESET, 202] == 3:
                left.pop()()

        return await desk.carry_out(await desk.plan(), after_three)

    run = carried_out(tmp_path, users(30), act, behaviour=STEADY, workers=16, rate=1.0)
    assert (run.counts, run.status) == ({"succeeded": 30}, 0)
    assert run.tenant.requests[Route.RESET, 401] > 0
    received = [
        event.at for account in run.tenant.accounts.values() for event in account.events if event.what is What.RECEIVED
    ]
    received.sort()
    gaps = [later - earlier for earlier, later in itertools.pairwise(received)]
    assert min(gaps) > 0.9


def test_nothing_known_of_the_role_is_made_up_for_by_what_others_may(tmp_path: Path) -> None:
    """An application that may read no roles: whoever is accepted meanwhile proves that a refusal is the row's own."""
    accounts = [
        each
        for number in range(5)
        for each in (
            *(user(f"u{number}{letter}") for letter in "abcdefgh"),
            user(f"v{number}", roles=(GLOBAL_ADMINISTRATOR,)),
        )
    ]

    async def act(desk: Desk) -> Run:
        desk.use("opaque", Grant(is_app_only=True))
        return await desk.run()

    run = carried_out(tmp_path, [*accounts, *(user(f"w{number}") for number in range(8))], act, workers=4)
    assert (run.counts, run.status) == ({"succeeded": 48, "failed": 5}, 3)


@pytest.mark.parametrize("seed", range(2))
def test_an_outage_while_a_refusal_is_looked_into_is_sat_out(tmp_path: Path, seed: int) -> None:
    """What cannot be read for five minutes speaks neither for nor against the role; no row is given up."""

    async def act(desk: Desk) -> Run:
        desk.be_an_application()
        tenant = desk.tenant

        def go_away(_: Snapshot) -> None:
            if tenant.requests[Route.UPDATE, 403] and not tenant.behaviour.outages:
                away = Outage(tenant.now, tenant.now + 300, answered=True)
                tenant.behaviour = replace(tenant.behaviour, outages=(away,))

        return await desk.carry_out(await desk.plan(), go_away)

    behaviour = replace(SLOW, seed=seed)
    run = carried_out(tmp_path, one_forbidden(after=30), act, behaviour=behaviour, workers=4)
    assert (run.counts, run.status) == ({"succeeded": 36, "failed": 1}, 3)
    assert run.row("viktor")["reason"] == "forbidden"


def test_a_run_is_not_resumed_before_the_role_is_active(tmp_path: Path) -> None:
    """Who held a role that may reset and holds none now is told so before anything is sent: nobody gets `forbidden`."""

    async def act(desk: Desk) -> Run:
        def end_role(told: Snapshot) -> None:
            if told.done >= 4 and desk.tenant.has_role:
                desk.tenant.end_role()

        halted = await desk.carry_out(await desk.plan(), end_role)
        assert halted.status == 4
        before = desk.tenant.requests[Route.RESET, 403]
        with pytest.raises(RefusedError, match="activate the role, then resume"):
            await desk.resume(halted.folder)
        assert desk.tenant.requests[Route.RESET, 403] == before
        desk.tenant.activate_role()
        return await desk.resume(halted.folder)

    run = carried_out(tmp_path, users(60), act, workers=8)
    assert (run.counts, run.status) == ({"succeeded": 60}, 0)


def test_the_audit_trail_says_who_did_which_part(tmp_path: Path) -> None:
    """A person begins, an application goes on: each start names its own."""

    async def act(desk: Desk) -> Run:
        begun = await desk.run()
        desk.be_an_application()
        desk.settings = desk.settings.but(limit=None)
        return await desk.resume(begun.folder, anyway=True)

    run = carried_out(tmp_path, users(4), act, limit=2, method=Method.PASSWORD_PROFILE)
    assert run.counts == {"succeeded": 4}
    lines = [json.loads(line) for line in (run.folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    person, application = (line["operator"] for line in lines if line["event"] == "started")
    assert person.startswith("operator@")
    assert application.startswith("application ")


def test_what_is_lost_as_the_time_runs_out_is_still_settled(tmp_path: Path) -> None:
    """What was sent is followed to its end, an answer that was lost included."""

    async def act(desk: Desk) -> Run:
        return await desk.run()

    accounts = [*users(3), user("lost", Fault.LOST_AFTER), *(user(f"z{number}") for number in range(5))]
    run = carried_out(tmp_path, accounts, act, workers=1, stop_after="7s", directory_lag="1m")
    assert run.status == 130
    assert run.row("lost")["outcome"] == "succeeded"
    assert What.APPLIED in happened(run.tenant, "lost")


@posix_only
def test_rows_that_wait_for_a_token_are_not_in_doubt(tmp_path: Path) -> None:
    """One Ctrl-C sends them home: nothing of theirs has left, so they are ready and not unresolved."""

    class Stuck:
        """Has a token, and at some time none any more for ten minutes."""

        is_renewable = True

        def __init__(self, tenant: Tenant) -> None:
            self.is_stuck = False
            self._token = Secret(tenant.token)

        async def token(self) -> Secret:
            if self.is_stuck:
                await asyncio.sleep(600)
            return self._token

        async def renew(self, rejected: Secret, claims: str | None) -> bool:  # noqa: ARG002  there is no other
            return False

        async def refresh(self) -> bool:
            return False

    async def act(desk: Desk) -> Run:
        tokens = desk.tokens = Stuck(desk.tenant)

        def stop(_: Snapshot) -> None:
            if desk.tenant.requests[Route.RESET, 202] >= 4 and not tokens.is_stuck:
                tokens.is_stuck = True
                asyncio.get_running_loop().call_later(30, signal.raise_signal, signal.SIGINT)

        run = await desk.carry_out(await desk.plan(), stop)
        tokens.is_stuck = False
        return run

    run = carried_out(tmp_path, users(20, synchronised=True), act, behaviour=STEADY, workers=8, rate=5.0)
    assert run.status == 130
    never_left = [row for row in run.rows if not run.sends(row["user"].partition("@")[0])]
    assert {row["outcome"] for row in never_left} == {"not_attempted"}
