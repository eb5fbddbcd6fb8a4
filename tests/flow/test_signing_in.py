"""A person signs in: by the real MSAL, over TLS, against the simulated sign-in service and its Graph."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchreset.auth import login
from batchreset.auth.cache import open_cache, path
from batchreset.auth.sign_in import sign_in
from batchreset.errors import SignInError, SignInNeededError, SignInUnreachableError
from batchreset.graph.session import GraphSession
from batchreset.policy.verdict import NoToken
from batchreset.rehearsal.population import OPERATOR, TENANT_ID
from batchreset.rehearsal.problems import Problem
from batchreset.rehearsal.signin import CLIENT_ID, GrantType
from batchreset.settings import Auth
from tests.support.authority import QUICK, Browser, Place, at_own_machine, visit

if TYPE_CHECKING:
    from batchreset.auth.token import TokenSource
    from tests.support.certificates import PrivateAuthority

ME = OPERATOR.user_principal_name


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    at_own_machine(tmp_path, private, monkeypatch)


async def log_in(place: Place, method: Auth = Auth.DEVICE_CODE, **more: str) -> None:
    await asyncio.to_thread(login.login, place.settings(**more), method, lambda _: None)


async def status(place: Place, tokens: TokenSource, path: str = "/me") -> int | None:
    async with GraphSession(place.graph, tokens, connections=2) as graph:
        return (await graph.send("GET", path)).status


def refreshes(place: Place) -> int:
    return sum(n for (way, _), n in place.tenant.sign_ins.requests.items() if way == GrantType.REFRESH_TOKEN)


def test_a_device_code_signs_in(private: PrivateAuthority) -> None:
    """The person is told page and code; the token says who, where and until when; only what is needed is asked for."""

    async def story(place: Place) -> None:
        told: list[str] = []
        bearer = await asyncio.to_thread(login.login, place.settings(), Auth.DEVICE_CODE, told.append)
        assert bearer is not None
        assert (bearer.user, bearer.object_id, bearer.tenant_id) == (ME, OPERATOR.id, TENANT_ID)
        assert (bearer.client_id, bearer.is_app_only) == (CLIENT_ID, False)
        assert bearer.expires_at is not None
        assert any("https://microsoft.com/devicelogin" in line for line in told)
        assert await status(place, sign_in(place.settings())) == 200

    visit(private, story)


def test_a_browser_signs_in(private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """By PKCE, with the account picker, and the named account as a hint."""
    browser = Browser(private, monkeypatch)

    async def story(place: Place) -> None:
        await log_in(place, Auth.INTERACTIVE, account=ME)
        (url,) = browser.opened
        assert "prompt=select_account" in url
        assert f"login_hint={ME.replace('@', '%40')}" in url
        assert "code_challenge_method=S256" in url
        assert await status(place, sign_in(place.settings(account=ME))) == 200

    visit(private, story)
    browser.close()


def test_somebody_else_than_named_is_not_kept(private: PrivateAuthority) -> None:
    """`--account` keeps the daily account out, also where that one is picked by mistake."""

    async def story(place: Place) -> None:
        with pytest.raises(SignInError, match=f"{ME} has signed in, not admin@contoso.example"):
            await log_in(place, account="admin@contoso.example")
        assert login.accounts() == []
        assert not any(secret in path().read_text() for secret in place.every_secret())
        await log_in(place, account=ME.upper())
        assert login.accounts() == [ME]
        with pytest.raises(SignInError, match="not admin"):
            await log_in(place, account="admin@contoso.example")
        assert login.accounts() == [ME], "who had signed in before stays so"

    visit(private, story)


def test_a_second_process_is_signed_in(private: PrivateAuthority) -> None:
    """Another process finds the token in the cache: no request, nobody asked, and the cache is its owner's alone."""
    code = """if True:
        import asyncio, hashlib, sys
        from batchreset.auth.sign_in import sign_in
        from batchreset.settings import Settings
        token = asyncio.run(sign_in(Settings(authority=sys.argv[1], client_id=sys.argv[2])).token())
        print(hashlib.sha256(token.reveal().encode()).hexdigest())
    """

    async def story(place: Place) -> None:
        await log_in(place)
        before = place.tenant.sign_ins.requests.total()
        command = [sys.executable, "-c", code, place.authority, CLIENT_ID]
        done = await asyncio.to_thread(
            subprocess.run,
            command,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert done.stderr == ""
        token = await sign_in(place.settings()).token()
        assert done.stdout.strip() == hashlib.sha256(token.reveal().encode()).hexdigest()
        assert place.tenant.sign_ins.requests.total() == before
        if os.name == "posix":
            assert stat.S_IMODE(path().stat().st_mode) == 0o600

    visit(private, story)


def test_a_run_never_asks_the_person(private: PrivateAuthority) -> None:
    """Whoever is not signed in is told so at once, by either way; so is whoever has logged out."""

    async def story(place: Place) -> None:
        for way in (Auth.INTERACTIVE, Auth.DEVICE_CODE, None):
            with pytest.raises(SignInNeededError, match="Not signed in: run `batchreset login`"):
                await sign_in(place.settings(auth=way)).token()
        await log_in(place)
        with pytest.raises(SignInNeededError, match=r"Not signed in as admin@contoso.example: run .* --account admin@"):
            await sign_in(place.settings(account="admin@contoso.example")).token()
        assert login.logout(place.settings()) == [ME]
        assert not any(secret in path().read_text() for secret in place.every_secret())
        assert login.logout(place.settings()) == []
        with pytest.raises(SignInNeededError):
            await sign_in(place.settings()).token()

    visit(private, story)


def test_one_of_several_accounts_is_named(private: PrivateAuthority) -> None:
    """Where several are signed in none is guessed; one is named, and one can be forgotten alone."""

    async def story(place: Place) -> None:
        await log_in(place)
        cache = open_cache(lambda _: None)
        cache._reload_if_necessary()
        # The sign-in service knows one person only: make the other from what it said of the first.
        content = json.loads(cache.serialize())
        for entries in content.values():
            for key, entry in list(entries.items()):
                if entry.get("home_account_id"):
                    other = {**entry, "home_account_id": "x.y"}
                    other |= {"username": "admin@contoso.example"} if "username" in entry else {}
                    entries[key.replace(entry["home_account_id"], "x.y")] = other
        cache._persistence.save(json.dumps(content))
        with pytest.raises(SignInError, match=rf"Several accounts .*admin@contoso.example, {ME}.*--account"):
            await sign_in(place.settings()).token()
        assert await status(place, sign_in(place.settings(account=ME))) == 200
        assert login.logout(place.settings(account="ADMIN@contoso.example")) == ["admin@contoso.example"]
        assert login.accounts() == [ME]
        assert await status(place, sign_in(place.settings())) == 200

    visit(private, story)


def test_a_token_is_renewed_five_minutes_ahead_and_once(private: PrivateAuthority) -> None:
    """While it is good nobody asks; then one of eight workers does, and the others are not held up."""

    async def story(place: Place) -> None:
        await log_in(place)
        tokens = sign_in(place.settings())
        first = await tokens.token()
        await asyncio.sleep(4500 - 310)
        assert await tokens.token() is first
        assert refreshes(place) == 0
        await asyncio.sleep(11)
        handed = await asyncio.gather(*(tokens.token() for _ in range(8)))
        assert [token is first for token in handed] == [False] + [True] * 7
        assert refreshes(place) == 1
        await asyncio.sleep(400)
        assert await tokens.token() == handed[0]
        assert await status(place, tokens) == 200

    visit(private, story)


def test_many_requests_of_a_rejected_token_cost_one_renewal(private: PrivateAuthority) -> None:
    """Graph takes a token no more: each request is sent again with the one that the first of them fetched."""

    async def story(place: Place) -> None:
        await log_in(place)
        tokens = sign_in(place.settings())
        await tokens.token()
        place.tenant.tokens.revoke()
        async with GraphSession(place.graph, tokens, connections=8) as graph:
            answers = await asyncio.gather(*(graph.send("GET", "/me") for _ in range(8)))
        assert [answer.status for answer in answers] == [200] * 8
        assert refreshes(place) == 1

    visit(private, story)


def test_a_claims_challenge_is_met(private: PrivateAuthority) -> None:
    """Graph demands claims; the next token has them, and the request is sent again with it."""

    async def story(place: Place) -> None:
        await log_in(place)
        tokens = sign_in(place.settings())
        assert await status(place, tokens) == 200
        place.tenant.challenge()
        assert await status(place, tokens) == 200
        assert refreshes(place) == 1

    visit(private, story)


def test_a_sign_in_that_is_lost_is_asked_for_once_and_found_again(private: PrivateAuthority) -> None:
    """Revoked: eight workers, one request, and a sentence. Who logs in meanwhile in another process is let on."""

    async def story(place: Place) -> None:
        await log_in(place)
        tokens = sign_in(place.settings())
        await tokens.token()
        place.tenant.end_sign_in()
        async with GraphSession(place.graph, tokens, connections=8) as graph:
            exchanges = await asyncio.gather(*(graph.send("GET", "/me") for _ in range(8)))
        results = {exchange.result for exchange in exchanges}
        assert len(results) == 1
        (lost,) = results
        assert isinstance(lost, NoToken)
        assert "batchreset login" in str(lost)
        assert "AADSTS50173" in str(lost)
        assert refreshes(place) == 1
        with pytest.raises(SignInNeededError):
            await tokens.token()
        await log_in(place)
        await asyncio.sleep(11)
        assert await status(place, tokens) == 200

    visit(private, story)


def test_a_sign_in_that_cannot_be_renewed_is_used_to_its_end(private: PrivateAuthority) -> None:
    """The service is away: the token goes on, it is tried again each minute, and who watches is told."""

    async def story(place: Place) -> None:
        await log_in(place)
        told: list[str] = []
        tokens = sign_in(place.settings(), told.append)
        first = await tokens.token()
        place.tenant.sign_ins.refuse(Problem.UNAVAILABLE, times=5)
        await asyncio.sleep(4500 - 299)
        for minute in range(4):
            assert await tokens.token() is first, minute
            assert await tokens.token() is first, minute
            assert await status(place, tokens) == 200
            await asyncio.sleep(60)
        assert refreshes(place) == 4
        assert "ends in 5 min" in told[0]
        assert "answered 503" in told[0]
        await asyncio.sleep(60)
        with pytest.raises(SignInUnreachableError):
            await tokens.token()
        with pytest.raises(SignInUnreachableError):
            await tokens.token()
        assert refreshes(place) == 5
        await asyncio.sleep(11)
        assert await status(place, tokens) == 200

    visit(private, story)


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (Problem.CONSENT_MISSING, "Consent is missing"),
        (Problem.BLOCKED, "device codes"),
        (Problem.MFA_REQUIRED, "multifactor"),
        (Problem.ACCOUNT_DISABLED, "disabled"),
        (Problem.WRONG_ACCOUNT, "--tenant"),
        (Problem.UNAVAILABLE, "answered 503"),
    ],
)
def test_a_refused_login_says_why(private: PrivateAuthority, problem: Problem, says: str) -> None:
    """One sentence, and nothing is kept."""

    async def story(place: Place) -> None:
        place.tenant.sign_ins.refuse(problem, at=GrantType.DEVICE_CODE)
        with pytest.raises(SignInError, match=says):
            await log_in(place)
        assert login.accounts() == []

    visit(private, story)


def test_a_code_that_nobody_uses_or_wants(private: PrivateAuthority) -> None:
    """A declined code is told as such; so is one whose time has passed."""

    async def declined(place: Place) -> None:
        def decline(message: str) -> None:
            if "enter the code" in message:
                place.tenant.sign_ins.decline(message.rstrip(".").rpartition(" ")[2])

        with pytest.raises(SignInError, match="was declined"):
            await asyncio.to_thread(login.login, place.settings(), Auth.DEVICE_CODE, decline)

    async def too_late(place: Place) -> None:
        with pytest.raises(SignInError, match="not used in time"):
            await log_in(place)

    visit(private, declined, replace(QUICK, approved_after_polls=None))
    visit(private, too_late, replace(QUICK, approved_after_polls=None, device_code_seconds=0))


def test_an_unknown_tenant_or_application_is_named(private: PrivateAuthority) -> None:
    """A wrong tenant, a wrong client id, none at all: who signs in and who runs are told which option is wrong."""

    async def story(place: Place) -> None:
        elsewhere = place.authority.replace(TENANT_ID, "fabrikam.example")
        with pytest.raises(SignInError, match="check --tenant"):
            await log_in(place, authority=elsewhere)
        with pytest.raises(SignInError, match="--client-id"):
            await log_in(place, client_id="nobody")
        with pytest.raises(SignInError, match="--client-id"):
            await asyncio.to_thread(login.login, place.settings(client_id=None), Auth.DEVICE_CODE, lambda _: None)
        with pytest.raises(SignInError, match="--tenant"):
            await sign_in(place.settings(authority=None)).token()
        with pytest.raises(SignInNeededError, match="BATCHRESET_ACCESS_TOKEN"):
            await sign_in(place.settings(client_id=None)).token()
        await log_in(place)
        with pytest.raises(SignInError, match="check --tenant"):
            await sign_in(place.settings(authority=elsewhere)).token()

    visit(private, story)


def test_a_damaged_cache_is_named(private: PrivateAuthority) -> None:
    """What is no cache is said to be none; `logout` makes an end of it."""

    async def story(place: Place) -> None:
        path().write_text("{ half")
        with pytest.raises(SignInError, match="damaged; run `batchreset logout`"):
            await sign_in(place.settings()).token()
        assert login.logout(place.settings()) == []
        await log_in(place)
        assert await status(place, sign_in(place.settings())) == 200

    visit(private, story)
