"""Runs by password-profile, and who gets which route."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.cli.words import plan_text, plan_values
from batchreset.errors import SettingsError
from batchreset.model import Method, Outcome, PasswordSource
from batchreset.rehearsal.behaviour import WRITES, Behaviour, Fault, Route, Spread
from batchreset.rehearsal.population import TENANT_ID
from batchreset.rehearsal.signin import CLIENT_ID
from batchreset.rehearsal.tenant import MustChange, Tenant, What
from batchreset.rehearsal.tokens import Grant
from batchreset.settings import Auth
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Desk, Run, at_desk, happened, object_id, user, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan

PROFILE = Method.PASSWORD_PROFILE


FAULTS = (Fault.LOST_AFTER, Fault.REJECTED, Fault.NO_LOCATION)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run with a few faults in it."""

    async def go() -> Run:
        accounts = [user(fault, fault) for fault in FAULTS]
        out = tmp_path_factory.mktemp("faults")
        async with at_desk(out, accounts, method=PROFILE, directory_lag="1m", max_failures="100%") as desk:
            return await desk.run()

    return run_virtual(go())


def test_what_was_reset_is_sure_and_confirmed(run: Run) -> None:
    """Each has one password, which opens the account, and the time at which the directory showed the change."""
    reset = [row for row in run.rows if row["outcome"] == Outcome.SUCCEEDED]
    assert all(
        row["verified_at"] >= row["finished_at"] >= row["accepted_at"] or not row["accepted_at"] for row in reset
    )
    sure = [each.object_id for each in run.passwords if each.certainty == "sure"]
    assert sorted(sure) == sorted(row["object_id"] for row in reset)
    assert not run.disagreements()


def test_the_report_says_by_which_route(run: Run) -> None:
    """In each row that was sent and in the summary; there is no operation to name."""
    assert {row["method"] for row in run.rows} == {"password-profile"} == {run.summary.method}
    assert {row["operation_url"] for row in run.rows} == {""}
    assert run.summary.traffic["polls"] == 0


def test_an_accepted_profile_is_a_reset_whether_or_not_the_directory_shows_it(tmp_path: Path) -> None:
    """The look at the directory only says when; a directory that lags behind its lag changes no outcome."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(3), replace(STEADY, directory_lag=600), method=PROFILE) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 3}
    assert {row["verified_at"] for row in run.rows} == {""}
    assert 300 < run.summary.seconds < 400
    assert {each.certainty for each in run.passwords} == {"sure"}


def test_a_confirmation_that_is_cut_off_leaves_nothing_open(tmp_path: Path) -> None:
    """The sign-in ends right after the last answer: everybody was reset, and the run has finished."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(3), replace(STEADY, directory_lag=60), method=PROFILE) as desk:
            plan = await desk.plan()
            return await desk.carry_out(plan, lambda told: desk.lose_sign_in() if told.done == 3 else None)

    run = run_virtual(go())
    assert (run.counts, run.status) == ({"succeeded": 3}, 0)


def application(
    tmp_path: Path, accounts: list[Any], *permissions: str, behaviour: Behaviour = STEADY, **settings: Any
) -> tuple[Plan, Run]:
    """Plan and carry out as an application that has told who it is."""

    async def go() -> tuple[Plan, Run]:
        async with at_desk(tmp_path, accounts, behaviour, auth=Auth.TOKEN, **settings) as desk:
            desk.be_an_application(*permissions)
            plan = await desk.plan()
            return plan, await desk.carry_out(plan)

    return run_virtual(go())


def test_an_application_takes_the_route_that_is_open_to_it(tmp_path: Path) -> None:
    """It never asks who it is; synchronised accounts are left out, and plan and report say who, how and why."""
    accounts = [user("ana"), user("cem", synchronised=True)]
    permissions = ("User.Read.All", "User-PasswordProfile.ReadWrite.All", "RoleManagement.Read.Directory")
    plan, run = application(tmp_path, accounts, *permissions)
    assert run.counts == {"succeeded": 1, "excluded": 1}
    assert run.row("cem")["reason"] == "synchronised"
    assert not happened(run.tenant, "cem")
    assert happened(run.tenant, "ana") == [What.RECEIVED, What.APPLIED]
    assert not [route for route, _ in run.tenant.requests if route is Route.ME]
    assert run.summary.operator == {"object_id": None, "user": f"application {CLIENT_ID}"}
    assert run.tenant.accounts[object_id("ana")].must_change is MustChange.YES
    assert run.row("ana")["must_change"] == "yes"
    text = plan_text(plan)
    assert "password-profile, since an application signed in; it cannot reach synchronised accounts" in text
    assert f"application {CLIENT_ID}" in text
    assert f"PATCH {run.tenant.url}/v1.0/users/{object_id('ana')}" in text
    assert '{"passwordProfile": {"forceChangePasswordNextSignIn": true, "password": "***"}}' in text
    # The tenant's name was not to be read by that: it goes by its id.
    assert run.summary.tenant == {"id": TENANT_ID, "name": ""}
    assert f"tenant         {TENANT_ID}\n" in text


def test_an_application_whose_token_tells_nothing_is_known_by_having_no_me(tmp_path: Path) -> None:
    """Graph's own refusal of /me says so; it is called an application, and takes the same route."""

    async def go() -> tuple[Plan, Run]:
        async with at_desk(tmp_path, users(2), auth=Auth.TOKEN) as desk:
            desk.use("opaque", Grant(is_app_only=True))
            plan = await desk.plan()
            return plan, await desk.carry_out(plan)

    plan, run = run_virtual(go())
    assert run.counts == {"succeeded": 2}
    assert (plan.record.method, plan.record.operator.user) == (PROFILE, "an application")
    assert plan.record.operator.tenant == "Contoso Rehearsal"


def test_a_person_takes_reset_password_unless_asked_otherwise(tmp_path: Path) -> None:
    """And is told why; a plan as JSON says the same."""

    async def go(desk: Desk) -> Plan:
        return await desk.plan()

    for asked, because in ((Method.AUTO, "since a person signed in"), (Method.RESET_PASSWORD, "as --method asks for")):

        async def at(asked: Method = asked) -> Plan:
            async with at_desk(tmp_path, users(1), method=asked) as desk:
                return await go(desk)

        plan = run_virtual(at())
        assert f"reset-password, {because}\n" in plan_text(plan)
        assert plan_values(plan)["method"] == "reset-password"
        assert plan_values(plan)["method_because"] == because


IMPOSSIBLE: list[tuple[bool, dict[str, Any], str]] = [
    (True, {"method": Method.RESET_PASSWORD}, "does not let an application do this"),
    (True, {"password_source": PasswordSource.SYSTEM}, "makes no passwords on the route password-profile"),
    (False, {"method": PROFILE, "password_source": PasswordSource.SYSTEM}, "makes no passwords"),
    (False, {"require_mfa": True}, "add --method password-profile"),
    (False, {"method": Method.RESET_PASSWORD, "require_mfa": True}, "add --method password-profile"),
]


@pytest.mark.parametrize(("is_app_only", "settings", "sentence"), IMPOSSIBLE)
def test_what_cannot_be_had_is_refused_before_anything_is_sent(
    tmp_path: Path,
    is_app_only: bool,  # noqa: FBT001  a parameter of the test
    settings: dict[str, Any],
    sentence: str,
) -> None:
    """One sentence, no folder, and not a write at the tenant."""

    async def go() -> Tenant:
        async with at_desk(tmp_path, users(2), auth=Auth.TOKEN, **settings) as desk:
            if is_app_only:
                desk.be_an_application()
            with pytest.raises(SettingsError, match=sentence):
                await desk.plan()
            return desk.tenant

    tenant = run_virtual(go())
    assert not [route for route, _ in tenant.requests if route in WRITES]
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("settings", "expected", "told"),
    [
        ({"require_mfa": True}, MustChange.WITH_MFA, "yes"),
        ({"body_property": ("forceChangePasswordNextSignIn=false",)}, MustChange.NO, "no"),
        ({"header": ("X-Ticket=INC-1",)}, MustChange.YES, "yes"),
    ],
)
def test_what_users_have_to_do_at_their_next_sign_in(
    tmp_path: Path, settings: dict[str, Any], expected: MustChange, told: str
) -> None:
    """By default they choose a password; after MFA where asked for; not at all where the body says so, as B2C needs."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(1), method=PROFILE, **settings) as desk:
            plan = await desk.plan()
            # What a header says may be a key.
            assert ("X-Ticket: ***\n" in (plan.first_request or "")) is ("header" in settings)
            assert "INC-1" not in (plan.folder / "plan.html").read_text(encoding="utf-8")
            return await desk.carry_out(plan)

    run = run_virtual(go())
    assert run.tenant.accounts[object_id("user000")].must_change is expected
    assert run.row("user000")["must_change"] == told


def test_a_run_keeps_its_route(tmp_path: Path) -> None:
    """A person's plan is not carried out by an application, whose route it is not; a person may go on with its."""

    async def go() -> tuple[Plan, Run]:
        async with at_desk(tmp_path, users(2), auth=Auth.TOKEN) as desk:
            person, of_person = desk.tokens, await desk.plan()
            desk.be_an_application()
            with pytest.raises(SettingsError, match="does not let an application"):
                await desk.resume(of_person.folder, anyway=True)
            assert not happened(desk.tenant, "user000")
            of_application = await desk.plan()
            desk.tokens = person
            return of_application, await desk.resume(of_application.folder, anyway=True)

    plan, run = run_virtual(go())
    assert run.counts == {"succeeded": 2}
    assert run.summary.method == plan.record.method == PROFILE
    assert run.summary.operator["user"] == "operator@contoso.example"


def test_a_token_that_will_not_last_is_told_of(tmp_path: Path) -> None:
    """In text and in JSON: when it ends, how long sending takes, and what then; one that lasts is not mentioned."""

    async def go(lasts: float) -> Plan:
        async with at_desk(tmp_path, users(20), auth=Auth.TOKEN, rate=0.1) as desk:
            desk.be_an_application(lasts=lasts)
            return await desk.plan()

    short, long = run_virtual(go(130)), run_virtual(go(3600))
    (warning,) = short.warnings
    assert "in about 2 min, and sending takes about 3 min: the run will halt then" in warning
    assert f"Mind:\n  {warning}" in plan_text(short)
    assert plan_values(short)["warnings"] == [warning]
    assert long.warnings == ()


def test_a_second_ctrl_c_on_the_other_route_loses_nothing(tmp_path: Path) -> None:
    """Requests let go of are in doubt, and are sent again with the same password."""

    async def go() -> tuple[Run, Run]:
        behaviour = replace(STEADY, latency=Spread(30))
        async with at_desk(tmp_path, users(20), behaviour, workers=8, method=PROFILE) as desk:
            plan, requests = await desk.plan(), desk.tenant.requests
            twice = [signal.SIGINT, signal.SIGINT]

            def tell(_told: object) -> None:
                while requests[Route.UPDATE, 204] == 8 and twice:
                    signal.raise_signal(twice.pop())

            stopped = await desk.carry_out(plan, tell)
            return stopped, await desk.resume(stopped.folder)

    stopped, resumed = run_virtual(go())
    assert stopped.counts == {"unresolved": 8, "not_attempted": 12}
    assert resumed.counts == {"succeeded": 20}
    assert {each.certainty for each in resumed.passwords} == {"sure"}
    assert not resumed.disagreements()
