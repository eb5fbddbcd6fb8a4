"""Disks that are full for real, under processes that are at work on them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from batchreset.engine.keys import key_needed
from batchreset.engine.passwords import opened
from batchreset.rehearsal.behaviour import UNHINDERED, Route, Spread
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import Tenant, What
from batchreset.status import database
from batchreset.status.schema import sends
from tests.support.program import at_home, call, signed_in, wait_until
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Call

#: So many workers reset, and so many revoke sessions.
ACCOUNTS, WORKERS, CARING = 24, 4, 1
BEHAVIOUR = replace(UNHINDERED, latency=Spread(0.1, 0.5), cloud_operation=Spread(0.5))
#: The program, which at its end waits for the disk as many seconds as its first argument says, and not ten.
PROGRAM = (
    "import sys; from batchreset.status import writer; writer._LAST_CHANCE = float(sys.argv.pop(1)); "
    "from batchreset.cli import main; main()"
)


@pytest.fixture
def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """Be signed in to a tenant that takes its time."""
    at_home(tmp_path, monkeypatch)
    (tmp_path / "cohort.csv").write_text("\n".join(["upn", *upns(ACCOUNTS)]), encoding="utf-8")
    with signed_in(monkeypatch, Tenant(populate(upns(ACCOUNTS), plain=True), BEHAVIOUR)) as tenant:
        yield tenant


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if sys.platform != "linux" or _is_refused("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)):
        pytest.skip("nothing can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)  # noqa: S603, S607  the system's own


def _is_refused(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode != 0  # noqa: S603  the system's own
    except OSError:
        return True


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command in this process: only one whose disk is full has to be another."""
    return lambda *arguments: call(capsys, *arguments)


def planned(here: Call, out: Path) -> Path:
    """Plan a reset of all accounts."""
    assert here("plan", "cohort.csv", "--out", str(out)).status == 0
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    return folder


@contextmanager
def at_work(folder: Path, *, last_chance: float, tenant: Tenant) -> Iterator[subprocess.Popen[str]]:
    """Have a process carry the plan out, and a third of it done."""
    arguments = ["resume", str(folder), "--yes", "--workers", str(WORKERS), "--log-format", "json"]
    with subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-c", PROGRAM, str(last_chance), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            wait_until(lambda: answered(tenant)[Route.RESET] >= ACCOUNTS // 3)
            yield process
        finally:
            process.kill()


def received(tenant: Tenant) -> list[list[str | None]]:
    """Return, for each account, the requests that reached the tenant."""
    return [
        [event.client_request_id for event in list(each.events) if event.what is What.RECEIVED]
        for each in list(tenant.accounts.values())[1:]
    ]


def answered(tenant: Tenant) -> Counter[Route]:
    """Return how many requests of each kind the tenant has answered."""
    counts: Counter[Route] = Counter()
    for (route, _), count in list(tenant.requests.items()):
        counts[route] += count
    return counts


def assert_stopped(tenant: Tenant, sent: Counter[Route]) -> None:
    """Hold that since the disk was full, when so much was `sent`, no more was answered than was under way."""
    now = answered(tenant)
    assert now[Route.RESET] <= sent[Route.RESET] + WORKERS
    assert now[Route.REVOKE] <= sent[Route.REVOKE] + CARING


def check(tenant: Tenant, folder: Path) -> None:
    """Hold the run's end against the tenant: all were reset, and every password opens."""
    tenant.settle()
    engine = database.connect(folder, is_checked=True)
    passwords = {each.object_id: each for each in opened(engine, key_needed(folder))}
    with engine.connect() as connection:
        intended = set(connection.execute(select(sends.c.client_request_id)).scalars())
    engine.dispose()
    assert {each.certainty for each in passwords.values()} == {"sure"}
    assert {name: each.password.reveal() for name, each in passwords.items()} == {
        each.user.id: each.password for each in list(tenant.accounts.values())[1:]
    }
    assert {request for requests in received(tenant) for request in requests} <= intended


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets one process limit another")
def test_what_is_under_way_while_the_disk_is_full_is_written_when_there_is_room(
    tmp_path: Path, tenant: Tenant, here: Call
) -> None:
    """Sending stops at once and for good, no answer is lost, and the next start sends nothing twice."""
    import resource  # noqa: PLC0415  not there on Windows

    folder = planned(here, tmp_path / "reports")
    with at_work(folder, last_chance=60, tenant=tenant) as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        sent = answered(tenant)
        told = iter(process.stderr or ())
        assert any('"halted"' in line for line in told)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "Halted" in out
    assert "the status table cannot be written" in out
    assert_stopped(tenant, sent)
    assert (folder / "report.html").is_file()
    assert here("resume", str(folder), "--yes").status == 0
    told_of = [Counter(event.what for event in each.events) for each in list(tenant.accounts.values())[1:]]
    once = {What.ACCEPTED: 1, What.APPLIED: 1, What.REVOKED: 1}
    assert told_of == [{What.RECEIVED: 2} | once] * ACCOUNTS
    check(tenant, folder)


def test_a_disk_that_stays_full_halts_the_run_and_contradicts_nothing(
    small_disk: Path, tenant: Tenant, here: Call
) -> None:
    """The status says so; once there is room, the next start settles what is not known, and finishes."""
    folder = planned(here, small_disk)
    with at_work(folder, last_chance=0.5, tenant=tenant) as process:
        fill(small_disk / "ballast")
        sent = answered(tenant)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (4, ""), err
    assert "is full" in err
    assert "Traceback" not in err
    assert_stopped(tenant, sent)
    (small_disk / "ballast").unlink()
    assert here("resume", str(folder), "--yes").status == 0
    check(tenant, folder)


def test_a_disk_that_is_full_before_anything_is_sent_is_refused(small_disk: Path, tenant: Tenant, here: Call) -> None:
    """In one sentence; nothing is left behind."""
    fill(small_disk / "ballast")
    ended = here("run", "cohort.csv", "--yes", "--out", str(small_disk))
    assert (ended.status, ended.out) == (5, "")
    assert str(small_disk) in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
    assert not any(received(tenant))


def fill(ballast: Path) -> None:
    """Take all the room that is left."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_folder_that_may_only_be_read_is_refused(small_disk: Path, tenant: Tenant, here: Call) -> None:
    """Nothing is sent, and the sentence says what is missing."""
    folder = planned(here, small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)  # noqa: S603, S607  the system's own
    for command, *more in (("resume", "--yes"), ("report",), ("passwords", "-o", "-")):
        ended = here(command, str(folder), *more)
        assert (ended.status, ended.out) == (5, "")
        assert "to write" in ended.err
    assert not any(received(tenant))
