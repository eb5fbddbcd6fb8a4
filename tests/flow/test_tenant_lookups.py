from __future__ import annotations

import pytest

from batchreset.rehearsal.behaviour import UNHINDERED
from batchreset.rehearsal.directory import PROPERTIES, USUAL
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR, OPERATOR, User, populate
from batchreset.rehearsal.tenant import Tenant
from tests.support.clock import run_virtual
from tests.support.visitor import Reply, Visitor, visiting

NAMES = ["o'brien.ana@contoso.example", *(f"user{number}@contoso.example" for number in range(1, 250))]


def tenant() -> Tenant:
    return Tenant(populate(NAMES, plain=True), UNHINDERED)


def names(reply: Reply) -> list[str]:
    assert reply.status == 200
    return [user["userPrincipalName"] for user in reply.body["value"]]


async def every_page(visitor: Visitor, path: str, **query: str) -> list[list[str]]:
    """Follow the links to the end; return the ids, page by page."""
    pages, reply = [], await visitor.get(path, **query)
    while True:
        assert reply.status == 200, reply.body
        pages.append([item["id"] for item in reply.body["value"]])
        link = reply.body.get("@odata.nextLink")
        if link is None:
            return pages
        reply = await visitor.ask("GET", link)


def test_a_user_is_found_by_either_name_and_shows_what_was_asked() -> None:
    """By UPN in any case and by object id; `$select` decides what is shown, and the usual set holds no times."""

    async def look() -> None:
        async with visiting(tenant()) as visitor:
            usual = await visitor.get("/users/USER7@contoso.example")
            assert set(usual.body) - {"@odata.context"} == set(USUAL)
            chosen = await visitor.get(f"/users/{usual.body['id']}", select="id,lastPasswordChangeDateTime,userType")
            assert set(chosen.body) - {"@odata.context"} == {"id", "lastPasswordChangeDateTime", "userType"}
            assert chosen.body["userType"] == "Member"
            assert set((await visitor.get("/me", select=",".join(PROPERTIES))).body) - {"@odata.context"} == set(
                PROPERTIES
            )
            assert (await visitor.get("/users/nobody@contoso.example")).code == "Request_ResourceNotFound"
            assert (await visitor.get("/users/user7@contoso.example", select="id,shoeSize")).status == 400

    run_virtual(look())


def test_fifteen_names_at_once_and_not_sixteen() -> None:
    """`in` finds up to 15 by UPN or id, whatever their case, with quotes doubled; one more is refused."""

    async def look() -> None:
        async with visiting(tenant()) as visitor:
            fifteen = ",".join(f"'{name.upper()}'".replace("O'B", "O''B") for name in NAMES[:15])
            assert names(await visitor.get("/users", filter=f"userPrincipalName in ({fifteen})")) == NAMES[:15]
            sixteen = await visitor.get("/users", filter=f"userPrincipalName in ({fifteen}, 'one@too.many')")
            assert (sixteen.status, sixteen.code) == (400, "Request_UnsupportedQuery")
            (found,) = (await visitor.get("/users", filter="userPrincipalName eq 'O''Brien.Ana@contoso.example'")).body[
                "value"
            ]
            by_id = f"id in ('{found['id']}' , '00000000-0000-0000-0000-000000000000')"
            assert names(await visitor.get("/users", filter=by_id)) == NAMES[:1]
            assert names(await visitor.get("/users", filter=f"id eq '{NAMES[0].replace(chr(39), chr(39) * 2)}'")) == []

    run_virtual(look())


#: What Graph does not filter by so.
UNSUPPORTED = [
    "id eq 'a' and id eq 'b'",
    "id eq 'a' or",
    "proxyAddresses in ('smtp:a@b.example')",
    "mail/any(p:p eq 'a@b.example')",
    "proxyAddresses/any(p:q eq 'smtp:a@b.example')",
]


@pytest.mark.parametrize(
    "text",
    ["", "userPrincipalName in ()", "id eq 'open", "id eq 'it's'", "surname eq 'Silva'", *UNSUPPORTED],
)
def test_other_filters_are_refused(text: str) -> None:
    """What the simulated tenant cannot filter by is an error, never a wrong answer."""

    async def look() -> int:
        async with visiting(tenant()) as visitor:
            return (await visitor.get("/users", filter=text)).status

    assert run_virtual(look()) == 400


def test_users_are_found_by_address_and_by_logon_name() -> None:
    """By mail or an alias, joined by `or`, fifteen at most; by logon name in advanced queries only, in $batch too."""
    zoe = User(
        id="11111111-2222-4333-8444-555555555555",
        user_principal_name="u1@contoso.example",
        display_name="Zoë",
        mail="Zoe@contoso.example",
        aliases=("zx@contoso.example",),
        synchronised=True,
        sam_account_name="Zoe.Xu",
    )

    async def look() -> None:
        async with visiting(Tenant([zoe, *populate(NAMES, plain=True)], UNHINDERED)) as visitor:
            for found in (
                "mail eq 'ZOE@contoso.example'",
                "proxyAddresses/any(p:p eq 'SMTP:zoe@contoso.example')",
                "mail in ('x@y.example') or proxyAddresses/any(x:x eq 'smtp:ZX@contoso.example') or id eq 'no'",
            ):
                assert names(await visitor.get("/users", filter=found)) == ["u1@contoso.example"], found
            for nobody in ("mail eq 'zx@contoso.example'", "proxyAddresses/any(p:p eq 'smtp:zoe@contoso.example')"):
                assert names(await visitor.get("/users", filter=nobody)) == []
            many = " or ".join(f"mail eq '{number}@contoso.example'" for number in range(16))
            assert (await visitor.get("/users", filter=many)).code == "Request_UnsupportedQuery"
            path = "/users?$select=userPrincipalName&$filter=onPremisesSamAccountName in ('zoe.xu','u1')"
            query, eventually = f"{path}&$count=true", {"ConsistencyLevel": "eventual"}
            asked = enumerate([(path, eventually), (query, {}), (query, eventually)])
            requests = [{"id": str(number), "method": "GET", "url": u, "headers": h} for number, (u, h) in asked]
            reply = await visitor.ask("POST", "/$batch", json={"requests": requests})
            told = {each["id"]: each for each in reply.body["responses"]}
            assert [told[name]["status"] for name in "012"] == [400, 400, 200]
            assert told["2"]["body"]["value"] == [{"userPrincipalName": "u1@contoso.example"}]

    run_virtual(look())


def test_pages_hold_everybody_once() -> None:
    """Links lead through all users without a gap or a repeat, by hundreds unless `$top` says otherwise."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            assert [len(page) for page in await every_page(visitor, "/users", select="id")] == [100, 100, 51]
            pages = await every_page(visitor, "/users", top="60", select="id")
            assert [len(page) for page in pages] == [60, 60, 60, 60, 11]
            assert [one for page in pages for one in page] == [account.user.id for account in here.accounts.values()]
            assert [len(page) for page in await every_page(visitor, "/users", top="999")] == [251]
            for top in ("1000", "0", "-1", "many"):
                assert (await visitor.get("/users", top=top)).status == 400
            assert (await visitor.get("/users", skiptoken="made up")).status == 400

    run_virtual(look())


def test_holders_of_roles_are_listed() -> None:
    """Every assignment of a role, with its principal where asked; an application is among them."""
    admin = User(
        id="11111111-2222-4333-8444-555555555555",
        user_principal_name="admin@contoso.example",
        display_name="Admin",
        roles=(GLOBAL_ADMINISTRATOR,),
    )

    async def look() -> None:
        async with visiting(Tenant([admin], UNHINDERED)) as visitor:
            path = "/roleManagement/directory/roleAssignments"
            reply = await visitor.get(path, expand="principal")
            kinds = {one["principalId"]: one["principal"]["@odata.type"] for one in reply.body["value"]}
            assert kinds.pop(admin.id) == kinds.pop(OPERATOR.id) == "#microsoft.graph.user"
            assert list(kinds.values()) == ["#microsoft.graph.servicePrincipal"]
            assert [len(page) for page in await every_page(visitor, path, top="2")] == [2, 1]
            (one,) = (await visitor.get(path, filter=f"principalId eq '{admin.id}'")).body["value"]
            assert (one["roleDefinitionId"], one["directoryScopeId"]) == (GLOBAL_ADMINISTRATOR, "/")

    run_virtual(look())


def test_the_tenant_says_who_it_is() -> None:
    """/me is the operator, /organization the rehearsal's name and domain."""

    async def look() -> None:
        async with visiting(tenant()) as visitor:
            assert (await visitor.get("/me")).body["userPrincipalName"] == "operator@contoso.example"
            (organization,) = (await visitor.get("/organization")).body["value"]
            assert organization["displayName"] == "Contoso Rehearsal"
            assert organization["verifiedDomains"][0]["name"] == "contoso.example"

    run_virtual(look())


def test_a_batch_answers_each_child_for_itself() -> None:
    """Twenty children, found by id and in any order; refused as a whole where there are more or ids repeat."""

    async def look() -> None:
        here = tenant()
        async with visiting(here) as visitor:
            urls = [f"/users/{name}?$select=userPrincipalName" for name in NAMES[1:20]]
            reply = await visitor.batch(*urls, "/users?$filter=userPrincipalName in ('o''brien.ana@contoso.example')")
            assert reply.status == 200
            responses = {one["id"]: one for one in reply.body["responses"]}
            assert list(responses) != sorted(responses, key=int)
            assert [responses[str(number)]["body"]["userPrincipalName"] for number in range(1, 20)] == NAMES[1:20]
            assert responses["20"]["body"]["value"][0]["userPrincipalName"] == NAMES[0]
            assert len({one["headers"]["request-id"] for one in responses.values()}) == 20
            assert (await visitor.batch(*urls, *urls)).status == 400
            twice = [{"id": "1", "method": "GET", "url": "/me"}] * 2
            assert (await visitor.ask("POST", "/$batch", json={"requests": twice})).status == 400
            for body in (
                b"{",
                b"[]",
                b'{"requests": 1}',
                b'{"requests": [1]}',
                b'{"requests": [{"id": "1", "headers": 1}]}',
            ):
                assert (await visitor.ask("POST", "/$batch", data=body)).status == 400
            missing = await visitor.batch("/users/nobody@contoso.example", "/nowhere", "/$batch")
            assert sorted(one["status"] for one in missing.body["responses"]) == [400, 400, 404]

    run_virtual(look())
