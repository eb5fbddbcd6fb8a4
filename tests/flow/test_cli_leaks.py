"""Passwords and tokens live in memory only: no command writes or prints one, but where that is what it is for."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from batchreset.engine.keys import key_needed
from batchreset.rehearsal.behaviour import UNHINDERED, Fault
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.signin import SignIn
from batchreset.rehearsal.tenant import Tenant
from batchreset.status import database, schema
from tests.support.door import at_the_door
from tests.support.program import at_home, call, sign_in, tenant_beside
from tests.support.searching import leaks, written_in
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.certificates import PrivateAuthority
    from tests.support.program import Ended

_AWKWARD = (
    Fault.REJECTED,
    Fault.OPERATION_FAILS,
    Fault.OPERATION_REJECTS,
    Fault.LOST_AFTER,
    Fault.HTML_PAGE,
    Fault.NO_LOCATION,
    Fault.OPERATION_UNREADABLE,
)
_PASSPHRASE = "of-the-Workbook, 28 letters"
#: Says on every stream what it was told, and fails.
_TELLTALE = "import sys; told = sys.stdin.read(); print(told); sys.exit(f'no: {told}')"
_OPTIONS = {
    "generated": ["--log-file", "own.log", "--password-style", "passphrase"],
    "system": ["--log-format", "json"],
    "column": ["--log-file", "own.log", "--log-format", "json", "--password-column", "New password"],
}


@pytest.mark.parametrize("source", _OPTIONS)
def test_no_command_writes_or_prints_a_secret(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """From the plan to the forgetting, however a reset goes, with each request told; files are their owner's only."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    at_home(home, monkeypatch)
    first, *others = populate(upns(len(_AWKWARD) + 1), plain=True)
    users = [first, *(replace(user, faults=(fault,)) for user, fault in zip(others, _AWKWARD, strict=True))]
    lines = [f"{user.user_principal_name},Given-{number:02}-quartz!,Boss {number}" for number, user in enumerate(users)]
    (home / "cohort.csv").write_text("\n".join(["upn,New password,Manager", *lines]), encoding="utf-8")
    tenant = Tenant(users, UNHINDERED)
    said: list[Ended] = []

    def do(*words: str) -> Ended:
        said.append(call(capfd, *words))
        return said[-1]

    with tenant_beside(tenant) as url:
        sign_in(monkeypatch, tenant, url)
        patience = ["--directory-lag", "1s", "--deadline", "2s", "--max-failures", "100%"]
        options = ["--password-source", source, *patience, *_OPTIONS[source]]
        assert do("plan", "cohort.csv", "-v", *options).status == 0
        ended = do("run", "cohort.csv", "--yes", "--json", "-vv", *options)
        assert ended.status == 3, ended.err
        assert '"request"' in ended.err or "debug request POST" in ended.err
        run = json.loads(ended.out)["run_id"]
        do("doctor", "-vv")
        do("whoami", "--json")
    for words in (["status", run, "--json"], ["report", run], ["runs"], ["keys"]):
        assert do(*words).status == 0, said[-1].err

    folder = home / "reports" / run
    secrets = {tenant.token, *_passwords_of(tenant), *_passwords_sealed_in(folder)}
    assert len(secrets) > len(users) - len(_AWKWARD)
    secrets |= {line.split(",")[1] for line in lines} if source == "column" else set()

    monkeypatch.setenv("BATCHRESET_WORKBOOK_PASSPHRASE", _PASSPHRASE)
    assert do("passwords", run, "-o", "sealed.xlsx", "--encrypt").status == 0, said[-1].err
    telltale = shlex.join([sys.executable, "-c", _TELLTALE])
    assert do("passwords", run, "--hand-over", telltale, "--contact", "Manager", "--yes").status == 4, said[-1].err
    assert do("passwords", run, "-o", "clear.csv").status == 0
    assert do("passwords", run, "--forget", "--anyway", "--yes").status == 0, said[-1].err

    identity = home / "identity.txt"
    in_clear = {home / "clear.csv", identity, *([home / "cohort.csv"] if source == "column" else [])}
    own_key = identity.read_text(encoding="utf-8").splitlines()[-1]
    written = written_in(home, temporary, but=in_clear)
    assert any(place.endswith("xlsx/xl/workbook.xml") for place in written)
    printed = {f"output {number}": (each.out + each.err).encode() for number, each in enumerate(said)}
    assert leaks({**written, **printed}, {*secrets, own_key, _PASSPHRASE}) == []
    assert leaks(written_in(home), secrets)  # where they are meant to be, they are found
    if sys.platform != "win32":
        ours = [*folder.rglob("*"), folder, *(home / name for name in ("identity.txt", "clear.csv", "sealed.xlsx"))]
        ours += [home / "own.log"] if source != "system" else []
        assert [path for path in ours if path.stat().st_mode & 0o077] == []


def test_signing_in_tells_no_token(
    private: PrivateAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With each request told, of the sign-in service too: tokens are in the token cache, and nowhere else."""
    quick = SignIn(poll_seconds=0, approved_after_polls=1)
    with at_the_door(tmp_path, monkeypatch, private, Tenant(behaviour=replace(UNHINDERED, sign_in=quick))) as door:
        said = [
            call(capfd, *words)
            for words in (["login", "--auth", "device-code", "-vv"], ["doctor", "-vv"], ["whoami", "--json"])
        ]
        assert "debug request POST" in said[0].err
        assert "/oauth2/v2.0/token 200" in said[0].err
        assert "debug request GET /v1.0/" in said[1].err
        written = written_in(tmp_path, but=[door.cache])
        printed = {f"output {number}": (each.out + each.err).encode() for number, each in enumerate(said)}
        assert leaks({**written, **printed}, {each for each in door.secrets() if len(each) > 10}) == []
        if sys.platform != "win32":
            assert door.cache.stat().st_mode & 0o077 == 0


def test_a_rehearsal_tells_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its passwords are no real ones, and kept like real ones."""
    at_home(tmp_path, monkeypatch)
    (tmp_path / "cohort.csv").write_text(upns(1)[0], encoding="utf-8")
    ended = call(
        capfd, "rehearse", "cohort.csv", "-vv", "--method", "password-profile"
    )  # which has nothing to wait for
    assert ended.status == 0, ended.err
    assert " info succeeded source=cohort.csv row=1 " in ended.err
    (folder,) = (tmp_path / "reports").iterdir()
    printed = {"standard output": ended.out.encode(), "standard error": ended.err.encode()}
    assert leaks({**written_in(tmp_path), **printed}, _passwords_sealed_in(folder)) == []


def _passwords_of(tenant: Tenant) -> set[str]:
    """Return every password that an operation of the tenant was to put in force."""
    return {operation.password for operation in tenant.operations.values()}


def _passwords_sealed_in(folder: Path) -> set[str]:
    """Return every password that the run made or was told, those that were refused too."""
    key, engine = key_needed(folder), database.connect(folder)
    try:
        with engine.connect() as connection:
            sealed = connection.execute(select(schema.candidates.c.sealed)).scalars().all()
    finally:
        engine.dispose()
    return {key.unseal(each).reveal() for each in sealed if each}
