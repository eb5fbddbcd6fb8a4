"""What signed-in callers may do on the simulated Graph, and the second route to a new password."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from batchreset.rehearsal.behaviour import UNHINDERED, Behaviour, Fault, Spread
from batchreset.rehearsal.population import User
from batchreset.rehearsal.quota import Limit
from batchreset.rehearsal.tenant import MustChange, Tenant, What
from batchreset.rehearsal.tokens import Grant
from tests.support.clock import run_virtual
from tests.support.visitor import GOOD, Reply, Visitor, visiting

ID = "a3bb189e-8bf9-4888-9912-ace4e6543002"
UPN = "ana@contoso.example"
RESET = f"/users/{ID}/authentication/methods/28c10230-6103-485e-b985-444c60001490/resetPassword"


def tenant(*faults: Fault, behaviour: Behaviour = UNHINDERED, **changes: Any) -> Tenant:
    """Make a tenant of one user; `changes` are fields of `User`."""
    user = User(id=ID, user_principal_name=UPN, display_name="Ana", faults=faults)
    return Tenant([replace(user, **changes)], behaviour)


async def patch(visitor: Visitor, password: str = GOOD, **profile: Any) -> Reply:
    return await visitor.ask("PATCH", f"/users/{ID}", json={"passwordProfile": {"password": password, **profile}})


async def changed_at(visitor: Visitor) -> str:
    reply = await visitor.get(f"/users/{ID}", select="lastPasswordChangeDateTime")
    return str(reply.body["lastPasswordChangeDateTime"])


@pytest.mark.parametrize(
    ("permission", "method", "path", "body"),
    [
        ("User.Read", "GET", "/me", None),
        ("User.Read.All", "GET", "/users", None),
        ("User.Read.All", "GET", f"/users/{ID}", None),
        ("User.Read.All", "GET", "/organization", None),
        ("RoleManagement.Read.Directory", "GET", "/roleManagement/directory/roleAssignments", None),
        ("UserAuthenticationMethod.ReadWrite.All", "POST", RESET, {"newPassword": GOOD}),
        ("User.RevokeSessions.All", "POST", f"/users/{ID}/revokeSignInSessions", None),
        ("User-PasswordProfile.ReadWrite.All", "PATCH", f"/users/{ID}", {"passwordProfile": {"password": GOOD}}),
        ("User.EnableDisableAccount.All", "PATCH", f"/users/{ID}", {"accountEnabled": False}),
    ],
)
def test_each_route_has_its_permission(permission: str, method: str, path: str, body: dict[str, Any] | None) -> None:
    """With it the route is open to a user, without it 403; alone in a batch it is the same."""

    async def look() -> None:
        here = tenant()
        here.tokens.admit("with", Grant(permissions=frozenset({permission})))
        here.tokens.admit("without", Grant(permissions=frozenset({"Mail.Read"})))
        async with visiting(here, token="with") as visitor:
            assert (await visitor.ask(method, path, json=body)).status in {200, 202, 204}
            if method == "GET":
                assert (await visitor.batch(path)).body["responses"][0]["status"] == 200
        async with visiting(here, token="without") as visitor:
            reply = await visitor.ask(method, path, json=body)
            assert (reply.status, reply.code) == (403, "Authorization_RequestDenied")
            if method == "GET":
                assert (await visitor.batch(path)).body["responses"][0]["status"] == 403

    run_virtual(look())


def test_an_application_needs_permissions_of_its_own() -> None:
    """The organisation is not open to it by User.Read.All, and no permission lets it see itself or an operation."""

    async def look() -> None:
        here = tenant()
        location = here.accept(here.accounts[ID], GOOD, None).id
        permissions = frozenset({"User.Read.All", "UserAuthenticationMethod.ReadWrite.All"})
        here.tokens.admit("daemon", Grant(is_app_only=True, permissions=permissions))
        async with visiting(here, token="daemon") as visitor:
            assert (await visitor.get("/users")).status == 200
            assert (await visitor.get("/organization")).status == 403
            assert (await visitor.get("/me")).code == "BadRequest"
            assert (await visitor.get(f"/users/{ID}/authentication/operations/{location}")).status == 403

    run_virtual(look())


def test_a_role_ends_and_is_activated_again() -> None:
    """From its end on, writes and looks at operations answer 403, look-ups go on; an activation has its own end."""

    async def look() -> None:
        here = tenant(behaviour=replace(UNHINDERED, role_ends_at=100.0))
        async with visiting(here) as visitor:
            location = (await visitor.reset(ID)).headers["Location"]
            await visitor.pause(101)
            assert (await visitor.reset(ID)).code == (await patch(visitor)).code == "Authorization_RequestDenied"
            assert (await visitor.ask("GET", location)).status == 403
            assert (await visitor.get("/users")).status == 200
            here.activate_role(3600)
            assert (await visitor.reset(ID)).status == 202
            assert (await visitor.ask("GET", location)).status == 200
            await visitor.pause(3601)
            assert (await visitor.reset(ID)).status == 403
            here.activate_role()
            here.end_role()
            assert (await visitor.reset(ID)).status == 403

    run_virtual(look())


def test_a_sign_in_that_has_ended_stays_ended() -> None:
    """No token from before is taken again, and what comes after is."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            here.end_sign_in()
            assert (await visitor.get("/me")).body["error"]["message"].startswith("CompactToken validation failed")
        here.tokens.admit("new", Grant())
        async with visiting(here, token="new") as visitor:
            assert (await visitor.get("/me")).status == 200

    run_virtual(look())


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({}, MustChange.NO),
        ({"forceChangePasswordNextSignIn": False}, MustChange.NO),
        ({"forceChangePasswordNextSignIn": True}, MustChange.YES),
        ({"forceChangePasswordNextSignInWithMfa": True}, MustChange.WITH_MFA),
    ],
)
def test_a_profile_says_whether_the_password_must_be_changed(profile: dict[str, Any], expected: MustChange) -> None:
    """As it is said, it is remembered; a reset always makes the user change it."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            assert (await patch(visitor, **profile)).status == 204
            assert here.accounts[ID].must_change is expected
            await visitor.reset(ID)
            assert here.password_of(ID) == GOOD
            assert here.accounts[ID].must_change is MustChange.YES

    run_virtual(look())


@pytest.mark.parametrize(
    ("changes", "password", "word"),
    [
        ({}, "short", "complexity"),
        ({"synchronised": True}, GOOD, "on-premises mastered"),
        ({"federated": True}, GOOD, "not held"),
        ({"guest": True}, GOOD, "not held"),
    ],
)
def test_whose_profile_is_not_taken(changes: dict[str, Any], password: str, word: str) -> None:
    """Weak passwords, synchronised, federated and external users: 400, and nothing in the request is done."""

    async def look() -> None:
        here = tenant(**changes)
        async with visiting(here) as visitor:
            body = {"passwordProfile": {"password": password}, "accountEnabled": False}
            reply = await visitor.ask("PATCH", f"/users/{ID}", json=body)
            assert (reply.status, reply.code) == (400, "Request_BadRequest")
            assert word in reply.body["error"]["message"]
        assert [event.what for event in here.events_of(ID)] == [What.RECEIVED, What.REFUSED]
        assert here.accounts[ID].enabled

    run_virtual(look())


def test_a_profile_without_a_password_changes_nothing() -> None:
    """It is answered 204 all the same."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            body = {"passwordProfile": {"forceChangePasswordNextSignIn": True}}
            assert (await visitor.ask("PATCH", f"/users/{ID}", json=body)).status == 204
        assert here.accounts[ID].must_change is MustChange.NO
        assert here.password_of(ID) is None

    run_virtual(look())


def test_a_federated_user_is_reset_only_where_writeback_serves() -> None:
    """Synchronised as well, yes; otherwise nobody here holds the password."""

    async def look(*, synchronised: bool) -> int:
        async with visiting(tenant(federated=True, synchronised=synchronised)) as visitor:
            return (await visitor.reset(ID)).status

    assert run_virtual(look(synchronised=True)) == 202
    assert run_virtual(look(synchronised=False)) == 400


def test_the_directory_shows_a_change_late() -> None:
    """The password is in force at once, lastPasswordChangeDateTime follows by the lag, with the time of the change."""

    async def look() -> None:
        here = tenant(behaviour=replace(UNHINDERED, directory_lag=60.0, cloud_operation=Spread(10)))
        async with visiting(here) as visitor:
            before = await changed_at(visitor)
            await patch(visitor)
            assert here.password_of(ID) == GOOD
            await visitor.pause(58)
            assert await changed_at(visitor) == before
            await visitor.pause(3)
            first = await changed_at(visitor)
            assert first == here.wall(here.events_of(ID)[-1].at) > before
            await visitor.reset(ID)
            await visitor.pause(65)
            assert await changed_at(visitor) == first
            await visitor.pause(10)
            assert await changed_at(visitor) > first

    run_virtual(look())


def test_updates_may_have_a_quota_of_their_own() -> None:
    """It leaves the quota of the other writes alone, and without one they share it."""

    async def look(behaviour: Behaviour) -> list[int]:
        async with visiting(tenant(behaviour=behaviour)) as visitor:
            return [(await patch(visitor)).status for _ in range(3)] + [(await visitor.reset(ID)).status]

    one, two = Limit(rate=0.01, depth=1), Limit(rate=0.01, depth=2)
    assert run_virtual(look(replace(UNHINDERED, writes=one, updates=two))) == [204, 204, 429, 202]
    assert run_virtual(look(replace(UNHINDERED, writes=two))) == [204, 204, 429, 429]


@pytest.mark.parametrize(
    ("fault", "answers", "applied"),
    [
        (Fault.LOST_BEFORE, [None, 204], True),
        (Fault.LOST_AFTER, [None], True),
        (Fault.UNAVAILABLE, [503, 503], False),
        (Fault.TIMEOUT_AFTER, [504], True),
        (Fault.THROTTLED, [429, 429, 429, 204], True),
        (Fault.CONCURRENCY, [409], False),
        (Fault.NO_LOCATION, [204], True),
        (Fault.REJECTED, [400, 400], False),
        (Fault.OPERATION_FAILS, [204], True),
    ],
)
def test_faults_strike_profiles_too(fault: Fault, answers: list[int | None], applied: bool) -> None:  # noqa: FBT001  a parameter of pytest's
    """Each as at a reset, but for those of operations, which there are none of here."""

    async def look() -> None:
        here = tenant(fault)
        async with visiting(here) as visitor:
            for expected in answers:
                if expected is None:
                    with pytest.raises(aiohttp.ClientConnectionError):
                        await patch(visitor)
                else:
                    assert (await patch(visitor)).status == expected
        assert here.password_of(ID) == (GOOD if applied else None)

    run_virtual(look())
