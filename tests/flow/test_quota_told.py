"""What a service says of its limits, and what a run makes of it: Retry-After in every form, scope, and usage."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchreset.policy.hints import is_near_limit
from batchreset.rehearsal.behaviour import Route, Spread
from batchreset.rehearsal.quota import Limit, RetryAfter
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant
from batchreset.rehearsal.tokens import Grant
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, users
from tests.support.scripted import TOKEN, talking_to

if TYPE_CHECKING:
    from pathlib import Path

ANSWERING = replace(STEADY, latency=Spread(0.2))


class Times(Counter[tuple[Route, int | None]]):
    """A tenant's counts of its answers by route and status, and when each was given."""

    def __init__(self, tenant: Tenant) -> None:
        super().__init__()
        self._tenant = tenant
        self.answers: list[tuple[float, Route, int | None]] = []

    def __setitem__(self, key: tuple[Route, int | None], count: int) -> None:
        self.answers.append((self._tenant.now, *key))
        super().__setitem__(key, count)


@pytest.mark.parametrize("retry_after", [*RetryAfter, 2.128])
def test_retry_after_is_obeyed_in_every_form(tmp_path: Path, retry_after: RetryAfter | float) -> None:
    """Fractions of a second, whole ones, a date, none at all, always the same: nothing is lost, little is refused."""
    limit = Limit(rate=5.0, depth=10, retry_after=retry_after)

    async def go() -> Run:
        async with at_desk(tmp_path, users(60), replace(ANSWERING, writes=limit)) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 60}
    assert 0 < run.summary.traffic["throttled"] <= 40
    ideal = (60 - 10) / 5.0
    assert run.summary.seconds <= 2 * ideal + 5  # the operations take five
    assert not run.disagreements()


def test_a_limit_on_all_requests_holds_resets_and_looks_and_resets_go_first(tmp_path: Path) -> None:
    """While the service says wait nothing new arrives, of whichever route; then a reset comes before any look."""
    # No more than may be unconfirmed at first: resets are to wait for the quota alone.
    limit = Limit(rate=2.0, depth=50, retry_after=20.0)

    async def go() -> tuple[Run, list[tuple[float, Route, int | None]]]:
        async with at_desk(tmp_path, users(50), replace(ANSWERING, units=limit), workers=8) as desk:
            plan = await desk.plan()
            desk.tenant.requests = times = Times(desk.tenant)
            return await desk.carry_out(plan), times.answers

    run, answers = run_virtual(go())
    assert run.counts == {"succeeded": 50}
    refused = [at for at, _, status in answers if status == 429]
    gates = [at for at, before in zip(refused, [-60.0, *refused], strict=False) if at > before + 10]
    assert len(gates) >= 2
    last_reset = max(at for at, route, _ in answers if route is Route.RESET)
    for gate in gates:
        under_way = gate + 1.0
        assert not [answer for answer in answers if under_way < answer[0] < gate + 19.9]
        following = next((route for at, route, _ in answers if at >= gate + 19.9), Route.RESET)
        assert following is Route.RESET or gate > last_reset - 19.9


def test_a_service_tells_that_it_is_near_its_limit() -> None:
    """From four fifths of what may be written at once on, answers say so, whatever they answer; never before."""

    async def go() -> list[bool]:
        tenant = Tenant(users(10), replace(STEADY, writes=Limit(rate=0.001, depth=10, tells_usage=True)))
        tenant.tokens.admit(TOKEN, Grant())
        async with serve(tenant) as url, talking_to(url) as graph:
            paths = (f"/users/{account.user.id}/revokeSignInSessions" for account in list(tenant.accounts.values())[1:])
            return [is_near_limit((await graph.send("POST", path)).result) for path in paths]

    assert run_virtual(go()) == [False] * 8 + [True] * 2
