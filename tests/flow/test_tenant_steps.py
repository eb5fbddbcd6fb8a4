"""The simulated tenant's other writes, and what it tells of accounts that a reset may be wrong for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from batchreset.rehearsal.behaviour import UNHINDERED, Fault, Spread
from batchreset.rehearsal.population import DOMAIN
from batchreset.rehearsal.quota import Limit
from batchreset.rehearsal.tenant import Tenant, What
from tests.support.clock import run_virtual
from tests.support.desk import happened, upn, user
from tests.support.visitor import Visitor, visiting

STEADY = replace(UNHINDERED, cloud_operation=Spread(10), synchronised_operation=Spread(10))
ANA = upn("ana")


async def revoke(visitor: Visitor) -> int | None:
    """Revoke Ana's sessions; return the status, or None where no answer came."""
    return await _status(visitor, "POST", f"/users/{ANA}/revokeSignInSessions")


async def enable(visitor: Visitor, *, enabled: bool) -> int | None:
    """Open Ana for sign-in, or block her."""
    return await _status(visitor, "PATCH", f"/users/{ANA}", json={"accountEnabled": enabled})


async def _status(visitor: Visitor, method: str, path: str, **more: Any) -> int | None:
    try:
        return (await visitor.ask(method, path, **more)).status
    except aiohttp.ClientConnectionError:
        return None


def test_each_step_is_remembered_with_its_time() -> None:
    """Blocked, revoked, opened: three events, and sessions are valid from when they were revoked."""

    async def look() -> None:
        tenant = Tenant([user("ana")], STEADY)
        async with visiting(tenant) as visitor:
            select = "accountEnabled,signInSessionsValidFromDateTime"
            before = (await visitor.get(f"/users/{ANA}", select=select)).body
            assert await enable(visitor, enabled=False) == 204
            await visitor.pause(5)
            assert await revoke(visitor) == 200
            await visitor.pause(5)
            blocked = (await visitor.get(f"/users/{ANA}", select=select)).body
            assert await enable(visitor, enabled=True) == 204
        assert happened(tenant, "ana")[1::2] == [What.DISABLED, What.REVOKED, What.ENABLED]
        at = [event.at for event in tenant.events_of(ANA)[1::2]]
        assert at == pytest.approx([0, 5, 10], abs=1)
        assert blocked["accountEnabled"] is False
        assert blocked["signInSessionsValidFromDateTime"] == tenant.wall(at[1])
        assert blocked["signInSessionsValidFromDateTime"] > before["signInSessionsValidFromDateTime"]
        assert tenant.accounts[user("ana").id].enabled

    run_virtual(look())


@pytest.mark.parametrize(
    ("fault", "statuses", "times"),
    [
        (Fault.LOST_BEFORE, [None, 200, 200], 2),
        (Fault.LOST_AFTER, [None, 200, 200], 3),
        (Fault.SERVER_ERROR, [500, 200, 200], 2),
        (Fault.UNAVAILABLE, [503, 503, 200], 1),
        (Fault.THROTTLED, [429, 429, 429], 0),
        (Fault.FORBIDDEN, [403, 403, 403], 0),
    ],
)
def test_a_step_has_faults_of_its_own(fault: Fault, statuses: list[int | None], times: int) -> None:
    """They strike each kind of step for itself, and leave resets alone; a fault of resets leaves steps alone."""

    async def look() -> None:
        tenant = Tenant([user("ana", step_faults=(fault,))], STEADY)
        async with visiting(tenant) as visitor:
            assert [await revoke(visitor) for _ in range(3)] == statuses
            assert [await enable(visitor, enabled=False) for _ in range(3)] == [
                204 if s == 200 else s for s in statuses
            ]
            assert (await visitor.reset(ANA)).status == 202
        assert happened(tenant, "ana").count(What.REVOKED) == happened(tenant, "ana").count(What.DISABLED) == times
        async with visiting(Tenant([user("ana", fault)], STEADY)) as visitor:
            assert (await revoke(visitor), await enable(visitor, enabled=False)) == (200, 204)

    run_virtual(look())


def test_revoking_shares_the_quota_of_writes_or_has_its_own() -> None:
    """Where it shares, a reset takes from it; where it has its own, it runs out alone."""

    async def look() -> None:
        shared = replace(STEADY, writes=Limit(rate=0.001, depth=2))
        async with visiting(Tenant([user("ana")], shared)) as visitor:
            assert [(await visitor.reset(ANA)).status, await revoke(visitor), await revoke(visitor)] == [202, 200, 429]
        apart = replace(shared, revokes=Limit(rate=0.001, depth=1))
        async with visiting(Tenant([user("ana")], apart)) as visitor:
            assert [await revoke(visitor), await revoke(visitor)] == [200, 429]
            assert [(await visitor.reset(ANA)).status for _ in range(3)] == [202, 202, 429]

    run_virtual(look())


@pytest.mark.parametrize(
    ("changes", "domains", "statuses"),
    [
        ({"restricted": True}, None, [403, 403, 403, 403]),
        ({}, {DOMAIN: "Federated"}, [400, 400, 204, 200]),
        ({"synchronised": True}, {DOMAIN: "Federated"}, [202, 400, 204, 200]),
        ({"user_type": "Guest"}, None, [202, 204, 204, 200]),
        ({"guest": True, "user_type": "Member"}, None, [400, 400, 400, 400]),
    ],
)
def test_whom_no_write_is_for(changes: dict[str, Any], domains: dict[str, str] | None, statuses: list[int]) -> None:
    """Restricted accounts, federated ones that are not synchronised, and those whose home is elsewhere.

    In order: a reset, a password profile, blocking, revoking.
    """

    async def look() -> list[int | None]:
        async with visiting(Tenant([user("ana", **changes)], UNHINDERED, domains=domains)) as visitor:
            profile = {"passwordProfile": {"password": "Copper-8-harbour"}}
            return [
                (await visitor.reset(ANA)).status,
                await _status(visitor, "PATCH", f"/users/{ANA}", json=profile),
                await enable(visitor, enabled=False),
                await revoke(visitor),
            ]

    assert run_virtual(look()) == statuses


def test_writeback_may_be_dead_for_a_domain() -> None:
    """Operations of the accounts that come from there fail, and those of others do not, synchronised or not."""

    async def look() -> None:
        behaviour = replace(STEADY, dead_writeback=frozenset({"corp.contoso.example"}))
        there = user("ana", synchronised=True)
        elsewhere = user("ben", synchronised=True, on_premises_domain="emea.contoso.example")
        async with visiting(Tenant([there, elsewhere, user("cleo")], behaviour)) as visitor:
            ends = []
            for name in ("ana", "ben", "cleo"):
                reply = await visitor.reset(upn(name))
                await visitor.pause(20)
                operation = (await visitor.ask("GET", reply.headers["Location"])).body
                ends.append((operation["status"], operation["statusDetail"]))
            succeeded = ("succeeded", "ResetSuccess")
            assert ends == [("failed", "OnPremisesConnectivityFailure"), succeeded, succeeded]

    run_virtual(look())


def test_an_account_shows_what_it_is() -> None:
    """Restricted, lasting, a guest by each of the three signs, federated, synchronised and from where."""
    accounts: dict[str, dict[str, Any]] = {
        "ordinary": {},
        "restricted": {"restricted": True},
        "lasting": {"never_expires": True},
        "guest": {"guest": True},
        "invited": {"guest": True, "user_principal_name": f"in_other.example#EXT#@{DOMAIN}", "user_type": "Member"},
        "self-service": {"guest": True, "creation_type": "SelfServiceSignUp"},
        "internal": {"user_type": "Guest"},
        "federated": {"federated": True},
        "synchronised": {"synchronised": True, "federated": True},
        "abroad": {"synchronised": True, "on_premises_domain": "emea.contoso.example"},
    }
    select = (
        "isManagementRestricted,passwordPolicies,userType,creationType,identities,onPremisesDomainName,"
        "onPremisesSamAccountName"
    )
    here, there = ("userPrincipalName", DOMAIN), ("federated", "ExternalAzureAD")

    async def look() -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        async with visiting(Tenant([user(name, **changes) for name, changes in accounts.items()], STEADY)) as visitor:
            for name in accounts:
                shown = (await visitor.get(f"/users/{user(name).id}", select=select)).body
                del shown["@odata.context"]
                shown["identities"] = [(each["signInType"], each["issuer"]) for each in shown["identities"]]
                found[name] = list(shown.values())
        return found

    assert run_virtual(look()) == {
        "ordinary": [None, None, "Member", None, [here], None, None],
        "restricted": [True, None, "Member", None, [here], None, None],
        "lasting": [None, "DisablePasswordExpiration", "Member", None, [here], None, None],
        "guest": [None, None, "Guest", "Invitation", [there], None, None],
        "invited": [None, None, "Member", "Invitation", [there, here], None, None],
        "self-service": [None, None, "Guest", "SelfServiceSignUp", [there], None, None],
        "internal": [None, None, "Guest", None, [here], None, None],
        "federated": [None, None, "Member", None, [("federated", "https://sts.partner.example"), here], None, None],
        "synchronised": [None, None, "Member", None, [here], "corp.contoso.example", "synchronised"],
        "abroad": [None, None, "Member", None, [here], "emea.contoso.example", "abroad"],
    }


def test_the_tenant_says_which_domains_are_its_own() -> None:
    """Those of its users, managed, unless told otherwise."""

    async def look(tenant: Tenant) -> dict[str, str]:
        async with visiting(tenant) as visitor:
            (one,) = (await visitor.get("/organization", select="verifiedDomains")).body["value"]
            return {domain["name"]: domain["type"] for domain in one["verifiedDomains"]}

    ben = user("ben", user_principal_name="ben@Fabrikam.example")
    assert run_virtual(look(Tenant([ben]))) == {DOMAIN: "Managed", "fabrikam.example": "Managed"}
    domains = {DOMAIN: "Managed", "fabrikam.example": "Federated"}
    assert run_virtual(look(Tenant([ben], domains=domains))) == domains
