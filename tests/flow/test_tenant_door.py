from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from batchreset.rehearsal.behaviour import UNHINDERED, Outage, Route
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.quota import Limit
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant, What
from tests.support.clock import run_virtual
from tests.support.visitor import visiting

UPN = "ana@contoso.example"


def tenant(**changes: Any) -> Tenant:
    """Make a tenant of one user; `changes` are fields of `Behaviour`."""
    return Tenant(populate([UPN], plain=True), replace(UNHINDERED, **changes))


@pytest.mark.parametrize("token", ["", "stolen"])
def test_nobody_enters_without_the_token(token: str) -> None:
    """Without it or with another one: 401 with a challenge, Graph's envelope, and nothing done."""

    async def look() -> None:
        here = tenant()
        async with visiting(here, token=token) as visitor:
            for reply in (await visitor.get("/me"), await visitor.reset(UPN), await visitor.batch("/me")):
                assert (reply.status, reply.code) == (401, "InvalidAuthenticationToken")
                assert reply.headers["WWW-Authenticate"].startswith("Bearer ")
        (account,) = (one for one in here.accounts.values() if one.user.user_principal_name == UPN)
        assert [event.what for event in account.events] == [What.RECEIVED, What.REFUSED]

    run_virtual(look())


def test_every_answer_names_its_request() -> None:
    """request-id is there and new each time, client-request-id is echoed, in errors as well."""

    async def look() -> None:
        async with visiting(tenant()) as visitor:
            seen = set()
            for path in ("/me", "/users/nobody", "/nowhere"):
                reply = await visitor.ask("GET", path, headers={"client-request-id": "mine"})
                assert reply.headers["client-request-id"] == "mine"
                seen.add(reply.headers["request-id"])
                if reply.status != 200:
                    inner = reply.body["error"]["innerError"]
                    assert (inner["request-id"], inner["client-request-id"]) == (reply.headers["request-id"], "mine")
            assert len(seen) == 3

    run_virtual(look())


def test_writes_have_a_quota_that_refills() -> None:
    """Two at once, the third is told to wait, and after waiting it passes; what was refused was not done."""

    async def look() -> None:
        here = tenant(writes=Limit(rate=0.5, depth=2))
        async with visiting(here) as visitor:
            replies = [await visitor.reset(UPN) for _ in range(3)]
            assert [reply.status for reply in replies] == [202, 202, 429]
            assert replies[2].code == "TooManyRequests"
            assert float(replies[2].headers["Retry-After"]) == pytest.approx(2, abs=0.1)
            assert replies[2].headers["x-ms-throttle-scope"].startswith("Tenant_Application/Write")
            assert replies[2].headers["x-ms-throttle-information"]
            assert (await visitor.get("/me")).status == 200

            await visitor.pause(2)
            assert (await visitor.reset(UPN)).status == 202
        whats = Counter(event.what for event in here.events_of(UPN))
        assert whats == {What.RECEIVED: 4, What.REFUSED: 1, What.ACCEPTED: 3, What.APPLIED: 3}
        assert here.requests[Route.RESET, 202] == 3
        assert here.requests[Route.RESET, 429] == 1

    run_virtual(look())


def test_look_ups_cost_units_and_half_as_much_with_select() -> None:
    """Ten units are five users, or ten with `$select`; a batch's children pay and are refused one by one."""

    async def look() -> None:
        limit = Limit(rate=0.001, depth=10, retry_after=2.128)
        async with visiting(tenant(units=limit)) as visitor:
            assert [(await visitor.get("/me")).status for _ in range(6)] == [200] * 5 + [429]
        async with visiting(tenant(units=limit)) as visitor:
            assert [(await visitor.get("/me", select="id")).status for _ in range(11)] == [200] * 10 + [429]
        async with visiting(tenant(units=limit)) as visitor:
            reply = await visitor.batch(*["/me?$select=id"] * 12)
            assert reply.status == 200
            assert Counter(one["status"] for one in reply.body["responses"]) == {200: 10, 429: 2}
            hints = {one["headers"].get("Retry-After") for one in reply.body["responses"] if one["status"] == 429}
            assert hints == {"2.128"}

    run_virtual(look())


def test_a_route_may_be_closed_to_the_operator() -> None:
    """What the operator's role does not open answers 403, and the rest goes on."""

    async def look() -> None:
        async with visiting(tenant(forbidden=frozenset({Route.ROLES}))) as visitor:
            refused = await visitor.get("/roleManagement/directory/roleAssignments")
            assert (refused.status, refused.code) == (403, "Authorization_RequestDenied")
            assert (await visitor.get("/me")).status == 200

    run_virtual(look())


@pytest.mark.parametrize("answered", [True, False])
def test_the_whole_service_can_be_away(answered: bool) -> None:  # noqa: FBT001  a parameter of pytest's
    """From 60 to 90 seconds of its life it answers 503, or closes the connection; before and after it is fine."""

    async def look() -> None:
        async with visiting(tenant(outages=(Outage(60, 90, answered=answered),))) as visitor:
            assert (await visitor.get("/me")).status == 200
            await visitor.pause(75)
            if answered:
                assert (await visitor.reset(UPN)).status == 503
            else:
                with pytest.raises(aiohttp.ClientConnectionError):
                    await visitor.reset(UPN)
            await visitor.pause(30)
            assert (await visitor.get("/me")).status == 200

    run_virtual(look())


def test_its_time_goes_on_where_it_stopped() -> None:
    """Served again, in another loop, the tenant is as old as when it was last served."""
    here = tenant()

    async def stay(seconds: float) -> list[float]:
        async with visiting(here) as visitor:
            before = here.now
            await visitor.pause(seconds)
            return [before, here.now]

    assert run_virtual(stay(100)) == pytest.approx([0, 100], abs=1)
    assert run_virtual(stay(50)) == pytest.approx([100, 150], abs=1)


def test_it_listens_where_it_was_told() -> None:
    """A given port is used, on loopback only."""

    async def look() -> None:
        async with serve(tenant()) as url:
            port = int(url.rpartition(":")[2])
        async with serve(tenant(), port) as again:
            assert again == url == f"http://127.0.0.1:{port}"

    run_virtual(look())
