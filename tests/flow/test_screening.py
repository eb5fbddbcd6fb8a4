"""Screening from end to end: every awkward kind of account, what lifts each rule, and what could not be checked."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from sqlalchemy import select, update

from batchreset.errors import DirectoryError
from batchreset.model import Mark, PasswordSource, Reason, State, Step
from batchreset.rehearsal.behaviour import Route
from batchreset.rehearsal.population import (
    GLOBAL_ADMINISTRATOR,
    HELPDESK_ADMINISTRATOR,
    OPERATOR,
    TENANT_ID,
    Group,
)
from batchreset.rehearsal.tokens import Grant
from batchreset.status import database, record
from batchreset.status.schema import evidence, resets, sends
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, at_desk, object_id, upn, user
from tests.support.runs import put, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.rehearsal.behaviour import Behaviour
    from batchreset.rehearsal.population import User
    from tests.support.desk import Desk, Run

SYNCHRONISING = "d29b2b05-8046-44ba-8758-1e26182fcf32"
ELSEWHERE = "ext_partner.example#EXT#@contoso.example"

#: Accounts that are reset, whatever one might think of them.
RESET = [
    user("plain"),
    user("blocked", enabled=False),
    user("program", never_expires=True),
    user("typed", user_type="Guest"),
    user("synced", synchronised=True),
    user("writeback", synchronised=True, user_principal_name="writeback@federated.example"),
    user("stale", password_changed_at="2026-11-01T00:00:00Z"),
]
#: Accounts that are left out, each with its reason.
LEFT_OUT = {
    Reason.PROTECTED: [user("breakglass"), user("byid"), user("board"), user("staff")],
    Reason.SYNC_ACCOUNT: [
        user("connect", roles=(SYNCHRONISING,)),
        user("named", user_principal_name="Sync_DC01_0a1b2c3d4e5f@contoso.onmicrosoft.com"),
    ],
    Reason.PRIVILEGED: [
        user("helpdesk", roles=(HELPDESK_ADMINISTRATOR,)),
        user("activates", eligible_roles=(GLOBAL_ADMINISTRATOR,)),
        user("nested"),
        user("member"),
        user("promoted"),
        user("owner"),
    ],
    Reason.RESTRICTED: [user("restricted", restricted=True)],
    Reason.GUEST: [user("guest", guest=True), user("ext", guest=True, user_principal_name=ELSEWHERE)],
    Reason.FEDERATED: [user("fed", federated=True, user_principal_name="fed@federated.example")],
    Reason.CHANGED_SINCE: [user("fresh", password_changed_at="2026-11-20T12:00:00Z")],
}
EVERYBODY = [*RESET, *(each for accounts in LEFT_OUT.values() for each in accounts)]


def group(name: str, *members: str, **facts: Any) -> Group:
    """Make a group of users and groups by their names."""
    return Group(id=object_id(name), display_name=name, members=tuple(map(object_id, members)), **facts)


GROUPS = [
    group("Board", "board", "inner board"),
    group("inner board", "plain-not"),
    group("Admins", "inner", is_assignable_to_role=True, roles=(GLOBAL_ADMINISTRATOR,)),
    group("inner", "nested"),
    group("Perhaps", "member", is_assignable_to_role=True, owners=(object_id("owner"),)),
    group("May be", "promoted", is_assignable_to_role=True, eligible_roles=(GLOBAL_ADMINISTRATOR,)),
]


@asynccontextmanager
async def desk_of_all(out: Path, behaviour: Behaviour = STEADY, **settings: Any) -> AsyncIterator[Desk]:
    """Serve a tenant with accounts of every kind, and the groups that they are in."""
    async with at_desk(out, EVERYBODY, behaviour, **settings) as desk:
        desk.tenant.groups = {each.id: each for each in GROUPS}
        desk.tenant.domains = {"contoso.example": "Managed", "Federated.example": "Federated"}
        yield desk


def names(accounts: list[User]) -> list[str]:
    return [account.user_principal_name for account in accounts]


def table(folder: Path) -> dict[str, Any]:
    """Return the rows of a run by the name that the cohort has for each."""
    engine = database.connect(folder)
    try:
        with engine.connect() as connection:
            return {line.identifier: line for line in connection.execute(select(resets))}
    finally:
        engine.dispose()


def unchecked(plan: Plan) -> tuple[str, ...]:
    return plan.record.unchecked


def told_of(plan: Plan, name: str) -> tuple[str, str | None]:
    """Return why an account is left out, in short and in words; its state where it is not."""
    row = table(plan.folder)[upn(name)]
    return row.reason or row.state, row.detail


def person(*permissions: str) -> str:
    """Write an access token as a person has it, with these permissions."""
    claims = {"scp": " ".join(permissions), "oid": OPERATOR.id, "tid": TENANT_ID, "exp": int(time.time() + 3600)}
    return jwt.encode(claims, "a key that nobody checks, 32 bytes and more")


def test_every_awkward_account_is_left_out_with_its_reason(tmp_path: Path) -> None:
    """And receives no write at all, by the tenant's own record; all others are reset."""
    staff = tmp_path / "staff.csv"
    staff.write_text(f"userPrincipalName\n{upn('staff')}\n", encoding="utf-8")
    lines = [*names(EVERYBODY), upn("nobody"), OPERATOR.user_principal_name, upn("plain"), object_id("plain"), "???"]

    async def go() -> tuple[Plan, Run]:
        async with desk_of_all(
            tmp_path,
            protect=(upn("breakglass").upper(), object_id("byid")),
            protect_group=("Board",),
            except_=(str(staff),),
            skip_changed_since="2026-11-19",
        ) as desk:
            plan = await desk.plan(*lines)
            return plan, await desk.carry_out(plan)

    plan, run = run_virtual(go())
    assert unchecked(plan) == ()
    assert dict(run.summary.reasons) == {
        **{reason: len(accounts) for reason, accounts in LEFT_OUT.items()},
        Reason.SELF: 1,
        Reason.NOT_FOUND: 1,
        Reason.DUPLICATE: 2,
        Reason.INVALID_IDENTIFIER: 1,
    }
    outcomes = {row["identifier"]: (row["outcome"], row["reason"]) for row in run.rows[: len(EVERYBODY)]}
    assert outcomes == {
        **dict.fromkeys(names(RESET), ("succeeded", "")),
        **{name: ("excluded", reason) for reason, accounts in LEFT_OUT.items() for name in names(accounts)},
    }
    for accounts in LEFT_OUT.values():
        for account in accounts:
            assert run.tenant.events_of(account.id) == [], account
    assert run.tenant.events_of(OPERATOR.id) == []
    assert not run.disagreements()

    rows = table(run.folder)
    details = {
        name: rows[upn(name)].detail for name in ("breakglass", "board", "staff", "activates", "nested", "fresh")
    }
    assert details == {
        "breakglass": "named by --protect",
        "board": "member of group Board",
        "staff": "named in staff.csv",
        "activates": "may activate a directory role",
        "nested": "holds a directory role",
        "fresh": "its password changed at 2026-11-20T12:00:00Z",
    }
    assert rows["fed@federated.example"].detail == "federated.example is a federated domain"
    marks = {name: json.loads(row.marks) for name, row in rows.items() if row.marks != "[]"}
    assert marks == {
        OPERATOR.user_principal_name: [Mark.PRIVILEGED],
        upn("blocked"): [Mark.DISABLED],
        upn("program"): [Mark.SERVICE],
        upn("restricted"): [Mark.RESTRICTED],
        upn("connect"): [Mark.OUT_OF_REACH, Mark.PRIVILEGED],
        upn("helpdesk"): [Mark.OUT_OF_REACH, Mark.PRIVILEGED],
        upn("activates"): [Mark.PRIVILEGED],
        **{upn(name): [Mark.OUT_OF_REACH, Mark.PRIVILEGED] for name in ("nested", "member", "promoted", "owner")},
    }
    assert (rows[upn("synced")].domain, rows[upn("plain")].domain) == ("corp.contoso.example", "")
    assert not run.tenant.accounts[object_id("blocked")].enabled

    engine = database.connect(run.folder)
    with engine.connect() as connection:
        before = select(evidence.c.reset_id, evidence.c.said).where(evidence.c.moment == "before")
        said = {reset: json.loads(text) for reset, text in connection.execute(before)}
    assert record.load(engine).domains == ("contoso.example", "federated.example")
    engine.dispose()
    assert len(said) == len(EVERYBODY) + 2  # the operator, and the one account that goes by two names
    assert said[2]["accountEnabled"] is False
    assert said[3]["passwordPolicies"] == "DisablePasswordExpiration"


def test_what_lifts_a_rule(tmp_path: Path) -> None:
    """The options that say so; nothing lifts the others, and the roles that bar are foreseen."""

    async def go() -> Plan:
        async with desk_of_all(
            tmp_path, replace(STEADY, may_activate_roles=False), include_privileged=True, include_restricted=True
        ) as desk:
            return await desk.plan()

    plan = run_virtual(go())
    # Without the licence for it there are no roles to be activated, and nothing that could not be checked.
    assert unchecked(plan) == ()
    ready = {name for name, row in table(plan.folder).items() if row.state == State.READY}
    stay = [*LEFT_OUT[Reason.SYNC_ACCOUNT], *LEFT_OUT[Reason.GUEST], *LEFT_OUT[Reason.FEDERATED]]
    assert ready == set(names(EVERYBODY)) - set(names(stay))
    marked = {name for name, row in table(plan.folder).items() if Mark.OUT_OF_REACH in json.loads(row.marks)}
    assert marked == {*map(upn, ("connect", "helpdesk", "nested", "member", "promoted", "owner"))}


def test_the_system_and_the_blocked_may_be_left_out(tmp_path: Path) -> None:
    """Blocked accounts where that is asked for, and those from on-premises where they cannot be given a password."""

    async def go() -> Plan:
        async with desk_of_all(tmp_path, skip_disabled=True, password_source=PasswordSource.SYSTEM) as desk:
            return await desk.plan(*map(upn, ("blocked", "synced", "plain")))

    plan = run_virtual(go())
    assert [told_of(plan, name)[0] for name in ("blocked", "synced", "plain")] == ["disabled", "synchronised", "ready"]


READ = "administrators are not left out; {} allows it."
REFUSED = {
    Route.ROLES: ("Who holds a directory role could not", READ.format("RoleManagement.Read.Directory"), "helpdesk"),
    Route.ELIGIBLE: ("Who may activate a directory", READ.format("RoleManagement.Read.Directory"), "activates"),
    Route.GROUPS: ("Who holds a directory role through", READ.format("GroupMember.Read.All"), "nested"),
    Route.MEMBERS: ("Who holds a directory role through", READ.format("GroupMember.Read.All"), "nested"),
    Route.OWNERS: ("Who holds a directory role through", READ.format("GroupMember.Read.All"), "owner"),
    Route.GROUP: (f"--protect-group {object_id('Board')}: it could", "GroupMember.Read.All allows it.", "board"),
}


@pytest.mark.parametrize("route", REFUSED)
def test_a_look_up_that_is_refused_is_said(tmp_path: Path, route: Route) -> None:
    """What could not be checked, what that means, and what would allow it: the account in question is not left out."""
    begins, ends, name = REFUSED[route]

    async def go() -> Plan:
        behaviour = replace(STEADY, forbidden=frozenset({route}))
        protected = (object_id("Board"),) if route is Route.GROUP else ()
        async with desk_of_all(tmp_path, behaviour, protect_group=protected) as desk:
            return await desk.plan(upn("plain"), upn(name))

    plan = run_virtual(go())
    (sentence,) = unchecked(plan)
    assert sentence.startswith(begins)
    assert sentence.endswith(ends)
    assert "HTTP 403" in sentence
    assert told_of(plan, name)[0] == "ready"


def test_what_is_not_the_tenants_protects_nobody(tmp_path: Path) -> None:
    """And that is said, for a name or a group alike: a misspelt exception would reset somebody."""
    empty = group("Empty")
    nobody = "nobody in this tenant has this name, so nobody is protected by it; check its spelling."
    group_id = "give its object id, or its whole name"

    async def go() -> Plan:
        async with desk_of_all(
            tmp_path,
            protect=("breakgalss@contoso.example", "break glass", upn("byid")),
            protect_group=("Bored", empty.id, "Board"),
        ) as desk:
            desk.tenant.groups[empty.id] = empty
            return await desk.plan(*map(upn, ("breakglass", "byid", "board")))

    plan = run_virtual(go())
    assert unchecked(plan) == (
        f"--protect breakgalss@contoso.example: {nobody}",
        f"--protect break glass: {nobody}",
        f"--protect-group Bored: there is no such group in this tenant; {group_id}; nobody is protected by it.",
        f"--protect-group {empty.id}: no members of it may be read, so nobody is protected by it.",
    )
    assert [told_of(plan, name)[0] for name in ("breakglass", "byid", "board")] == ["ready", "protected", "protected"]


def test_what_the_sign_in_may_not_do_is_said_beforehand(tmp_path: Path) -> None:
    """By a token that tells its permissions; an application may not even know the domains."""
    look_ups = ("User.Read.All", "RoleManagement.Read.Directory", "GroupMember.Read.All")

    async def go() -> tuple[Plan, Plan, Plan, Plan]:
        async with desk_of_all(tmp_path, revoke_sessions="after", disable=True) as desk:
            opaque = await desk.plan(upn("plain"))
            granted = (*look_ups, "UserAuthenticationMethod.ReadWrite.All")
            desk.use(person(*granted), Grant(permissions=frozenset(granted)))
            lacking = await desk.plan(upn("plain"))
            desk.be_an_application(*look_ups)
            application = await desk.plan(upn("plain"))
            desk.use("another", Grant())
            desk.tenant.domains = {}
            return opaque, lacking, application, await desk.plan(upn("plain"))

    opaque, lacking, application, untold = run_virtual(go())
    assert unchecked(opaque) == ()
    (sentence,) = unchecked(untold)
    assert sentence.startswith("The tenant's domains could not be read (none is told), so accounts of federated ones")
    sessions, blocking = unchecked(lacking)
    assert sessions.startswith("Sessions cannot be revoked: the sign-in lacks User.RevokeSessions.All;")
    assert blocking.startswith("Sign-in cannot be blocked: the sign-in lacks User.EnableDisableAccount.All;")
    (domains,) = unchecked(application)
    assert domains.startswith("The tenant's domains could not be read (HTTP 403")
    assert domains.endswith("so accounts of federated ones are not left out; Organization.Read.All allows it.")


def test_accounts_that_may_not_be_read_stop_everything(tmp_path: Path) -> None:
    """Whoever is to be protected cannot be told from anybody else."""

    async def go() -> None:
        async with desk_of_all(
            tmp_path, replace(STEADY, forbidden=frozenset({Route.USERS})), protect=(upn("byid"),)
        ) as desk:
            await desk.plan(upn("plain"))

    with pytest.raises(DirectoryError, match=r"Accounts may not be read .*; nothing was sent\. User\.Read\.All"):
        run_virtual(go())


def test_what_this_run_did_itself_leaves_nobody_out(tmp_path: Path) -> None:
    """An account that it blocked before a crash is reset all the same, and was open when it was found."""

    async def go() -> tuple[Run, list[str]]:
        async with desk_of_all(tmp_path, skip_disabled=True, disable=True) as desk:
            plan = await desk.plan(upn("plain"), upn("stale"))
            # As a crash leaves it between the answer to the block and the reset.
            engine = database.connect(plan.folder)
            lost = {"request_id": None, "answered_at": None, "status": None, "verdict": None}
            put(engine, sends, [send(1, step=Step.DISABLE) | lost])
            with engine.begin() as connection:
                connection.execute(update(evidence).where(evidence.c.reset_id == 1).values(said="{}"))
            engine.dispose()
            desk.tenant.accounts[object_id("plain")].enabled = False
            desk.tenant.accounts[object_id("stale")].enabled = False
            run = await desk.resume(plan.folder)
            engine = database.connect(plan.folder)
            with engine.connect() as connection:
                first = select(evidence.c.said).where(evidence.c.reset_id == 1, evidence.c.moment == "before")
                said = list(connection.execute(first).scalars())
            engine.dispose()
            return run, said

    run, said = run_virtual(go())
    rows = table(run.folder)
    assert (run.row("plain")["outcome"], run.row("stale")["reason"]) == ("succeeded", Reason.DISABLED)
    assert (rows[upn("plain")].enabled_before, rows[upn("plain")].marks) == (1, "[]")
    assert (rows[upn("stale")].enabled_before, rows[upn("stale")].marks) == (0, '["disabled"]')
    assert said == ["{}"]
