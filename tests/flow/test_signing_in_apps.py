"""An application signs in as itself: by secret, by certificate, as a machine; the real MSAL, over TLS."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from batchreset.auth import login
from batchreset.auth.bearer import read
from batchreset.auth.cache import path
from batchreset.auth.sign_in import sign_in
from batchreset.errors import SignInError, SignInUnreachableError
from batchreset.graph.session import GraphSession
from batchreset.rehearsal.server import listening
from batchreset.rehearsal.signin import Application, GrantType, SignIn
from batchreset.rehearsal.tokens import Grant
from batchreset.settings import Auth
from tests.support.authority import UPN, Place, at_own_machine, visit
from tests.support.certificates import PrivateAuthority, application_certificate
from tests.support.visitor import GOOD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from batchreset.auth.token import TokenSource

SECRET = "a-secret-of-the-application"
BY_SECRET = SignIn(applications=(Application(secrets=(SECRET,)),))


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    at_own_machine(tmp_path, private, monkeypatch)
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", SECRET)


async def reset_by_profile(place: Place, tokens: TokenSource) -> int | None:
    async with GraphSession(place.graph, tokens, connections=2) as graph:
        body = {"passwordProfile": {"password": GOOD}}
        return (await graph.send("PATCH", f"/users/{UPN}", body=body)).status


def token_requests(place: Place) -> int:
    return place.tenant.sign_ins.requests[GrantType.CLIENT_CREDENTIALS, 200]


def test_eight_workers_make_one_token_request(private: PrivateAuthority) -> None:
    """With nothing cached MSAL would make eight; none is kept on disk, and the token may set a password profile."""

    async def story(place: Place) -> None:
        tokens = sign_in(place.settings(auth=Auth.SECRET))
        handed = await asyncio.gather(*(tokens.token() for _ in range(8)))
        assert len(set(handed)) == 1
        assert token_requests(place) == 1
        bearer = read(handed[0])
        assert bearer is not None
        assert bearer.is_app_only
        assert "User-PasswordProfile.ReadWrite.All" in bearer.permissions
        assert await reset_by_profile(place, tokens) == 204
        assert not path().exists()
        assert place.tenant.password_of(UPN) == GOOD

    visit(private, story, BY_SECRET)


def test_a_rejected_or_ageing_token_is_replaced(private: PrivateAuthority) -> None:
    """MSAL would hand out from memory what Graph rejects; revoked, challenged for claims or near its end: a new one."""

    async def story(place: Place) -> None:
        tokens = sign_in(place.settings(auth=Auth.SECRET))
        assert await reset_by_profile(place, tokens) == 204
        place.tenant.tokens.revoke()
        assert await reset_by_profile(place, tokens) == 204
        assert token_requests(place) == 2
        place.tenant.challenge()
        assert await reset_by_profile(place, tokens) == 204
        assert token_requests(place) == 3
        await asyncio.sleep(4500 - 299)
        assert await reset_by_profile(place, tokens) == 204
        assert token_requests(place) == 4

    visit(private, story, BY_SECRET)


@pytest.mark.parametrize(
    ("kind", "passphrase"),
    [("pem", None), ("pem", "open sesame"), ("pfx", None), ("pfx", "open sesame")],
)
def test_a_certificate_signs_in(
    private: PrivateAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, passphrase: str | None
) -> None:
    """PEM or PFX, with a passphrase or without."""
    ours = application_certificate()
    write = ours.write_pem if kind == "pem" else ours.write_pfx
    monkeypatch.setenv("BATCHRESET_CLIENT_CERTIFICATE", str(write(tmp_path, passphrase)))
    if passphrase:
        monkeypatch.setenv("BATCHRESET_CLIENT_CERTIFICATE_PASSWORD", passphrase)

    async def story(place: Place) -> None:
        tokens = sign_in(place.settings(auth=Auth.CERTIFICATE))
        assert await reset_by_profile(place, tokens) == 204

    visit(private, story, SignIn(applications=(Application(certificates=(ours.pem,)),)))


def test_a_wrong_secret_or_certificate_is_told_as_such(
    private: PrivateAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence that does not quote the secret."""
    other = application_certificate().write_pem(tmp_path)
    monkeypatch.setenv("BATCHRESET_CLIENT_CERTIFICATE", str(other))

    async def story(place: Place) -> None:
        with pytest.raises(SignInError, match="not one of the application's"):
            await sign_in(place.settings(auth=Auth.CERTIFICATE)).token()
        monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", "not-the-secret")
        with pytest.raises(SignInError, match="AADSTS7000215") as refused:
            await sign_in(place.settings(auth=Auth.SECRET)).token()
        assert "not-the-secret" not in str(refused.value)
        monkeypatch.delenv("BATCHRESET_CLIENT_SECRET")
        with pytest.raises(SignInError, match="put the client secret into the environment variable"):
            await sign_in(place.settings(auth=Auth.SECRET)).token()

    ours = application_certificate()
    visit(private, story, SignIn(applications=(Application(secrets=(SECRET,), certificates=(ours.pem,)),)))


def test_a_public_client_takes_no_secret_and_a_confidential_one_wants_it(private: PrivateAuthority) -> None:
    """The registration and the way to sign in do not match: the sentence says which to change."""

    async def with_secret(place: Place) -> None:
        with pytest.raises(SignInError, match="is a public client"):
            await sign_in(place.settings(auth=Auth.SECRET)).token()

    visit(private, with_secret, SignIn())


@asynccontextmanager
async def identity_endpoint(place: Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[dict[str, str]]]:
    """Be an App Service's endpoint for managed identities; yield what it is asked."""
    asked: list[dict[str, str]] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(dict(request.query) | {"header": request.headers.get("X-IDENTITY-HEADER", "")})
        if request.query.get("client_id") == "unknown":
            return web.json_response({"statusCode": 400, "message": "No identity of this id."}, status=400)
        token = f"token-of-the-machine-{len(asked)}"
        place.tenant.tokens.admit(token, Grant(is_app_only=True))
        body: dict[str, Any] = {"access_token": token, "expires_on": str(int(time.time()) + 86400)}
        return web.json_response(body | {"resource": request.query["resource"], "token_type": "Bearer"})

    async with listening(answer, 0, None) as port:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header-of-the-machine")
        yield asked


def test_a_managed_identity_signs_in(private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's, or the one that --client-id names; past any proxy; a rejected token is replaced."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    async def story(place: Place) -> None:
        async with identity_endpoint(place, monkeypatch) as asked:
            tokens = sign_in(place.settings(auth=Auth.MANAGED_IDENTITY, client_id=None, authority=None))
            assert await reset_by_profile(place, tokens) == 204
            assert (asked[0]["resource"], asked[0]["header"]) == (
                "https://graph.microsoft.com",
                "header-of-the-machine",
            )
            assert "client_id" not in asked[0]
            place.tenant.tokens.revoke()
            assert await reset_by_profile(place, tokens) == 204
            assert len(asked) == 2
            assigned = sign_in(place.settings(auth=Auth.MANAGED_IDENTITY, client_id="one-of-many"))
            assert await reset_by_profile(place, assigned) == 204
            assert asked[2]["client_id"] == "one-of-many"
            with pytest.raises(SignInError, match=r"No identity of this id"):
                await sign_in(place.settings(auth=Auth.MANAGED_IDENTITY, client_id="unknown")).token()

    visit(private, story, BY_SECRET)


def test_a_machine_without_identity_says_so(private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers where the endpoint should be."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header-of-the-machine")

    async def story(place: Place) -> None:
        with pytest.raises(SignInUnreachableError, match="managed identity endpoint could not be reached"):
            await sign_in(place.settings(auth=Auth.MANAGED_IDENTITY)).token()

    visit(private, story, BY_SECRET)
    assert login.accounts() == []
