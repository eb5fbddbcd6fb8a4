"""Who is signed in, and which roles they hold: a person, or an application."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from batchreset.auth.token import GivenToken
from batchreset.graph.directory import Directory
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Turnstile
from batchreset.model import Operator
from batchreset.policy.pace import Pacer
from batchreset.rehearsal.behaviour import UNHINDERED, Route
from batchreset.rehearsal.population import TENANT_ID, TENANT_NAME
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.signin import CLIENT_ID
from batchreset.rehearsal.tenant import Tenant
from batchreset.rehearsal.tokens import Grant
from batchreset.secret import Secret
from tests.support.clock import run_virtual
from tests.support.desk import app_token
from tests.support.scripted import answering, as_json, talking_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

T = TypeVar("T")


def person(tenant: Tenant, ask: Callable[[Directory], Awaitable[T]], token: str | None = None) -> T:
    """Ask the directory with a person's token, or another one."""

    async def look() -> T:
        secret = Secret(token or tenant.token)
        async with serve(tenant) as url, GraphSession(url, GivenToken(secret), connections=1) as graph:
            return await ask(Directory(graph, Turnstile(Pacer()), lambda _: None))

    return run_virtual(look())


def application(tenant: Tenant, ask: Callable[[Directory], Awaitable[T]], *permissions: str) -> T:
    """Ask the directory with an application's token; without `permissions` it has them all."""
    token = app_token()
    tenant.tokens.admit(token, Grant(is_app_only=True, permissions=frozenset(permissions) or None))
    return person(tenant, ask, token)


async def who(directory: Directory) -> Operator:
    return await directory.operator()


async def roles(directory: Directory) -> frozenset[str] | None:
    return await directory.own_roles(await directory.operator())


def test_an_application_is_told_by_its_token() -> None:
    """It is not asked who it is; where it may not read the organisation, the token says which tenant."""
    tenant = Tenant([], UNHINDERED)
    found = application(tenant, who)
    assert found == Operator(None, f"application {CLIENT_ID}", TENANT_ID, TENANT_NAME)
    assert found.is_application
    assert found.tenant_text == f"{TENANT_NAME} ({TENANT_ID})"
    found = application(tenant, who, "User.Read.All")
    assert (found.tenant_id, found.tenant, found.tenant_text) == (TENANT_ID, "", TENANT_ID)
    assert Route.ME not in {route for route, _ in tenant.requests}


def test_the_roles_of_whoever_is_signed_in() -> None:
    """A person's and an application's, by name; none when they have ended, and None where they may not be read."""
    tenant = Tenant([], UNHINDERED)
    assert person(tenant, roles) == frozenset({"Authentication Administrator"})
    assert application(tenant, roles) == frozenset({"User Administrator"})
    tenant.end_role()
    assert person(tenant, roles) == application(tenant, roles) == frozenset()
    tenant.activate_role()
    assert person(tenant, roles) == frozenset({"Authentication Administrator"})
    assert application(tenant, roles, "User.Read.All") is None
    closed = replace(UNHINDERED, forbidden=frozenset({Route.OWN_ROLES}))
    assert person(Tenant([], closed), roles) is None


def test_a_role_without_a_name_goes_by_its_id() -> None:
    """Names are withheld from those who may read memberships but not roles."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        return as_json({"value": [{"id": "1", "roleTemplateId": "t", "displayName": None}, {"id": "2"}]})

    async def ask() -> frozenset[str] | None:
        async with answering(handle) as root, talking_to(root) as graph:
            return await Directory(graph, Turnstile(Pacer()), lambda _: None).own_roles(Operator("1", "", "", ""))

    assert run_virtual(ask()) == frozenset({"t", "2"})
