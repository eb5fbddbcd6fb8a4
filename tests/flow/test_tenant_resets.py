from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from batchreset.rehearsal.behaviour import UNHINDERED, Behaviour, Fault, Spread
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR, OPERATOR, User
from batchreset.rehearsal.tenant import Tenant, What
from batchreset.rehearsal.writes import is_acceptable
from tests.support.clock import run_virtual
from tests.support.visitor import GOOD, Visitor, visiting

ID = "a3bb189e-8bf9-4888-9912-ace4e6543002"
UPN = "ana@contoso.example"
OTHER = "Copper-8-harbour"
#: No quota, no latency, and operations of ten seconds to the letter.
STEADY = replace(UNHINDERED, cloud_operation=Spread(10), synchronised_operation=Spread(10))


def tenant(*faults: Fault, behaviour: Behaviour = STEADY, **changes: Any) -> Tenant:
    """Make a tenant of one user; `changes` are fields of `User`."""
    user = User(id=ID, user_principal_name=UPN, display_name="Ana", faults=faults)
    return Tenant([replace(user, **changes)], behaviour)


async def changed_at(visitor: Visitor) -> str:
    return str(
        (await visitor.get(f"/users/{ID}", select="lastPasswordChangeDateTime")).body["lastPasswordChangeDateTime"]
    )


async def status(visitor: Visitor, location: str) -> tuple[str, str | None]:
    reply = await visitor.ask("GET", location)
    assert reply.status == 200, reply.body
    return reply.body["status"], reply.body["statusDetail"]


def whats(here: Tenant) -> list[What]:
    return [event.what for event in here.events_of(ID)]


def test_an_operation_lives_from_start_to_end() -> None:
    """202 with a Location; notStarted, running, succeeded; only then is the password in force; gone in a day."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            before = await changed_at(visitor)
            reply = await visitor.reset("ANA@contoso.example", GOOD, **{"client-request-id": "mine"})
            location = reply.headers["Location"]
            assert (reply.status, reply.body) == (202, "")
            assert location.startswith(f"{here.url}/v1.0/users/{ID}/authentication/operations/")
            assert location.endswith("?aadgdc=DUB02P&aadgsu=ssprprod-a")
            assert await status(visitor, location) == ("notStarted", None)
            await visitor.pause(5)
            assert await status(visitor, location) == ("running", None)
            assert here.password_of(ID) is None
            assert await changed_at(visitor) == before
            await visitor.pause(5)
            everybody = (await visitor.get("/users", select="lastPasswordChangeDateTime")).body["value"]
            assert everybody[-1]["lastPasswordChangeDateTime"] > before
            assert await status(visitor, location) == ("succeeded", "ResetSuccess")
            assert here.password_of(ID) == here.password_of(UPN) == GOOD
            assert await changed_at(visitor) == here.wall(here.events_of(ID)[-1].at) > before
            await visitor.pause(24 * 3600)
            assert (await visitor.ask("GET", location)).code == "Request_ResourceNotFound"
        assert whats(here) == [What.RECEIVED, What.ACCEPTED, What.APPLIED]
        assert {event.client_request_id for event in here.events_of(ID)} == {"mine"}

    run_virtual(look())


def test_the_service_makes_a_password_when_none_is_given() -> None:
    """An empty body is answered with the password that comes into force."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            reply = await visitor.reset(ID, None)
            assert reply.status == 202
            assert is_acceptable(reply.body["newPassword"])
            await visitor.pause(10)
            assert here.password_of(ID) == reply.body["newPassword"]

    run_virtual(look())


def test_synchronised_users_have_rules_of_their_own() -> None:
    """They must be given a password, need not meet the cloud's rules, and refuse a second change within a day."""

    async def look() -> None:
        here = tenant(synchronised=True)
        async with visiting(here) as visitor:
            assert (await visitor.reset(ID, None)).status == 400
            first = (await visitor.reset(ID, "plain")).headers["Location"]
            await visitor.pause(60)
            second = (await visitor.reset(ID, OTHER)).headers["Location"]
            await visitor.pause(60)
            assert await status(visitor, first) == ("succeeded", "ResetSuccess")
            assert await status(visitor, second) == ("failed", "OnPremisesPolicyViolation")
            assert here.password_of(ID) == "plain"
            await visitor.pause(24 * 3600)
            await visitor.reset(ID, OTHER)
            await visitor.pause(10)
            assert here.password_of(ID) == OTHER

    run_virtual(look())


@pytest.mark.parametrize(
    ("changes", "user", "expected"),
    [
        ({}, OPERATOR.id, 403),
        ({"roles": (GLOBAL_ADMINISTRATOR,)}, ID, 403),
        ({"guest": True}, ID, 400),
        ({}, "nobody@contoso.example", 404),
    ],
)
def test_who_cannot_be_reset(changes: dict[str, Any], user: str, expected: int) -> None:
    """The operator, holders of a role, guests and strangers are refused, by reset, update and revocation alike."""

    async def look() -> None:
        here = tenant(**changes)
        async with visiting(here) as visitor:
            assert (await visitor.reset(user)).status == expected
            assert (await visitor.ask("PATCH", f"/users/{user}", json={"accountEnabled": False})).status == expected
            assert (await visitor.ask("POST", f"/users/{user}/revokeSignInSessions")).status == expected
        assert What.APPLIED not in whats(here)

    run_virtual(look())


def test_an_operator_with_the_right_role_may_reset_holders_of_roles() -> None:
    """With `may_reset_privileged` they are accounts like any other."""

    async def look() -> int:
        behaviour = replace(STEADY, may_reset_privileged=True)
        async with visiting(tenant(behaviour=behaviour, roles=(GLOBAL_ADMINISTRATOR,))) as visitor:
            return (await visitor.reset(ID)).status

    assert run_virtual(look()) == 202


@pytest.mark.parametrize(
    ("password", "fit"),
    [
        ("Abcdef1", False),
        ("Abcdefg1", True),
        ("abcdefg1", False),
        ("abcdef 1", True),
        ("Abcdéfg1", False),
        ("A1" * 128, False),
        ("A1-" + "x" * 253, True),
        ("A1-" + "x" * 254, False),
        (12345678, False),
    ],
)
def test_passwords_answer_to_the_published_rules(password: object, fit: bool) -> None:  # noqa: FBT001  a parameter of pytest's
    """8 to 256 printable ASCII characters of three classes; anything else is refused at once."""

    async def look() -> int:
        async with visiting(tenant()) as visitor:
            return (await visitor.reset(ID, password)).status  # type: ignore[arg-type]  # one of them is no text

    assert run_virtual(look()) == (202 if fit else 400)


def test_the_neighbouring_writes() -> None:
    """A password profile is in force at once, an account can be blocked, sessions can be revoked."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            profile = {"passwordProfile": {"password": GOOD, "forceChangePasswordNextSignIn": True}}
            assert (await visitor.ask("PATCH", f"/users/{UPN}", json=profile)).status == 204
            assert here.password_of(ID) == GOOD
            assert (await visitor.ask("PATCH", f"/users/{ID}", json={"accountEnabled": False})).status == 204
            assert (await visitor.get(f"/users/{ID}", select="accountEnabled")).body["accountEnabled"] is False
            reply = await visitor.ask("POST", f"/users/{ID}/revokeSignInSessions")
            assert (reply.status, reply.body["value"]) == (200, True)
            assert (await visitor.ask("PATCH", f"/users/{ID}", json={"passwordProfile": "text"})).status == 400
        assert [event.what for event in here.events_of(ID)] == [
            *(What.RECEIVED, What.APPLIED),
            *(What.RECEIVED, What.DISABLED),
            *(What.RECEIVED, What.REVOKED),
            *(What.RECEIVED, What.REFUSED),
        ]

    run_virtual(look())


def test_a_reset_in_a_batch_is_refused() -> None:
    """Nobody knows what Graph does with one, so the tenant takes none."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            path = f"/users/{ID}/authentication/methods/28c10230-6103-485e-b985-444c60001490/resetPassword"
            child = {"id": "1", "method": "POST", "url": path, "body": {"newPassword": GOOD}}
            reply = await visitor.ask("POST", "/$batch", json={"requests": [child]})
            assert reply.body["responses"][0]["status"] == 400
        assert What.ACCEPTED not in whats(here)

    run_virtual(look())


@pytest.mark.parametrize(
    ("fault", "answers", "applied"),
    [
        (Fault.LOST_BEFORE, [None, 202], True),
        (Fault.LOST_AFTER, [None], True),
        (Fault.UNAVAILABLE, [503, 503, 202], True),
        (Fault.UNAVAILABLE, [503, 503], False),
        (Fault.SERVER_ERROR, [500], False),
        (Fault.TIMEOUT_AFTER, [504], True),
        (Fault.THROTTLED, [429, 429, 429], False),
        (Fault.CONCURRENCY, [409], False),
        (Fault.HTML_PAGE, [502], False),
        (Fault.REJECTED, [400, 400, 400, 400], False),
        (Fault.NO_LOCATION, [202, 202], True),
    ],
)
def test_faults_at_the_request(fault: Fault, answers: list[int | None], applied: bool) -> None:  # noqa: FBT001  a parameter of pytest's
    """Each answers as its name says, as often as it is due, and either did or did not reset the account."""

    async def look() -> None:
        here = tenant(fault)
        async with visiting(here) as visitor:
            for expected in answers:
                if expected is None:
                    with pytest.raises(aiohttp.ClientConnectionError):
                        await visitor.reset(ID)
                    continue
                reply = await visitor.reset(ID)
                assert reply.status == expected
                assert ("Location" in reply.headers) is (expected == 202 and fault is not Fault.NO_LOCATION)
                assert ("Retry-After" in reply.headers) >= (expected in {429, 503})
                assert isinstance(reply.body, str) is (expected in {202, 502})
            await visitor.pause(20)
            assert here.password_of(ID) == (GOOD if applied else None)
        assert whats(here).count(What.RECEIVED) == len(answers)

    run_virtual(look())


def test_a_slow_answer_outlasts_an_impatient_client() -> None:
    """The reset has begun when the client gives up after a minute."""

    async def look() -> None:
        here = tenant(Fault.SLOW_ANSWER)
        async with visiting(here) as visitor:
            with pytest.raises(TimeoutError):
                await visitor.reset(ID)
            assert here.password_of(ID) == GOOD

    run_virtual(look())


@pytest.mark.parametrize(
    ("fault", "course"),
    [
        (Fault.OPERATION_FAILS, {0: "notStarted", 10: "failed"}),
        (Fault.OPERATION_REJECTS, {0: "notStarted", 10: "failed"}),
        (Fault.OPERATION_SLOW, {0: "notStarted", 290: "running", 300: "succeeded"}),
        (Fault.OPERATION_NEVER_ENDS, {0: "notStarted", 10: "running", 7200: "running"}),
        (Fault.OPERATION_UNREADABLE, {0: 403, 100: 403}),
        (Fault.OPERATION_LATE, {0: 404, 4: 404, 6: "running", 10: "succeeded"}),
        (Fault.OPERATION_ODD, {0: "validating", 6: "running", 10: "succeeded"}),
    ],
)
def test_faults_of_the_operation(fault: Fault, course: dict[int, str | int]) -> None:
    """Each operation goes as its fault's name says; the account is reset unless it failed or never ended."""

    async def look() -> None:
        here = tenant(fault)
        async with visiting(here) as visitor:
            location = (await visitor.reset(ID)).headers["Location"]
            elapsed = 0
            for at, expected in course.items():
                await visitor.pause(at - elapsed)
                elapsed = at
                reply = await visitor.ask("GET", location)
                assert (reply.body["status"] if reply.status == 200 else reply.status) == expected
            unchanged = {Fault.OPERATION_FAILS, Fault.OPERATION_REJECTS, Fault.OPERATION_NEVER_ENDS}
            assert here.password_of(ID) == (None if fault in unchanged else GOOD)

    run_virtual(look())


def test_operations_take_effect_in_the_order_they_end() -> None:
    """Of two resets under way at once, the one that ends last leaves its password in force."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            await visitor.reset(ID, GOOD)
            await visitor.pause(1)
            await visitor.reset(ID, OTHER)
            await visitor.pause(9.5)
            assert here.password_of(ID) == GOOD
            await visitor.pause(1)
            assert here.password_of(ID) == OTHER
        assert whats(here)[-2:] == [What.APPLIED, What.APPLIED]

    run_virtual(look())


def test_faults_can_be_drawn_by_rates() -> None:
    """A rate strikes about that share of the accounts, and the same ones for the same seed."""

    def struck(seed: int) -> list[str]:
        users = [User(id=f"{n}", user_principal_name=f"{n}@contoso.example", display_name="") for n in range(1000)]
        here = Tenant(users, Behaviour(seed=seed, fault_rates={Fault.LOST_AFTER: 0.2}))
        return [account.user.id for account in here.accounts.values() if account.faults]

    assert 150 < len(struck(1)) < 250
    assert struck(1) == struck(1) != struck(2)


def test_answers_and_operations_take_realistic_time() -> None:
    """A rehearsal's answers take about 50 ms and its operations about 5 s, never none at all."""

    async def look() -> None:
        here = tenant(behaviour=Behaviour())
        async with visiting(here) as visitor:
            loop = asyncio.get_running_loop()
            beginning = loop.time()
            for _ in range(50):
                await visitor.reset(ID)
            assert 0.03 < (loop.time() - beginning) / 50 < 0.12
        seconds = sorted(operation.ends_at - operation.began_at for operation in here.operations.values())
        assert 3 < seconds[25] < 8
        assert seconds[0] > 0.5

    run_virtual(look())
