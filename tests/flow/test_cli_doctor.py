"""doctor: what it finds on a healthy machine, and that each thing that is wrong is found and hides no other."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.cli.asynchronous import run_async
from batchreset.engine.doctor import roads
from batchreset.rehearsal.behaviour import UNHINDERED, Outage
from batchreset.rehearsal.population import OPERATOR
from batchreset.rehearsal.signin import CLIENT_ID, Application, SignIn
from batchreset.rehearsal.tenant import Tenant
from batchreset.settings import Settings
from tests.support.door import Door, at_the_door
from tests.support.program import Ended, at_home, call
from tests.support.scripted import answering, as_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohttp import web

    from tests.support.certificates import PrivateAuthority

SECRET = "a-secret-of-the-application"
NEEDED = (
    *("User.Read.All", "RoleManagement.Read.Directory", "GroupMember.Read.All"),
    *("UserAuthenticationMethod.ReadWrite.All", "User.RevokeSessions.All"),
)
#: Nobody listens there.
NOWHERE = "http://127.0.0.1:9"
EVERYTHING = (
    *("program", "config file", "settings", "certificates", "proxy to sign-in", "reaching sign-in", "clock"),
    *("proxy to Graph", "reaching Graph", "app registration", "sign-in", "permissions", "consent", "route"),
    *("look-up", "directory roles", "run folder", "key", "token cache"),
)


@pytest.fixture
def door(private: PrivateAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    applications = (Application(), Application(client_id="daemon", secrets=(SECRET,)))
    sign_in = SignIn(poll_seconds=0, approved_after_polls=1, applications=applications)
    tenant = Tenant(behaviour=replace(UNHINDERED, sign_in=sign_in))
    with at_the_door(tmp_path, monkeypatch, private, tenant) as found:
        yield found


class Doctor:
    """Asks the doctor, and reads what was found by the names of the checks."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def text(self, *arguments: str) -> Ended:
        return call(self._capture, "doctor", *arguments)

    def found(self, status: int, *arguments: str) -> dict[str, dict[str, str]]:
        """Return every check by its name; the command ends with `status`, which agrees with them."""
        ended = self.text("--json", *arguments)
        assert ended.status == status, ended
        checks: list[dict[str, str]] = json.loads(ended.out)["checks"]
        assert tuple(check["name"] for check in checks) == EVERYTHING
        assert (status != 0) is any(check["verdict"] == "problem" for check in checks)
        return {check["name"]: check for check in checks}

    def wrong(self, *arguments: str) -> dict[str, str]:
        """Return what was told of each problem."""
        return {
            name: check["told"] for name, check in self.found(5, *arguments).items() if check["verdict"] == "problem"
        }


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(capsys)


def with_token(door: Door, monkeypatch: pytest.MonkeyPatch, *permissions: str, **claims: Any) -> None:
    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", door.token(*permissions, **claims))


def test_all_is_well(door: Door, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who has signed in, with everything that is needed: no problem, no secret told, and no file made."""
    assert call(capsys, "login", "--auth", "device-code").status == 0
    before = {path: path.read_bytes() for path in door.home.rglob("*") if path.is_file()}
    found = doctor.found(0)
    assert {path: path.read_bytes() for path in door.home.rglob("*") if path.is_file()} == before
    assert {name for name, check in found.items() if check["verdict"] != "ok"} == set()
    assert OPERATOR.user_principal_name in found["sign-in"]["told"]
    assert found["directory roles"]["told"] == "Authentication Administrator"
    assert found["route"]["told"] == "reset-password"
    assert f"client_id={CLIENT_ID}" in found["consent"]["told"]
    assert str(door.cache) in found["token cache"]["told"]
    assert f"client-id {CLIENT_ID} (environment)" in found["settings"]["told"]
    ended = doctor.text()
    assert [line.split(maxsplit=1)[0] for line in ended.out.splitlines()] == ["ok"] * len(EVERYTHING)
    assert door.leaks(ended.out, ended.err, json.dumps(found)) == []


def test_nothing_is_configured(
    tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """How to make an app registration is told; what depends on it is unknown; and no network is needed to say so."""
    at_home(tmp_path, monkeypatch)
    monkeypatch.setenv("BATCHRESET_TOKEN_CACHE", str(tmp_path / "tokens.bin"))
    monkeypatch.setenv("BATCHRESET_GRAPH_URL", NOWHERE)
    monkeypatch.setenv("https_proxy", NOWHERE)
    found = doctor.found(5)
    assert found["app registration"]["verdict"] == "problem"
    assert "az ad app create" in found["app registration"]["advice"]
    assert [found[name]["verdict"] for name in ("sign-in", "permissions", "consent", "look-up", "clock")] == [
        "unknown"
    ] * 5
    assert [found[name]["verdict"] for name in ("run folder", "key", "settings")] == ["ok"] * 3
    assert not (tmp_path / "identity.txt").exists()
    assert not (tmp_path / "reports").exists()
    ended = call(capsys, "doctor")
    assert "az ad app create" in ended.out


def test_nobody_has_signed_in_yet(door: Door, doctor: Doctor) -> None:
    """That is a problem, told with what to do; and looking makes nothing, not even a place for sign-ins."""
    before = sorted(door.home.rglob("*"))
    found = doctor.found(5)
    assert [name for name, check in found.items() if check["verdict"] == "problem"] == ["sign-in"]
    assert "batchreset login" in found["sign-in"]["told"]
    assert found["token cache"]["told"] == f"{door.cache} (there is none yet; `batchreset login` makes it)"
    assert sorted(door.home.rglob("*")) == before


def test_a_token_cache_that_cannot_be_made(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a file there is no folder."""
    (door.home / "file").touch()
    monkeypatch.setenv("BATCHRESET_TOKEN_CACHE", str(door.home / "file" / "tokens"))
    assert "cannot be made" in doctor.wrong()["token cache"]


@pytest.mark.usefixtures("door")
def test_a_machine_without_identity_cannot_sign_in(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else looks whether its endpoint is reached, so that is the sign-in's own problem."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{NOWHERE}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header-of-the-machine")
    wrong = doctor.wrong("--auth", "managed-identity")
    assert list(wrong) == ["sign-in"]
    assert "managed identity endpoint could not be reached" in wrong["sign-in"]


def test_the_route_may_be_chosen(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a flag as by a variable: the other one needs another permission."""
    with_token(door, monkeypatch, *NEEDED)
    assert doctor.found(0)["route"]["told"] == "reset-password"
    found = doctor.found(5, "--method", "password-profile")
    assert "User-PasswordProfile.ReadWrite.All is missing" in found["permissions"]["told"]


def test_a_missing_permission_is_named(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its exact name, with what it is for; the look-up that needs it is refused."""
    with_token(door, monkeypatch, "User.Read", *NEEDED[1:-1])
    found = doctor.found(5)
    assert found["permissions"]["told"] == (
        "User.Read.All is missing (to look accounts up); User.RevokeSessions.All is missing (to revoke sessions)"
    )
    assert "delegated permission" in found["permissions"]["advice"]
    assert found["look-up"]["verdict"] == "problem"
    assert found["route"]["verdict"] == "ok"
    monkeypatch.setenv("BATCHRESET_METHOD", "password-profile")
    assert "User-PasswordProfile.ReadWrite.All is missing" in doctor.found(5)["permissions"]["told"]
    assert doctor.found(5)["route"]["told"] == "--method password-profile is not open to this sign-in"


def test_a_missing_role_is_told(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a role that may reset, those that would do are named."""
    with_token(door, monkeypatch, *NEEDED)
    door.tenant.end_role()
    found = doctor.found(5)
    assert found["directory roles"]["verdict"] == "problem"
    assert "Authentication Administrator" in found["directory roles"]["advice"]
    assert [name for name, check in found.items() if check["verdict"] == "problem"] == ["directory roles"]


def test_graph_is_out_of_reach(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is one problem; what only Graph can tell is unknown, and everything else is looked at."""
    with_token(door, monkeypatch, *NEEDED)
    monkeypatch.setenv("BATCHRESET_GRAPH_URL", NOWHERE)
    found = doctor.found(5)
    assert [name for name, check in found.items() if check["verdict"] == "problem"] == ["reaching Graph"]
    unknown = [name for name, check in found.items() if check["verdict"] == "unknown"]
    assert unknown == ["clock", "look-up", "directory roles"]


def test_graph_is_down(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, and has nothing to say: no problem of this machine's, and no long wait."""
    with_token(door, monkeypatch, *NEEDED)
    door.tenant.behaviour = replace(door.tenant.behaviour, outages=(Outage(0, math.inf, answered=True),))
    found = doctor.found(0)
    assert [name for name, check in found.items() if check["verdict"] != "ok"] == ["look-up", "directory roles"]
    assert "503" in found["look-up"]["told"]


def test_the_sign_in_service_is_out_of_reach(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody can sign in, which is no problem of its own."""
    monkeypatch.setenv("BATCHRESET_AUTHORITY", "https://127.0.0.1:9/contoso.example")
    (door.home / "tokens.bin").unlink(missing_ok=True)
    found = doctor.found(5, "--auth", "secret", "--client-id", "daemon")
    assert found["reaching sign-in"]["verdict"] == "problem"
    assert found["reaching Graph"]["verdict"] == "ok"
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", SECRET)
    found = doctor.found(5, "--auth", "secret", "--client-id", "daemon")
    assert [name for name, check in found.items() if check["verdict"] == "problem"] == ["reaching sign-in"]
    assert found["sign-in"]["verdict"] == "unknown"


def test_a_tenant_that_is_not_there(door: Door, doctor: Doctor) -> None:
    """The sign-in service answers, and says that it knows no such tenant."""
    root = door.authority.rpartition("/")[0]
    found = doctor.found(5, "--authority", f"{root}/fabrikam.example")
    assert found["reaching sign-in"]["verdict"] == "problem"
    assert "AADSTS90002" in found["reaching sign-in"]["told"]


def test_an_application_needs_a_role_of_its_own(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """App-only, password-profile is the only route, and a role is needed that may write passwords."""
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("BATCHRESET_METHOD", "auto")
    asked = ("--auth", "secret", "--client-id", "daemon")
    found = doctor.found(0, *asked)
    assert {name for name, check in found.items() if check["verdict"] != "ok"} == set()
    assert (found["route"]["told"], found["directory roles"]["told"]) == ("password-profile", "User Administrator")
    assert "application daemon" in found["sign-in"]["told"]
    assert "BATCHRESET_CLIENT_SECRET is set" in found["settings"]["told"]
    assert SECRET not in json.dumps(found)
    door.tenant.end_role()
    found = doctor.found(5, *asked)
    assert [name for name, check in found.items() if check["verdict"] == "problem"] == ["directory roles"]
    assert found["directory roles"]["advice"].startswith("Assign or activate one of: User Administrator")
    monkeypatch.setenv("BATCHRESET_METHOD", "reset-password")
    assert doctor.found(5, *asked)["route"]["verdict"] == "problem"


def test_the_ways_out_are_told_without_passwords(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is named without who goes through it; one that makes no sense is a problem of its own."""
    with_token(door, monkeypatch, *NEEDED)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://ana:hush-hush@127.0.0.1:9")
    ended = doctor.text("--graph-url", "https://graph.test")
    assert "http://127.0.0.1:9 for graph.test" in ended.out
    assert "hush-hush" not in ended.out + ended.err
    monkeypatch.setenv("https_proxy", "socks5://ana:hush-hush@127.0.0.1:9")
    found = doctor.found(5, "--graph-url", "https://graph.test")
    assert found["proxy to Graph"]["verdict"] == "problem"
    assert found["reaching Graph"]["verdict"] == "unknown"
    assert "hush-hush" not in json.dumps(found)


def test_certificates_that_cannot_be_read(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable and the file are named; nobody is asked without them."""
    with_token(door, monkeypatch, *NEEDED)
    monkeypatch.setenv("SSL_CERT_FILE", str(door.home / "none.pem"))
    found = doctor.found(5)
    assert f"SSL_CERT_FILE={door.home / 'none.pem'}" in found["certificates"]["told"]
    assert found["reaching Graph"]["verdict"] == "unknown"


def test_a_run_folder_that_cannot_be_made(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a file there is no folder."""
    with_token(door, monkeypatch, *NEEDED)
    (door.home / "file").touch()
    found = doctor.wrong("--out", str(door.home / "file" / "reports"))
    assert list(found) == ["run folder"]
    assert str(door.home / "file" / "reports") in found["run folder"]


def test_settings_that_cannot_be_used(door: Door, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong variable and a wrong file are problems told; a wrong flag is a wrong command line."""
    monkeypatch.setenv("BATCHRESET_WORKERS", "many")
    assert "BATCHRESET_WORKERS many" in doctor.wrong()["settings"]
    monkeypatch.delenv("BATCHRESET_WORKERS")
    (door.home / "config.toml").write_text("workers = ", encoding="utf-8")
    assert list(doctor.wrong()) == ["config file"]
    (door.home / "config.toml").write_text("workers = 8", encoding="utf-8")
    assert "workers 8 (config file)" in doctor.found(5, "--cloud", "usgov")["settings"]["told"]
    assert "cloud usgov (flag)" in doctor.found(5, "--cloud", "usgov")["settings"]["told"]
    assert doctor.text("--cloud", "mars").status == 2


@pytest.mark.parametrize(("minutes", "verdict"), [(-6, "problem"), (6, "problem"), (4, "ok")])
def test_the_clock_is_compared(minutes: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the date of an answer: more than five minutes either way is a problem, with the direction told."""
    at_home(tmp_path, monkeypatch)

    async def handle(_request: web.BaseRequest) -> web.Response:
        date = format_datetime(datetime.now(UTC) - timedelta(minutes=minutes), usegmt=True)
        return as_json({}, 401, Date=date)

    async def look() -> roads.Reached:
        async with answering(handle) as url:
            return await roads.reach_graph(Settings(graph_url=url))

    check = roads.clock([run_async(look())])
    assert check.verdict == verdict
    assert ("ahead of" if minutes > 0 else "behind") in check.told


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_nobody_tells_the_time(date: str | None) -> None:
    """Without a date that can be read nothing is said about the clock."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        return as_json({}, 401, Date=date or "")

    async def look() -> roads.Reached:
        async with answering(handle) as url:
            return await roads.reach_graph(Settings(graph_url=url))

    reached = asyncio.run(look())
    assert reached.check.verdict == "ok"
    assert roads.clock([reached]).verdict == "unknown"


@pytest.mark.parametrize(("arguments", "kind"), [((), "Scope"), (("--auth", "certificate"), "Role")])
def test_the_scopes_are_printed_and_nothing_else(
    arguments: tuple[str, ...], kind: str, tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an app registration's manifest has them, signed out and offline."""
    at_home(tmp_path, monkeypatch)
    ended = doctor.text("--print-scopes", *arguments)
    assert (ended.status, ended.err) == (0, "")
    (access,) = json.loads(ended.out)
    assert access["resourceAppId"] == "00000003-0000-0000-c000-000000000000"
    assert {each["type"] for each in access["resourceAccess"]} == {kind}
    reset = "b7887744-6746-4312-813d-72daeaee7e2d"
    assert (reset in {each["id"] for each in access["resourceAccess"]}) is (kind == "Scope")
