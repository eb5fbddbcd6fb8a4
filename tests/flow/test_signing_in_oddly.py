"""A sign-in service that answers what none would: a sentence each time, and no secret goes anywhere else."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from batchreset.auth import login
from batchreset.auth.sign_in import sign_in
from batchreset.errors import SignInError, SignInUnreachableError
from batchreset.rehearsal.server import listening
from batchreset.settings import Auth, Settings
from tests.support.authority import at_own_machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.support.certificates import PrivateAuthority

    Answer = Callable[[web.BaseRequest], web.Response]

SECRET = "a-secret-of-the-application"
TOKEN = {"access_token": "a.b.c", "expires_in": 3600, "token_type": "Bearer"}
CODE = {"user_code": "X", "device_code": "D", "interval": 0, "expires_in": 60, "message": "enter X"}
ODD = "The sign-in service localhost answers what no sign-in service does: check --authority and the proxy."


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    at_own_machine(tmp_path, private, monkeypatch)
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", SECRET)


def says(body: Any, status: int = 200) -> Answer:
    return lambda _: web.json_response(body, status=status)


def endpoints(**others: Any) -> Answer:
    """Answer as a sign-in service does that says where its endpoints are, but for `others`; None leaves one out."""

    def discovery(request: web.BaseRequest) -> web.Response:
        root = f"https://{request.host}/t"
        found = {
            "issuer": root,
            "authorization_endpoint": f"{root}/authorize",
            "token_endpoint": f"{root}/token",
            "device_authorization_endpoint": f"{root}/devicecode",
            **others,
        }
        return web.json_response({name: value for name, value in found.items() if value is not None})

    return discovery


@asynccontextmanager
async def service(private: PrivateAuthority, **answers: Answer) -> AsyncIterator[str]:
    """Be a sign-in service of these answers, by the last part of the path; yield its URL with the tenant."""
    told = {"openid-configuration": endpoints(), "devicecode": says(CODE), **answers}

    async def handle(request: web.BaseRequest) -> web.Response:
        return told[request.path.rpartition("/")[2]](request)

    async with listening(handle, 0, private.server_context()) as port:
        yield f"https://localhost:{port}/t"


@asynccontextmanager
async def elsewhere() -> AsyncIterator[tuple[str, list[bytes]]]:
    """Be another host, which takes everything for a token request; yield its address, and what it was sent."""
    heard: list[bytes] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        heard.append(await request.read())
        return web.json_response(TOKEN)

    async with listening(handle, 0, None) as port:
        yield f"http://127.0.0.1:{port}/token", heard


async def by_secret(authority: str) -> None:
    await sign_in(Settings(authority=authority, client_id="c", auth=Auth.SECRET)).token()


async def by_code(authority: str) -> None:
    settings = Settings(authority=authority, client_id="c")
    await asyncio.to_thread(login.login, settings, Auth.DEVICE_CODE, lambda _: None)


@pytest.mark.parametrize("status", [302, 307, 308])
def test_a_redirect_is_not_followed(private: PrivateAuthority, status: int) -> None:
    """Whatever kind it is: the client secret stays here."""

    async def story() -> None:
        async with elsewhere() as (url, heard):
            redirect = {"Location": url}
            async with service(private, token=lambda _: web.Response(status=status, headers=redirect)) as authority:
                with pytest.raises(SignInUnreachableError, match="it answers with a redirect, which is not followed"):
                    await by_secret(authority)
            assert heard == []

    asyncio.run(story())


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [("token_endpoint", "no tenant that"), ("device_authorization_endpoint", "it names an address that is not https")],
)
def test_an_endpoint_in_clear_is_not_asked(private: PrivateAuthority, endpoint: str, why: str) -> None:
    """Although the service itself names it."""

    async def story() -> None:
        async with elsewhere() as (url, heard):
            discovery = {"openid-configuration": endpoints(**{endpoint: url})}
            async with service(private, **discovery) as authority:
                with pytest.raises(SignInError, match=why):
                    await by_code(authority)
            assert heard == []

    asyncio.run(story())


@pytest.mark.parametrize(
    "discovery",
    [endpoints(token_endpoint=None), endpoints(token_endpoint=5), says([1]), says("s"), says({})],
    ids=["no token endpoint", "a number for one", "a list", "a text", "nothing"],
)
def test_odd_endpoints_are_told(private: PrivateAuthority, discovery: Answer) -> None:
    """To whoever signs in in whatever way."""

    async def story() -> None:
        async with service(private, **{"openid-configuration": discovery}) as authority:
            for sign_in_somehow in (by_secret, by_code):
                with pytest.raises(SignInUnreachableError) as refusal:
                    await sign_in_somehow(authority)
                assert str(refusal.value) == ODD

    asyncio.run(story())


@pytest.mark.parametrize(
    "answers",
    [
        {"openid-configuration": endpoints(device_authorization_endpoint=None)},
        {"devicecode": says([])},
        {"devicecode": says({"user_code": "X", "message": "go"})},
        {"devicecode": says({**CODE, "message": 5, "expires_in": "soon"})},
    ],
    ids=["no endpoint", "a list", "no code", "no time"],
)
def test_odd_device_codes_are_told(private: PrivateAuthority, answers: dict[str, Answer]) -> None:
    """Nobody is asked to type them in."""

    async def story() -> None:
        async with service(private, **answers) as authority:
            with pytest.raises(SignInUnreachableError) as refusal:
                await by_code(authority)
            assert str(refusal.value) == ODD

    asyncio.run(story())


def person(**more: Any) -> dict[str, Any]:
    who = base64.urlsafe_b64encode(json.dumps({"uid": "o", "utid": "t"}).encode()).decode()
    return {**TOKEN, "refresh_token": "R", "client_info": who, **more}


@pytest.mark.parametrize(
    "token",
    [
        [1],
        5,
        person(expires_in="soon"),
        person(expires_in=float("inf")),
        person(id_token="garbage"),
        person(id_token="a.b.c"),
        person(access_token=5),
        person(access_token="abc\r\nX-Evil: 1"),
        person(access_token="two words"),
        person(access_token=""),
    ],
    ids=str,
)
def test_odd_tokens_are_told(private: PrivateAuthority, token: Any) -> None:
    """No traceback, nothing quoted, and no token that could not be sent."""

    async def story() -> None:
        async with service(private, token=says(token)) as authority:
            with pytest.raises(SignInError) as refusal:
                await by_code(authority)
            assert str(refusal.value) == ODD
            if "id_token" not in str(token):
                with pytest.raises(SignInError) as refusal:
                    await by_secret(authority)
                assert str(refusal.value) == ODD

    asyncio.run(story())
