"""login, logout, whoami: as a person, over TLS, by the real MSAL, against the simulated sign-in."""

from __future__ import annotations

import io
import json
import re
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchreset.cli.signin import sign_in_here
from batchreset.gather import gather
from batchreset.rehearsal.behaviour import UNHINDERED
from batchreset.rehearsal.population import OPERATOR, TENANT_ID, TENANT_NAME
from batchreset.rehearsal.problems import Problem
from batchreset.rehearsal.signin import CLIENT_ID, Application, GrantType, Refusal, SignIn
from batchreset.rehearsal.tenant import Tenant
from tests.support.door import Door, at_the_door
from tests.support.program import Ended, call, run, started, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.certificates import PrivateAuthority

#: Polled as soon as may be, and approved at once.
QUICK = SignIn(poll_seconds=0, approved_after_polls=1)
SECRET = "a-secret-of-the-application"
ON_WINDOWS = sys.platform == "win32"


@pytest.fixture
def behaviour() -> SignIn:
    return QUICK


@pytest.fixture
def door(
    private: PrivateAuthority, behaviour: SignIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Door]:
    tenant = Tenant(behaviour=replace(UNHINDERED, sign_in=behaviour))
    with at_the_door(tmp_path, monkeypatch, private, tenant) as found:
        yield found


@pytest.fixture
def program(door: Door, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call the program; whatever it says, no token is in it, nor in any file but the cache."""

    def work(*arguments: str) -> Ended:
        ended = call(capsys, *arguments)
        if door.secrets():
            assert door.leaks(ended.out, ended.err) == []
        return ended

    return work


def test_a_device_code_signs_in_for_whoever_comes_after(door: Door, program: Callable[..., Ended]) -> None:
    """The code is shown, who signed in is told, and another process knows who that is without asking anybody."""
    ended = program("login", "--auth", "device-code")
    assert ended.status == 0, ended.err
    assert re.search(r"enter the code [A-Z0-9]{9}", ended.err)
    assert OPERATOR.user_principal_name in ended.out
    assert TENANT_ID in ended.out
    assert str(door.cache) in ended.out
    known = run("whoami", "--json")
    assert known.status == 0, known.err
    found = json.loads(known.out)
    assert found == {
        "signed_in": True,
        "user": OPERATOR.user_principal_name,
        "object_id": OPERATOR.id,
        "tenant_id": TENANT_ID,
        "tenant": TENANT_NAME,
        "cloud": "global",
        "auth": "interactive",
        "app_only": False,
        "permissions": sorted(Application().delegated),
        "missing": [],
        "expires_at": found["expires_at"],
        "routes": ["reset-password", "password-profile"],
        "cache": str(door.cache),
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["expires_at"])
    assert door.leaks(known.out, known.err) == []
    assert door.tenant.sign_ins.requests[GrantType.REFRESH_TOKEN, 200] == 0


@pytest.mark.skipif(ON_WINDOWS, reason="Windows starts its own browser, whatever BROWSER says")
def test_the_browser_signs_in(door: Door) -> None:
    """Without --auth the system's browser is opened, and the code it brings back is redeemed."""
    ended = run("login")
    assert ended.status == 0, ended.err
    assert OPERATOR.user_principal_name in ended.out
    assert door.tenant.sign_ins.requests[GrantType.AUTHORIZATION_CODE, 200] == 1
    assert door.leaks(ended.out, ended.err) == []
    assert run("whoami").status == 0


def test_logout_forgets_and_whoami_then_says_what_to_do(door: Door, program: Callable[..., Ended]) -> None:
    """Who was forgotten is told; a second logout has nothing to do, and that is no error."""
    program("login", "--auth", "device-code")
    ended = program("logout")
    assert (ended.status, OPERATOR.user_principal_name in ended.out) == (0, True)
    ended = program("logout")
    assert (ended.status, ended.out) == (0, "Nobody was signed in.\n")
    ended = program("whoami")
    assert (ended.status, ended.out) == (5, "")
    assert "batchreset login" in ended.err
    ended = program("whoami", "--json")
    assert ended.status == 5
    assert json.loads(ended.out)["signed_in"] is False
    assert json.loads(ended.out)["cache"] == str(door.cache)


def test_whoami_speaks_to_people(program: Callable[..., Ended]) -> None:
    """The same in plain lines."""
    program("login", "--auth", "device-code")
    ended = program("whoami")
    assert ended.status == 0
    assert f"signed in as: {OPERATOR.user_principal_name} ({OPERATOR.id})" in ended.out
    assert f"tenant:       {TENANT_NAME} ({TENANT_ID})" in ended.out
    assert "missing:      none" in ended.out
    assert "routes:       reset-password, password-profile" in ended.out


@pytest.mark.parametrize("lacking", ["BATCHRESET_CLIENT_ID", "BATCHRESET_AUTHORITY"])
def test_without_an_app_registration_the_recipe_is_shown(
    lacking: str, program: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is lacking is named, and how to make an app registration; nobody is asked anything."""
    monkeypatch.delenv(lacking)
    ended = program("login")
    assert ended.status == 5
    assert "az ad app create" in ended.out
    (line,) = ended.err.splitlines()
    assert {"BATCHRESET_CLIENT_ID": "--client-id", "BATCHRESET_AUTHORITY": "--tenant"}[lacking] in line


@pytest.mark.parametrize("way", ["secret", "certificate", "managed-identity", "token"])
def test_only_a_person_logs_in(way: str, program: Callable[..., Ended]) -> None:
    """The other ways need no login, and the command line is told so."""
    ended = program("login", "--auth", way)
    assert (ended.status, ended.out) == (2, "")
    assert f"--auth {way}" in ended.err


@pytest.mark.skipif(ON_WINDOWS, reason="Windows starts its own browser, whatever BROWSER says")
@pytest.mark.usefixtures("door")
def test_a_token_in_the_environment_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs in while a token is set is told that the token will be used instead."""
    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", "of-somebody-else")
    ended = run("login")
    assert ended.status == 0, ended.err
    assert "BATCHRESET_ACCESS_TOKEN is set and goes before this sign-in" in ended.err


def test_a_tenant_must_be_named_as_one(program: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be no tenant's name is refused before anybody is asked."""
    monkeypatch.delenv("BATCHRESET_AUTHORITY")
    ended = program("login", "--tenant", "contoso example")
    assert (ended.status, ended.out) == (2, "")
    assert "--tenant" in ended.err


def test_what_came_as_flags_is_to_be_kept(
    door: Door, program: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines to put into the config file are told, and with them there the next command needs no flag."""
    for name in ("BATCHRESET_CLIENT_ID", "BATCHRESET_AUTHORITY"):
        monkeypatch.delenv(name)
    ended = program("login", "--auth", "device-code", "--client-id", CLIENT_ID, "--authority", door.authority)
    assert ended.status == 0, ended.err
    config = door.home / "config.toml"
    before, said, lines = ended.err.partition(f"put into {config}:\n")
    assert said, before
    assert program("whoami").status == 5
    config.write_text(lines, encoding="utf-8")
    assert program("whoami").status == 0
    assert "put into" not in program("login", "--auth", "device-code").err


def test_an_account_is_forgotten_alone(door: Door, program: Callable[..., Ended]) -> None:
    """The one that is named, in any case; somebody else is not there to be forgotten."""
    assert program("logout", "--account", "nobody@contoso.example").out == "Nobody was signed in.\n"
    assert not door.cache.exists()
    program("login", "--auth", "device-code")
    assert program("logout", "--account", "nobody@contoso.example").out == "Nobody was signed in.\n"
    assert program("whoami").status == 0
    assert OPERATOR.user_principal_name in program("logout", "--account", OPERATOR.user_principal_name.upper()).out
    assert program("whoami").status == 5


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (replace(QUICK, refusals=(Refusal(Problem.BLOCKED, at=GrantType.DEVICE_CODE),)), "AADSTS53003"),
        (replace(QUICK, applications=(Application(delegated=frozenset({"User.Read"})),)), "AADSTS65001"),
        (replace(QUICK, applications=()), "AADSTS700016"),
    ],
    ids=["device codes blocked", "no consent", "another application"],
)
def test_a_refused_sign_in_is_explained(told: str, program: Callable[..., Ended]) -> None:
    """One sentence with the error's number, exit status 5, and nobody is signed in."""
    ended = program("login", "--auth", "device-code")
    assert ended.status == 5
    assert told in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
    assert program("whoami").status == 5


@pytest.mark.skipif(ON_WINDOWS, reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("behaviour", [SignIn(poll_seconds=1)])
def test_ctrl_c_leaves_it(door: Door) -> None:
    """While the code waits to be typed in somewhere, Ctrl-C ends the command with 130."""
    with started("login", "--auth", "device-code") as process:
        wait_until(lambda: door.tenant.sign_ins.requests.total() > 0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "behaviour", [SignIn(applications=(Application(secrets=(SECRET,)),))], ids=["application with a secret"]
)
def test_an_application_is_told_apart(program: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed in by its secret it has no user, and only the route that is open to applications; nothing is kept."""
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("BATCHRESET_METHOD", "auto")
    ended = program("whoami", "--auth", "secret", "--json")
    assert ended.status == 0, ended.err
    found = json.loads(ended.out)
    assert (found["app_only"], found["object_id"]) == (True, Application().object_id)
    assert found["user"] == f"application {CLIENT_ID}"
    assert (found["auth"], found["routes"], found["missing"]) == ("secret", ["password-profile"], [])
    assert (found["tenant"], found["cache"]) == (TENANT_NAME, None)
    assert SECRET not in ended.out + ended.err


def test_a_given_token_is_read(door: Door, program: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a token lacks is named exactly; a wider permission will do."""
    token = door.token("Directory.Read.All", "User.Read")
    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", token)
    found = json.loads(program("whoami", "--json").out)
    assert (found["auth"], found["user"]) == ("token", OPERATOR.user_principal_name)
    lacking = ["UserAuthenticationMethod.ReadWrite.All", "User.RevokeSessions.All"]
    assert (found["missing"], found["routes"]) == (lacking, [])


def test_a_token_that_tells_nothing_is_shown_to_graph(
    door: Door, program: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who it is for comes from Graph then; what it allows nobody tells."""
    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", door.tenant.token)
    found = json.loads(program("whoami", "--json").out)
    assert (found["user"], found["tenant_id"]) == (OPERATOR.user_principal_name, TENANT_ID)
    assert (found["permissions"], found["routes"], found["expires_at"]) == (None, None, None)


def test_who_is_not_taken_is_not_signed_in(
    door: Door, program: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that has expired, and one that Graph does not know."""
    for token, why in ((door.token("User.Read.All", exp=1_700_000_000), "expired"), ("unknown", "401")):
        monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", token)
        ended = program("whoami")
        assert (ended.status, ended.out) == (5, "")
        assert why in ended.err


def test_without_graph_the_token_tells(
    door: Door, program: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Graph cannot be reached, only the tenant's name is missing; that Graph was not asked is said."""
    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", door.token("User.Read.All"))
    monkeypatch.setenv("BATCHRESET_GRAPH_URL", "http://127.0.0.1:9")
    ended = program("whoami", "--json")
    assert "Graph tells nothing at /organization (no connection to 127.0.0.1: " in ended.err
    assert ended.err.endswith("what is shown is what the token says.\n")
    found = json.loads(ended.out)
    assert (found["user"], found["tenant_id"], found["tenant"]) == (OPERATOR.user_principal_name, TENANT_ID, None)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_at_a_terminal_a_person_signs_in_there_and_then(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a command meets nobody signed in: on a terminal, by a way that has a person, with an app registration."""
    flags = {"auth": "device-code"}
    assert sign_in_here(gather(flags)) is False
    screen = _Terminal()
    monkeypatch.setattr(sys, "stdin", _Terminal())
    monkeypatch.setattr(sys, "stderr", screen)
    assert sign_in_here(gather({"auth": "secret"})) is False
    assert sign_in_here(gather(flags).but(client_id=None)) is False
    assert screen.getvalue() == ""
    assert sign_in_here(gather(flags)) is True
    assert f"Signed in as {OPERATOR.user_principal_name}" in screen.getvalue()
    assert door.leaks(screen.getvalue()) == []
    assert CLIENT_ID not in screen.getvalue()
