"""Processes that are interrupted, killed or fail by a fault of their own leave no secret behind, nor a core dump."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from batchreset.engine.keys import key_needed
from batchreset.engine.passwords import opened
from batchreset.rehearsal.behaviour import UNHINDERED, Spread
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import Tenant
from batchreset.status import database
from tests.support.program import at_home, posix_only, run, sign_in, started, tenant_beside, wait_until
from tests.support.quoting import Quoting
from tests.support.searching import leaks, written_in
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from pathlib import Path

_ACCOUNTS = 40
#: Becomes the program, once a fault of its own has been put where a reset has just been answered.
_FAULTY = """
import batchreset.engine.pool as pool
from batchreset.cli import main

def fail(result, now):
    fault = RuntimeError(f"cannot judge {result!r}")
    fault.add_note("a note")
    raise fault

pool.judge = fail
main()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have every file that a process makes lie in one folder."""
    for name in ("HOME", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    at_home(tmp_path, monkeypatch)
    cells = [f"{name},Quartz-{number + 100}-meadow!" for number, name in enumerate(upns(_ACCOUNTS))]
    (tmp_path / "cohort.csv").write_text("\n".join(["upn,Password", *cells]), encoding="utf-8")
    return tmp_path


def _secrets(tenant: Tenant, home: Path) -> set[str]:
    given = (home / "cohort.csv").read_text(encoding="utf-8").splitlines()[1:]
    return {tenant.token, *(line.partition(",")[2] for line in given)}


@posix_only
def test_what_was_killed_and_resumed_holds_no_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted, then killed while answers come in, then finished: what opens is what is in force, for everyone."""
    tenant = Tenant(
        populate(upns(_ACCOUNTS), plain=True), replace(UNHINDERED, latency=Spread(0.1), cloud_operation=Spread(0.2))
    )
    log = home / "own.log"
    said: list[str] = []
    source = ("--password-source", "column", "--password-column", "Password")
    usual = ("--yes", "-vv", "--log-file", "own.log", "--workers", "2")
    with tenant_beside(tenant) as url:
        sign_in(monkeypatch, tenant, url)
        with started("run", "cohort.csv", *source, *usual) as process:
            wait_until(partial(_is_told, log, " succeeded ", 3))
            process.send_signal(signal.SIGINT)
            said += process.communicate()
            assert process.returncode == 130, said
        (folder,) = (path for path in (home / "reports").iterdir() if path.is_dir())
        before = log.read_text(encoding="utf-8").count(" succeeded ")
        with started("resume", str(folder), *usual) as process:
            wait_until(partial(_is_told, log, " succeeded ", before + 3))
            process.kill()
            said += process.communicate()
        left = written_in(home, but=[home / "cohort.csv", home / "identity.txt"])
        ended = run("resume", str(folder), *usual)
    assert ended.status == 0, ended.err
    engine = database.connect(folder)
    try:
        told = {each.object_id: each.password.reveal() for each in opened(engine, key_needed(folder))}
    finally:
        engine.dispose()
    assert len(told) == _ACCOUNTS
    assert {object_id: tenant.password_of(object_id) for object_id in told} == told
    written = written_in(home, but=[home / "cohort.csv", home / "identity.txt"])
    printed = {"printed": "".join((*said, ended.out, ended.err)).encode()}
    assert any(place.endswith("-wal") for place in left)
    assert (
        leaks(
            {**written, **printed, **{f"{place} of the killed": text for place, text in left.items()}},
            _secrets(tenant, home),
        )
        == []
    )


def test_a_fault_of_its_own_shows_no_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one whose text quotes what the service just said, which had quoted what it was told."""
    tenant = Tenant(populate(upns(_ACCOUNTS), plain=True), UNHINDERED)
    tenant.troubles = Quoting()
    source = ("--password-source", "column", "--password-column", "Password")
    with tenant_beside(tenant) as url:
        sign_in(monkeypatch, tenant, url)
        done = subprocess.run(  # noqa: S603  our own program
            [sys.executable, "-c", _FAULTY, "run", "cohort.csv", "--yes", "-vv", *source],
            capture_output=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert b"RuntimeError: cannot judge Answer(status=" in done.stderr
    assert b"a note" in done.stderr
    written = written_in(home, but=[home / "cohort.csv", home / "identity.txt"])
    assert leaks({**written, "output": done.stdout, "errors": done.stderr}, _secrets(tenant, home)) == []


@posix_only
def test_core_dumps_are_off() -> None:
    """For the program, and for whatever it starts."""
    code = """
import subprocess, sys
from batchreset.cli import main
sys.argv = ["batchreset", "--version"]
try:
    main()
except SystemExit:
    subprocess.run([sys.executable, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  our own
    assert done.stdout.endswith("(0, 0)\n")


def _is_told(log: Path, text: str, times: int) -> bool:
    return log.exists() and log.read_text(encoding="utf-8").count(text) >= times
