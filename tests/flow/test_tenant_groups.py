"""What the simulated tenant tells of groups, roles that come through them, and risk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchreset.rehearsal.behaviour import UNHINDERED, Behaviour, Route
from batchreset.rehearsal.population import (
    DOMAIN,
    GLOBAL_ADMINISTRATOR,
    HELPDESK_ADMINISTRATOR,
    OPERATOR,
    Group,
    at_risk,
    groups_of,
    populate,
)
from batchreset.rehearsal.quota import Limit
from batchreset.rehearsal.tenant import Tenant
from batchreset.rehearsal.tokens import Grant
from tests.support.clock import run_virtual
from tests.support.desk import object_id, upn, user, users
from tests.support.visitor import Reply, Visitor, visiting

EVENTUALLY = {"ConsistencyLevel": "eventual"}
ASSIGNMENTS = "/roleManagement/directory/roleAssignments"
ELIGIBLE = "/roleManagement/directory/roleEligibilityScheduleInstances"
RISKY = "/identityProtection/riskyUsers"


def group(name: str, *members: str, **changes: Any) -> Group:
    """Make a group of accounts, and of groups, by their names; `changes` are fields of `Group`."""
    plain = Group(id=object_id(name), display_name=name, members=tuple(object_id(member) for member in members))
    return replace(plain, **changes)


async def members(visitor: Visitor, name: str, **query: str) -> list[dict[str, Any]]:
    """Follow the pages of a group's transitive members to the end."""
    params = {"$count": "true", **{f"${option}": value for option, value in query.items()}}
    path = f"/groups/{object_id(name)}/transitiveMembers/microsoft.graph.user"
    reply, found = await visitor.ask("GET", path, params=params, headers=EVENTUALLY), []
    while True:
        assert reply.status == 200, reply.body
        found += reply.body["value"]
        if "@odata.nextLink" not in reply.body:
            assert reply.body["@odata.count"] == len(found)
            return found
        reply = await visitor.ask("GET", reply.body["@odata.nextLink"], headers=EVENTUALLY)


def ids(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.body
    return [item["id"] for item in reply.body["value"]]


def test_groups_are_found_by_name_and_by_id() -> None:
    """By display name in any case, of which there may be two; by id; those for roles; and by nothing else."""
    groups = [group("Leaked"), group("Admins", is_assignable_to_role=True), group("leaked", id=object_id("other"))]

    async def look() -> None:
        async with visiting(Tenant((), UNHINDERED, groups)) as visitor:
            assert ids(await visitor.get("/groups", filter="displayName eq 'LEAKED'")) == [groups[0].id, groups[2].id]
            assert ids(await visitor.get("/groups", filter="displayName eq 'nobody''s'")) == []
            assert ids(await visitor.get("/groups", filter="isAssignableToRole eq true", top="999")) == [groups[1].id]
            assert ids(await visitor.get("/groups")) == [one.id for one in groups]
            one = (await visitor.get(f"/groups/{groups[1].id.upper()}", select="id,displayName")).body
            assert (one["id"], one["displayName"]) == (groups[1].id, "Admins")
            assert set(one) == {"@odata.context", "id", "displayName"}
            assert (await visitor.get(f"/groups/{object_id('nobody')}")).code == "Request_ResourceNotFound"
            for path, query in [
                ("/groups/Leaked", {}),
                ("/groups", {"filter": "mail eq 'leaked@contoso.example'"}),
                ("/groups", {"filter": "isAssignableToRole eq false"}),
                ("/groups", {"select": "userPrincipalName"}),
            ]:
                assert (await visitor.get(path, **query)).status == 400

    run_virtual(look())


def test_a_group_holds_those_in_its_groups_too() -> None:
    """Once each, though groups hold one another; who was deleted, and groups themselves, are not there."""
    groups = [
        group("outer", "user000", "inner", "user001", "gone"),
        group("inner", "user001", "user002", "innermost"),
        group("innermost", "outer", "user003"),
        group("empty"),
    ]

    async def look() -> None:
        async with visiting(Tenant(users(5), UNHINDERED, groups)) as visitor:
            found = await members(visitor, "outer", select="userPrincipalName", top="3")
            assert sorted(one["userPrincipalName"] for one in found) == [upn(f"user00{number}") for number in range(4)]
            assert {one["id"] for one in await members(visitor, "innermost")} == {
                object_id(f"user00{number}") for number in range(4)
            }
            assert await members(visitor, "empty") == []

    run_virtual(look())


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, {"$count": "true"}),
        (EVENTUALLY, {}),
        (EVENTUALLY, {"$count": "true", "$filter": "startswith(displayName,'a')"}),
    ],
)
def test_members_are_told_to_advanced_queries_only(headers: dict[str, str], query: dict[str, str]) -> None:
    """Without the header, without counting, or filtered: refused."""

    async def look() -> Reply:
        async with visiting(Tenant((), UNHINDERED, [group("leaked")])) as visitor:
            path = f"/groups/{object_id('leaked')}/transitiveMembers/microsoft.graph.user"
            return await visitor.ask("GET", path, params=query, headers=headers)

    reply = run_virtual(look())
    assert (reply.status, reply.code) == (400, "Request_UnsupportedQuery")


def test_twelve_thousand_members_are_there_once_each() -> None:
    """In three nested groups, over 24 pages."""
    everybody = [user(f"member{number:05}") for number in range(12_000)]
    parts = [[one.id for one in everybody[start::3]] for start in range(3)]
    groups = [replace(group(f"part{number}"), members=tuple(part)) for number, part in enumerate(parts)]
    groups.append(group("all", "part0", "part1", "part2"))

    async def look() -> list[str]:
        async with visiting(Tenant(everybody, UNHINDERED, groups)) as visitor:
            return [one["id"] for one in await members(visitor, "all", select="id", top="500")]

    found = run_virtual(look())
    assert len(found) == 12_000
    assert set(found) == {one.id for one in everybody}


def test_members_cost_five_units_and_four_with_select() -> None:
    """A quota of fourteen is two times all that is told of them and one time a part of it."""

    async def look() -> None:
        tenant = Tenant((), replace(UNHINDERED, units=Limit(rate=0.001, depth=14)), [group("leaked")])
        path = f"/groups/{object_id('leaked')}/transitiveMembers/microsoft.graph.user?$count=true"
        async with visiting(tenant) as visitor:
            asked = [path, path, f"{path}&$select=id", f"{path}&$select=id"]
            replies = [await visitor.ask("GET", each, headers=EVENTUALLY) for each in asked]
            assert [reply.status for reply in replies] == [200, 200, 200, 429]

    run_virtual(look())


def test_roles_are_held_through_groups_too() -> None:
    """Their assignments name the group; who is in it, or in or owner of any group for roles, is not everybody's."""
    groups = [
        group("admins", "ana", is_assignable_to_role=True, roles=(GLOBAL_ADMINISTRATOR,)),
        group("future admins", "ben", is_assignable_to_role=True, eligible_roles=(HELPDESK_ADMINISTRATOR,)),
        group("staff", "cleo", owners=(object_id("cleo"),)),
        group("perhaps", is_assignable_to_role=True, owners=(object_id("dora").upper(), object_id("nobody"))),
    ]
    accounts = [user("ana"), user("ben"), user("dora"), user("cleo", eligible_roles=(GLOBAL_ADMINISTRATOR,))]

    async def look() -> None:
        async with visiting(Tenant(accounts, UNHINDERED, groups)) as visitor:
            kinds = {
                one["principalId"]: one["principal"]["@odata.type"].rpartition(".")[2]
                for one in (await visitor.get(ASSIGNMENTS, expand="principal")).body["value"]
            }
            assert kinds.pop(OPERATOR.id) == "user"
            assert kinds.pop(object_id("admins")) == "group"
            assert list(kinds.values()) == ["servicePrincipal"]
            eligible = (await visitor.get(ELIGIBLE, select="principalId,roleDefinitionId")).body["value"]
            assert {(one["principalId"], one["roleDefinitionId"]) for one in eligible} == {
                (object_id("cleo"), GLOBAL_ADMINISTRATOR),
                (object_id("future admins"), HELPDESK_ADMINISTRATOR),
            }
            names = ("ana", "ben", "dora", "cleo")
            assert [(await visitor.reset(upn(name))).status for name in names] == [403, 403, 403, 202]
            owners = await visitor.get(f"/groups/{object_id('perhaps')}/owners/microsoft.graph.user", select="id")
            assert owners.body["value"] == [{"id": object_id("dora")}]
        all_powerful = replace(UNHINDERED, may_reset_privileged=True)
        async with visiting(Tenant(accounts, all_powerful, groups)) as visitor:
            assert [(await visitor.reset(upn(name))).status for name in ("ana", "ben")] == [202, 202]
        async with visiting(Tenant(accounts, replace(UNHINDERED, may_activate_roles=False), groups)) as visitor:
            refused = await visitor.get(ELIGIBLE)
            assert (refused.status, refused.code) == (400, "AadPremiumLicenseRequired")

    run_virtual(look())


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ("riskState eq 'atRisk'", ["high", "medium", "low", "high"]),
        ("riskState eq 'atRisk' and riskLevel eq 'high'", ["high", "high"]),
        ("riskState eq 'atRisk' and (riskLevel eq 'high' or riskLevel eq 'medium')", ["high", "medium", "high"]),
        ("(riskLevel eq 'low') and riskState eq 'atRisk'", ["low"]),
        ("riskLevel eq 'low' or riskLevel eq 'medium'", ["medium", "low"]),
        ("riskState eq 'dismissed'", []),
        ("riskState eq 'atRisk' and riskLevel eq 'low' or riskLevel eq 'high'", None),
        ("riskLevel in ('high')", None),
        ("userPrincipalName eq 'ana@contoso.example'", None),
        ("", None),
    ],
)
def test_those_at_risk_are_told_by_level(filter_: str, found: list[str] | None) -> None:
    """Nobody else is; what cannot be filtered by is an error, never a wrong answer. Pages hold five hundred at most."""

    async def look() -> None:
        async with visiting(Tenant(at_risk(users(61)), UNHINDERED)) as visitor:
            reply = await visitor.get(RISKY, filter=filter_)
            assert reply.status == (400 if found is None else 200)
            if found is not None:
                assert [one["riskLevel"] for one in reply.body["value"]] == found
            pages = [await visitor.get(RISKY, top="3", select="id,riskState,isDeleted")]
            pages.append(await visitor.ask("GET", pages[0].body["@odata.nextLink"]))
            assert [len(page.body["value"]) for page in pages] == [3, 1]
            assert pages[1].body["value"] == [{"id": object_id("user060"), "riskState": "atRisk", "isDeleted": False}]
            assert (await visitor.get(RISKY, top="501")).status == 400

    run_virtual(look())


@pytest.mark.parametrize("is_app_only", [False, True])
@pytest.mark.parametrize(
    ("path", "openers"),
    [
        ("/groups", "GroupMember.Read.All Group.Read.All Directory.Read.All"),
        (f"/groups/{object_id('leaked')}", "GroupMember.Read.All Group.Read.All Directory.Read.All"),
        (
            f"/groups/{object_id('leaked')}/transitiveMembers/microsoft.graph.user?$count=true",
            "GroupMember.Read.All Group.Read.All Directory.Read.All",
        ),
        (RISKY, "IdentityRiskyUser.Read.All"),
        (ELIGIBLE, "RoleManagement.Read.Directory RoleEligibilitySchedule.Read.Directory"),
        (ASSIGNMENTS, "RoleManagement.Read.Directory Directory.Read.All"),
    ],
)
def test_each_look_up_needs_a_permission_of_its_own(path: str, openers: str, is_app_only: bool) -> None:  # noqa: FBT001  a parameter of pytest's
    """Any one of these opens it, to people and to applications alike; all that resets need does not."""
    others = frozenset({"User.Read.All", "UserAuthenticationMethod.ReadWrite.All", "Organization.Read.All"})

    async def look() -> None:
        tenant = Tenant((), UNHINDERED, [group("leaked")])
        async with visiting(tenant, token="theirs") as visitor:
            for permissions, status in [(others, 403), *((others | {opener}, 200) for opener in openers.split())]:
                tenant.tokens.admit("theirs", Grant(is_app_only=is_app_only, permissions=permissions))
                assert (await visitor.ask("GET", path, headers=EVENTUALLY)).status == status, permissions

    run_virtual(look())


def test_a_look_up_may_be_closed_to_the_operator() -> None:
    """Each for itself, whatever the token allows."""
    closed = frozenset({Route.GROUPS, Route.GROUP, Route.MEMBERS, Route.RISKY, Route.ELIGIBLE})

    async def look(behaviour: Behaviour) -> list[int]:
        async with visiting(Tenant((), behaviour, [group("leaked")])) as visitor:
            path = f"/groups/{object_id('leaked')}"
            paths = ["/groups", path, f"{path}/transitiveMembers/microsoft.graph.user?$count=true", RISKY, ELIGIBLE]
            return [(await visitor.ask("GET", each, headers=EVENTUALLY)).status for each in paths]

    assert run_virtual(look(UNHINDERED)) == [200] * 5
    assert run_virtual(look(replace(UNHINDERED, forbidden=closed))) == [403] * 5


def test_a_rehearsals_tenant_can_be_tried_with_groups() -> None:
    """The leaked accounts come through both their groups, the break-glass ones are in the group for emergencies."""
    cohort = populate([f"person{number}@{DOMAIN}" for number in range(100)], 1)
    groups = groups_of(cohort, 1)

    async def look() -> None:
        async with visiting(Tenant(cohort, UNHINDERED, groups)) as visitor:
            (found,) = ids(await visitor.get("/groups", filter="displayName eq 'Leaked accounts'"))
            path = f"/groups/{found}/transitiveMembers/microsoft.graph.user"
            reply = await visitor.ask("GET", path, params={"$count": "true"}, headers=EVENTUALLY)
            assert len(set(ids(reply))) == 30

    run_virtual(look())
