from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from batchreset.auth.token import GivenToken
from batchreset.errors import DirectoryError, SignInError
from batchreset.graph import directory
from batchreset.graph.directory import Directory, LookUpRefusedError, ask_about, probe
from batchreset.graph.queries import LOOKUP_SIZE
from batchreset.graph.roles import ACTIVE, assigned
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Turnstile
from batchreset.model import Kind, Operator
from batchreset.policy.pace import Pacer
from batchreset.policy.verdict import Answer
from batchreset.rehearsal.behaviour import UNHINDERED, Route
from batchreset.rehearsal.population import OPERATOR, TENANT_ID, TENANT_NAME, User, populate
from batchreset.rehearsal.quota import Limit
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant
from batchreset.secret import Secret
from tests.support.clock import run_virtual
from tests.support.scripted import answering, as_json, talking_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from batchreset.graph.session import Exchange

UPNS = [f"user{number:03}@contoso.example" for number in range(LOOKUP_SIZE)]


@asynccontextmanager
async def reading(tenant: Tenant) -> AsyncIterator[tuple[Directory, list[Exchange]]]:
    """Read a simulated tenant's directory; yield the journal too."""
    journal: list[Exchange] = []
    async with (
        serve(tenant) as url,
        GraphSession(url, GivenToken(Secret(tenant.token)), connections=8) as graph,
    ):
        yield Directory(graph, Turnstile(Pacer()), journal.append), journal


def read(tenant: Tenant, ask: Callable[[Directory], Awaitable[Any]]) -> tuple[Any, list[Exchange]]:
    """Ask a simulated tenant's directory; return what it said, and the journal."""

    async def reader() -> tuple[Any, list[Exchange]]:
        async with reading(tenant) as (directory, journal):
            return await ask(directory), journal

    return run_virtual(reader())


def test_accounts_are_found_by_name_and_by_id() -> None:
    """Each under the key it was asked for, whatever the case the directory writes it in."""
    ana = User(
        id="0B7E7A5C-64A1-4A0E-8F55-6F6A3C1F2D11",
        user_principal_name="Ana@Contoso.example",
        display_name="Ana",
        synchronised=True,
        enabled=False,
        password_changed_at="2025-03-01T08:00:00Z",
    )
    guest = User(
        id="0b7e7a5c-64a1-4a0e-8f55-6f6a3c1f2d12",
        user_principal_name="g#EXT#@contoso.example",
        display_name="G",
        guest=True,
    )
    tenant = Tenant([ana, guest], UNHINDERED)
    keys = ["ana@contoso.example", ana.id.lower(), "g#ext#@contoso.example", "nobody@contoso.example"]
    found, journal = read(tenant, lambda directory: directory.find(keys))
    assert list(found) == keys[:3]
    assert found[keys[0]] == found[keys[1]]
    (account,) = found[keys[0]]
    assert (account.object_id, account.user, account.display_name) == (ana.id, "Ana@Contoso.example", "Ana")
    assert (account.kind, account.enabled) == (Kind.SYNCHRONISED, False)
    assert account.password_changed_at == "2025-03-01T08:00:00Z"
    (other,) = found[keys[2]]
    assert other.kind is Kind.GUEST
    assert [(exchange.method, exchange.path) for exchange in journal] == [("POST", "/v1.0/$batch")]


@pytest.mark.parametrize(
    "upn", ["sean.o'brien@contoso.example", "''@contoso.example", "a&b=c+d%20@contoso.example", "é@contoso.example"]
)
def test_signs_in_names_are_only_signs(upn: str) -> None:
    """Quotes are doubled and everything is escaped: a name cannot end the filter or the query."""
    tenant = Tenant([User(id="1", user_principal_name=upn, display_name="X")], UNHINDERED)
    found, _ = read(tenant, lambda directory: directory.find([upn, "x') or true or ('"]))
    assert list(found) == [upn]


def test_three_hundred_accounts_are_one_batch() -> None:
    """Twenty children of fifteen values each: as much as Graph takes at once, and in one round trip."""
    tenant = Tenant(populate(UPNS, plain=True), UNHINDERED)
    found, journal = read(tenant, lambda directory: directory.find(UPNS))
    assert list(found) == UPNS
    assert len(journal) == 1
    assert tenant.requests[Route.USERS, 200] == 20


def test_names_and_ids_go_into_filters_of_their_own() -> None:
    """And $select names what is read, which makes it cheap."""
    urls: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        children = (await request.json())["requests"]
        urls.extend(child["url"] for child in children)
        return as_json({"responses": [{"id": child["id"], "status": 200, "body": {"value": []}} for child in children]})

    async def look_up() -> None:
        async with answering(handle) as root, talking_to(root) as graph:
            await Directory(graph, Turnstile(Pacer()), lambda _: None).find([*UPNS[:16], "id-1"])

    run_virtual(look_up())
    queries = [parse_qs(url.partition("?")[2]) for url in urls]
    fifteen = ",".join(f"'{upn}'" for upn in UPNS[:15])
    assert [query["$filter"] for query in queries] == [
        [f"userPrincipalName in ({fifteen})"],
        [f"userPrincipalName in ('{UPNS[15]}')"],
        ["id in ('id-1')"],
    ]
    assert all("lastPasswordChangeDateTime" in query["$select"][0] for query in queries)


def test_throttled_children_are_asked_again_and_no_others() -> None:
    """The tenant's units are enough for seven children at a time; each is answered once in the end."""
    tenant = Tenant(populate(UPNS, plain=True), replace(UNHINDERED, units=Limit(rate=1.0, depth=7, retry_after=5.0)))
    found, journal = read(tenant, lambda directory: directory.find(UPNS))
    assert list(found) == UPNS
    assert tenant.requests[Route.USERS, 200] == 20
    assert tenant.requests[Route.USERS, 429] > 0
    assert 2 < len(journal) < 20


@pytest.mark.parametrize("route", [Route.USERS, Route.ROLES])
def test_a_look_up_that_is_forbidden_is_said(route: Route) -> None:
    """At the first try, whether all of it is forbidden or a child of it."""
    tenant = Tenant(populate(UPNS[:1], plain=True), replace(UNHINDERED, forbidden=frozenset({route})))

    async def ask(directory: Directory) -> None:
        await (assigned(directory, ACTIVE) if route is Route.ROLES else directory.find(UPNS[:1]))

    with pytest.raises(LookUpRefusedError, match="Authorization_RequestDenied"):
        read(tenant, ask)
    assert sum(count for (_, status), count in tenant.requests.items() if status == 403) == 1


def test_a_token_that_is_not_taken_is_said() -> None:
    """As what it is, and not as a directory that is away."""

    async def ask() -> None:
        tenant = Tenant([], UNHINDERED)
        async with serve(tenant) as url, talking_to(url) as graph:
            await Directory(graph, Turnstile(Pacer()), lambda _: None).operator()

    with pytest.raises(SignInError, match="sign in again"):
        run_virtual(ask())


def test_who_is_signed_in_and_where() -> None:
    """From /me and /organization."""
    operator, _ = read(Tenant([], UNHINDERED), lambda directory: directory.operator())
    assert operator == Operator(OPERATOR.id, OPERATOR.user_principal_name, TENANT_ID, TENANT_NAME)


def test_a_directory_that_does_not_say_which_tenant_it_is_is_no_place_to_go_on() -> None:
    """A run is resumed in the tenant it was planned for and in no other."""

    async def ask() -> None:
        async def handle(request: web.BaseRequest) -> web.Response:
            return as_json({"id": "me"} if request.path.endswith("/me") else {"value": []})

        async with answering(handle) as root, talking_to(root) as graph:
            await Directory(graph, Turnstile(Pacer()), lambda _: None).operator()

    with pytest.raises(DirectoryError, match="which tenant"):
        run_virtual(ask())


def test_holders_of_roles_are_read_to_the_last_page() -> None:
    """In lower case, with all of their roles."""
    holders = [
        User(id=f"HOLDER-{number}", user_principal_name=f"{number}@x", display_name="", roles=("a", "b"))
        for number in range(250)
    ]
    found, journal = read(Tenant(holders, UNHINDERED), lambda directory: assigned(directory, ACTIVE))
    assert {found[f"holder-{number}"] for number in range(250)} == {frozenset({"a", "b"})}
    assert found[OPERATOR.id] == frozenset(OPERATOR.roles)
    assert len(journal) > 1


@pytest.mark.parametrize(
    "link", ["https://evil.example/v1.0/x", "//evil.example/x", "http://me@127.0.0.1/", "http://[", "/\n"]
)
def test_a_next_page_elsewhere_is_not_fetched(link: str) -> None:
    """The directory is not half read in silence either."""
    asked = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return as_json({"value": [{"principalId": "X"}], "@odata.nextLink": link})

    async def ask() -> None:
        async with answering(handle) as root, talking_to(root) as graph:
            await assigned(Directory(graph, Turnstile(Pacer()), lambda _: None), ACTIVE)

    with pytest.raises(DirectoryError, match="another host"):
        run_virtual(ask())
    assert len(asked) == 1


@pytest.mark.parametrize("link", [7, {}, "", True])
def test_a_next_page_that_is_no_link_is_not_the_end(link: object) -> None:
    """Somebody on the pages behind it may hold a role."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        return as_json({"value": [{"principalId": "X"}], "@odata.nextLink": link})

    async def ask() -> None:
        async with answering(handle) as root, talking_to(root) as graph:
            await assigned(Directory(graph, Turnstile(Pacer()), lambda _: None), ACTIVE)

    with pytest.raises(DirectoryError):
        run_virtual(ask())


def test_pages_that_do_not_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A next page that is always there would hold a plan for ever."""
    monkeypatch.setattr(directory, "_MOST_PAGES", 20)
    asked = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        link = f"{request.path}?page={len(asked)}"
        return as_json({"value": [{"principalId": "X"}], "@odata.nextLink": link})

    async def ask() -> None:
        async with answering(handle) as root, talking_to(root) as graph:
            await assigned(Directory(graph, Turnstile(Pacer()), lambda _: None), ACTIVE)

    with pytest.raises(DirectoryError, match="do not end"):
        run_virtual(ask())
    assert len(asked) == 20


def test_an_answer_that_is_no_object_is_asked_for_again() -> None:
    """An HTML page with status 200 is not an empty directory."""
    pages = iter(["<html>sign in</html>", "[]", '{"value": [{"principalId": "X"}]}'])

    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.Response(text=next(pages))

    async def ask() -> dict[str, frozenset[str]]:
        async with answering(handle) as root, talking_to(root) as graph:
            return await assigned(Directory(graph, Turnstile(Pacer()), lambda _: None), ACTIVE)

    assert run_virtual(ask()).keys() == {"x"}


def test_a_confirmation_asks_for_the_time_alone() -> None:
    """`lastPasswordChangeDateTime` comes only when it is asked for; the probe asks for as little."""

    async def ask() -> None:
        tenant = Tenant(populate(UPNS[:1], plain=True), UNHINDERED)
        account = next(one for one in tenant.accounts.values() if one.user.user_principal_name == UPNS[0])
        async with (
            serve(tenant) as url,
            GraphSession(url, GivenToken(Secret(tenant.token)), connections=1) as graph,
        ):
            exchange = await ask_about(graph, account.user.id)
            assert isinstance(exchange.result, Answer)
            body = exchange.result.body
            assert body["lastPasswordChangeDateTime"] == account.password_changed_at
            assert {name for name in body if not name.startswith("@")} == {"id", "lastPasswordChangeDateTime"}
            assert (await probe(graph)).status == 200

    run_virtual(ask())
