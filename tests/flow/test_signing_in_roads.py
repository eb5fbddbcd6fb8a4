"""The way to the sign-in service: private certificate authorities, proxies, nobody at home; and what leaks: nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchreset.auth import login
from batchreset.auth.cache import path
from batchreset.auth.sign_in import sign_in
from batchreset.errors import SettingsError, SignInError, SignInUnreachableError
from batchreset.graph.session import GraphSession
from batchreset.rehearsal.problems import Problem
from batchreset.rehearsal.signin import Application, SignIn
from batchreset.settings import Auth
from tests.support.authority import QUICK, Browser, Place, at_own_machine, tenant_with_sign_in
from tests.support.certificates import PrivateAuthority
from tests.support.proxy import proxy

if TYPE_CHECKING:
    from collections.abc import Coroutine

SECRET = "a-secret-of-the-application"


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    at_own_machine(tmp_path, private, monkeypatch)


async def log_in(place: Place) -> None:
    await asyncio.to_thread(login.login, place.settings(), Auth.DEVICE_CODE, lambda _: None)


async def signed_in_status(place: Place) -> int | None:
    async with GraphSession(place.graph, sign_in(place.settings()), connections=1) as graph:
        return (await graph.send("GET", "/me")).status


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_private_authority_is_trusted_by_either_variable(
    private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Sign-in and Graph trust the same, by the same variables; without them they are not reached."""

    async def story() -> None:
        async with tenant_with_sign_in(private) as place:
            monkeypatch.delenv("SSL_CERT_FILE")
            with pytest.raises(SignInUnreachableError, match="certificate is not trusted"):
                await log_in(place)
            monkeypatch.setenv(variable, str(private.bundle))
            await log_in(place)
            assert await signed_in_status(place) == 200

    asyncio.run(story())


def test_one_variable_does_not_take_from_the_other(
    private: PrivateAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another authority's file in REQUESTS_CA_BUNDLE does not end the trust in this one; one unreadable is named."""
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(PrivateAuthority(other).bundle))

    async def story() -> None:
        async with tenant_with_sign_in(private) as place:
            await log_in(place)
            assert await signed_in_status(place) == 200
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
            with pytest.raises(SettingsError, match=r"REQUESTS_CA_BUNDLE=.*nowhere"):
                await log_in(place)

    asyncio.run(story())


def test_everything_goes_through_the_proxy(private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY leads sign-in and Graph alike; NO_PROXY leads past it; what the proxy refuses is told."""

    async def story() -> None:
        async with tenant_with_sign_in(private, host="login.test") as place, proxy() as way:
            monkeypatch.setenv("HTTPS_PROXY", way.url)
            await log_in(place)
            assert await signed_in_status(place) == 200
            hosts = {place.authority.split("/")[2], place.graph.split("/")[2]}
            assert set(way.asked_for) == hosts
            way.is_closed_to_all = True
            with pytest.raises(SignInUnreachableError, match=r"login\.test could not be reached: the proxy"):
                await log_in(place)
            before = len(way.asked_for)
            monkeypatch.setenv("NO_PROXY", "login.test")
            with pytest.raises(SignInUnreachableError, match="no connection"):  # it has no address but the proxy's
                await log_in(place)
            assert len(way.asked_for) == before

    asyncio.run(story())


def test_loopback_goes_past_the_proxy(private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that nobody answers at is no hindrance to what is on this machine."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    async def story() -> None:
        async with tenant_with_sign_in(private) as place:
            await log_in(place)
            assert await signed_in_status(place) == 200

    asyncio.run(story())


def test_nobody_answers(private: PrivateAuthority) -> None:
    """The sentence names the host and not the request."""

    async def story() -> None:
        async with tenant_with_sign_in(private) as place:
            pass
        with pytest.raises(SignInUnreachableError, match="service localhost could not be reached: no connection"):
            await log_in(place)

    asyncio.run(story())


def test_nothing_secret_leaks(
    private: PrivateAuthority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No token, code or secret is in a file but the cache, in a log of whatever level, an error or an output."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", SECRET)
    browser = Browser(private, monkeypatch)
    told: list[str] = []
    secrets: set[str] = {SECRET}

    async def attempt(work: Coroutine[None, None, object]) -> None:
        try:
            told.append(repr(await work))
        except SignInError as error:
            told.extend(traceback.format_exception(error))

    async def story(behaviour: SignIn) -> None:
        async with tenant_with_sign_in(private, behaviour) as place:
            for method in (Auth.DEVICE_CODE, Auth.INTERACTIVE):
                await attempt(asyncio.to_thread(login.login, place.settings(), method, told.append))
            for way in (Auth.INTERACTIVE, Auth.SECRET):
                tokens = sign_in(place.settings(auth=way), told.append)
                await attempt(tokens.token())
                place.tenant.tokens.revoke()
                async with GraphSession(place.graph, tokens, connections=1) as graph:
                    told.append(repr(await graph.send("GET", "/users")))
                for problem in (Problem.UNAVAILABLE, Problem.MFA_REQUIRED, Problem.BAD_CODE):
                    place.tenant.sign_ins.refuse(problem)
                    place.tenant.tokens.revoke()
                    again = sign_in(place.settings(auth=way), told.append)
                    await attempt(again.token())
                told.append(f"{tokens!r} {vars(tokens)}")
            secrets.update(place.every_secret())

    asyncio.run(story(QUICK))
    asyncio.run(story(replace(QUICK, applications=(Application(secrets=(SECRET,)),))))
    browser.close()
    output = capfd.readouterr()
    texts = [*told, *(f"{record.getMessage()} {record.exc_text}" for record in caplog.records), output.out, output.err]
    for folder, _, names in os.walk(tmp_path):
        texts += [(Path(folder) / name).read_text(errors="replace") for name in names if Path(folder) / name != path()]
    assert len(secrets) > 10
    assert [text for text in texts if any(secret in text for secret in secrets)] == []
    assert any(secret in path().read_text() for secret in secrets), "the test knows what to look for"
