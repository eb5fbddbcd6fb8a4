"""The program's whole way: plan, run, ask, stop, resume, report, hand the passwords over."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from python_calamine import CalamineWorkbook

import batchreset
from batchreset.rehearsal.behaviour import UNHINDERED, Fault, Route, Spread
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import Tenant
from tests.support.program import (
    at_home,
    on_terminal,
    posix_only,
    run,
    signed_in,
    started,
    wait_until,
)
from tests.support.steps import received, resets_received, revocations
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchreset.engine.progress import Snapshot
    from tests.support.program import Call


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path, monkeypatch)


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """Be signed in to a tenant of three plain accounts, whose resets take effect at once."""
    with signed_in(monkeypatch, Tenant(populate(upns(3), plain=True), UNHINDERED)) as tenant:
        yield tenant


def _cohort(folder: Path, *lines: str, accounts: int = 0) -> str:
    (folder / "cohort.csv").write_text("\n".join(["userPrincipalName", *upns(accounts), *lines]), encoding="utf-8")
    return "cohort.csv"


def _in_force(tenant: Tenant) -> dict[str, str]:
    """Return the passwords that the tenant was given, by UPN."""
    tenant.settle()
    return {each.user.user_principal_name: each.password for each in tenant.accounts.values() if each.password}


def test_a_scheduled_run_from_its_cohort_to_its_passwords(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """A run under a scheduler says one JSON object and plain lines; every other command finds it afterwards."""
    ended = run("run", _cohort(tmp_path, accounts=3), "--yes", "--json")
    assert ended.status == 0, ended.err
    summary = json.loads(ended.out)
    assert summary["counts"] == dict.fromkeys(summary["counts"], 0) | {"succeeded": 3}
    assert "Your key, which opens sealed passwords, is now in" in ended.err
    assert "0 done, 0 in flight, 0 failed, 3 left" in ended.err
    assert "\x1b" not in ended.out + ended.err
    assert "Traceback" not in ended.err

    found = here("status", "--json")
    assert found.err == ""
    assert json.loads(found.out)["state"] == "finished"
    (listed,) = json.loads(here("runs", "--json").out)["runs"]
    assert listed.items() <= json.loads(found.out).items()
    assert here("runs").out == here("status").out == f"{summary['run_id']}  finished  3 rows: 3 succeeded\n"
    assert json.loads(here("status", "--watch", "--json").out) == json.loads(found.out)

    written = here("report", summary["run_id"])
    assert (written.status, written.err) == (0, "")
    assert written.out.startswith("Finished: 3 rows: 3 succeeded.\nReport: ")

    expected = _in_force(tenant)
    told = list(csv.DictReader(io.StringIO(here("passwords", summary["folder"], "-o", "-").out)))
    assert {line["user"]: line["password"] for line in told} == expected
    assert {(line["certainty"], line["outcome"]) for line in told} == {("sure", "succeeded")}
    assert [line["row"] for line in told] == ["2", "3", "4"]

    assert here("passwords", summary["run_id"], "-o", "all.csv").status == 0
    content = (tmp_path / "all.csv").read_text(encoding="utf-8-sig")
    assert list(csv.DictReader(io.StringIO(content))) == told
    assert here("passwords", summary["run_id"], "-o", "all.xlsx").status == 0
    header, *lines = CalamineWorkbook.from_path(tmp_path / "all.xlsx").get_sheet_by_index(0).to_python()
    assert [dict(zip(header, line, strict=True)) for line in lines] == told
    if sys.platform != "win32":
        assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("all.csv", "all.xlsx", "identity.txt")} == {0o600}

    shown = here("keys").out
    assert str(tmp_path / "identity.txt") in shown
    assert "public key: age1" in shown
    assert "AGE-SECRET-KEY" not in shown


def test_a_plan_changes_nothing_and_shows_the_first_request(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """What a plan prints names the tenant, the number and the request; the tenant received no write."""
    cohort = _cohort(tmp_path, accounts=2)
    told = here("plan", cohort, "--ticket", "INC-4711", "--workers", "2")
    assert told.status == 0
    for part in ("Contoso Rehearsal", "2 of 2 rows", "INC-4711", "/resetPassword", '{"newPassword": "***"}'):
        assert part in told.out
    assert "Carry it out with: batchreset resume reports" in told.out
    plan = json.loads(here("plan", cohort, "--json").out)
    assert (plan["rows"], plan["ready"], plan["state"]) == (2, 2, "planned")
    assert received(tenant) == [0, 0, 0]


@posix_only
def test_the_question_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """Above a hundred accounts only the number is a yes; a plan that was refused can be resumed, and asks again."""
    with signed_in(monkeypatch, Tenant(populate(upns(101), plain=True), UNHINDERED)) as tenant:
        refused = on_terminal("run", _cohort(tmp_path, accounts=101), answer="yes\n")
        assert refused.status == 5
        assert "Reset the passwords of 101 accounts in Contoso Rehearsal" in refused.screen
        assert "Type 101 to go on" in refused.screen
        assert "the answer was no" in refused.screen
        assert sum(received(tenant)) == 0

        name = json.loads(here("status", "--json").out)["run_id"]
        done = on_terminal("resume", name, answer="101\n")
        assert done.status == 0, done.screen
        assert "Finished: 101 rows: 101 succeeded." in done.screen
        assert set(resets_received(tenant)) == set(revocations(tenant)) == {1}


@posix_only
def test_a_cohort_from_a_pipe_is_asked_about_on_the_terminal(tmp_path: Path, tenant: Tenant) -> None:
    """With `-` and --json the question and the live view are on the terminal, and only the JSON goes to the file."""
    (tmp_path / "piped").write_text("\n".join(upns(1)), encoding="utf-8")
    with (tmp_path / "piped").open("rb") as stdin, (tmp_path / "out").open("wb") as stdout:
        ended = on_terminal("run", "-", "--json", answer="yes\n", stdin=stdin, stdout=stdout)
    assert ended.status == 0, ended.screen
    assert "Reset the passwords of 1 account in" in ended.screen
    assert json.loads((tmp_path / "out").read_text(encoding="utf-8"))["counts"]["succeeded"] == 1
    assert resets_received(tenant) == revocations(tenant) == [1, 0, 0]


@posix_only
def test_a_run_that_is_interrupted_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """Ctrl-C stops sending, accounts for every row and ends with 130; what is left is asked about again, then sent."""
    slow = replace(UNHINDERED, latency=Spread(0.1))
    with signed_in(monkeypatch, Tenant(populate(upns(24), plain=True), slow)) as tenant:
        with started("run", _cohort(tmp_path, accounts=24), "--yes", "--workers", "2") as process:
            wait_until(lambda: sum(resets_received(tenant)) >= 5)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate()
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert out.startswith("Interrupted: 24 rows: ")
        assert "Go on with: batchreset resume" in out

        standing = json.loads(here("status", "--json").out)
        assert standing["state"] == "interrupted"
        assert standing["counts"]["succeeded"] == sum(resets_received(tenant))
        assert standing["counts"]["succeeded"] + standing["counts"]["not_attempted"] == 24

        asked = here("resume", standing["run_id"])
        assert asked.status == 5
        assert "no terminal to ask on" in asked.err.splitlines()[-1]
        done = here("resume", standing["run_id"], "--yes", "--json", "--workers", "32")
        assert done.status == 0, done.err
        assert json.loads(done.out)["counts"]["succeeded"] == 24
        assert set(resets_received(tenant)) == set(revocations(tenant)) == {1}


@posix_only
def test_a_run_that_was_killed_is_told_as_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """What a killed process left behind as running is known by its lock: --watch does not wait for the dead."""
    endless = replace(UNHINDERED, cloud_operation=Spread(3600))
    with (
        signed_in(monkeypatch, Tenant(populate(upns(2), plain=True), endless)) as tenant,
        started("run", _cohort(tmp_path, accounts=2), "--yes") as process,
    ):
        wait_until(lambda: sum(received(tenant)) == 2)
        assert json.loads(here("status", "--json").out)["state"] == "running"
        process.kill()
        process.communicate()
    standing = json.loads(here("status", "--watch", "--json").out)
    assert (standing["state"], standing["in_flight"]) == ("interrupted", 2)


@contextmanager
def on_signal(number: signal.Signals, handler: Any) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@posix_only
@pytest.mark.parametrize(
    ("number", "on_interrupt"),
    [
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_IGN),
    ],
)
def test_an_interrupted_plan_leaves_nothing_behind(
    number: signal.Signals, on_interrupt: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or a scheduler's word, while accounts are looked up ends with 130 and without a run folder.

    The latter also in a script's background, where Ctrl-C is ignored.
    """
    stuck = replace(UNHINDERED, latency=Spread(3600))
    with (
        signed_in(monkeypatch, Tenant(populate(upns(1), plain=True), stuck)) as tenant,
        on_signal(signal.SIGINT, on_interrupt),
        started("plan", _cohort(tmp_path, accounts=1)) as process,
    ):
        wait_until(lambda: tenant.requests.total() > 0)
        process.send_signal(number)
        out, err = process.communicate()
    assert (process.returncode, out, err.strip()) == (130, "", "batchreset: stopped.")
    assert list((tmp_path / "reports").iterdir()) == []


def test_exit_statuses_tell_failures_from_exclusions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """3 with failures, 6 with accounts left out, 0 where that was as intended, 4 when too many failed."""
    bad, *good = populate(upns(3), plain=True)
    users = [replace(bad, faults=(Fault.REJECTED,)), *good]
    with signed_in(monkeypatch, Tenant(users, UNHINDERED)):
        assert here("run", _cohort(tmp_path, upns(1)[0]), "--yes").status == 3
        halted = here("run", _cohort(tmp_path, accounts=3), "--yes", "--max-failures", "0", "--workers", "1")
        assert halted.status == 4
        assert "Halted" in halted.out
        assert "Because: " in halted.out
        assert "(" in here("status").out
        left_out = here("run", _cohort(tmp_path, upns(3)[2], "stranger@contoso.example"), "--yes")
        assert left_out.status == 6
        name = json.loads(here("status", "--json").out)["run_id"]
        assert here("resume", name, "--yes", "--accept-excluded", "not_found").status == 0


def test_look_ups_that_are_refused_need_a_word_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """With --yes, a run that cannot tell who is an administrator goes on only with --allow-unchecked."""
    blind = replace(UNHINDERED, forbidden=frozenset({Route.ROLES}))
    with signed_in(monkeypatch, Tenant(populate(upns(1), plain=True), blind)) as tenant:
        refused = here("run", _cohort(tmp_path, accounts=1), "--yes")
        assert refused.status == 5
        assert "--allow-unchecked" in refused.err.splitlines()[-1]
        assert received(tenant) == [0]
        assert here("run", _cohort(tmp_path, accounts=1), "--yes", "--allow-unchecked").status == 0


def test_a_reader_that_has_gone_changes_no_status(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """`batchreset ... | head` ends without a traceback, and with the command's own status."""
    assert here("plan", _cohort(tmp_path, accounts=1)).status == 0
    read, write = os.pipe()
    os.close(read)
    with started("status", "--json", stdout=write) as process:
        os.close(write)
        _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert received(tenant) == [0, 0, 0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no disk that is always full")
def test_a_full_disk_under_standard_output_is_a_sentence() -> None:
    """What was asked for and cannot be written is said, once, and with a status that says so."""
    with Path("/dev/full").open("wb") as full, started("keys", stdout=full.fileno()) as process:
        _, err = process.communicate()
    assert process.returncode == 1
    assert err == "batchreset: Standard output cannot be written (No space left on device).\n"


@posix_only
def test_a_process_without_a_console_works(tmp_path: Path) -> None:
    """With all three streams closed, as under some schedulers, a command ends as it should."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -m batchreset keys --make <&- >&- 2>&-', sys.executable], check=False
    )
    assert done.returncode == 0
    assert (tmp_path / "identity.txt").is_file()


@posix_only
def test_the_simulated_tenant_serves_other_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """What `tenant` prints is the environment of a user who is signed in to it; Ctrl-C ends it.

    Beside the cohort's two accounts it holds the operator's and two for emergencies.
    """
    with started("tenant", _cohort(tmp_path, accounts=2)) as process:
        assert process.stdout
        for _ in range(2):
            name, _, text = process.stdout.readline().strip().partition("=")
            monkeypatch.setenv(name, text)
        told = here("plan", "cohort.csv")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert told.status == 0
    assert "2 of 2 rows" in told.out
    assert process.returncode == 130
    assert "A simulated tenant with 5 accounts" in err


def test_the_library_does_what_the_program_does(tmp_path: Path, tenant: Tenant) -> None:
    """`plan` and `run` can be awaited; the result tells the counts and the rows."""
    seen: list[Snapshot] = []

    async def work() -> tuple[Any, Any]:
        settings = batchreset.Settings(graph_url=tenant.url, out=tmp_path / "runs")
        plan = await batchreset.plan(tmp_path / _cohort(tmp_path, accounts=3), settings)
        return plan, await batchreset.run(plan, settings, progress=seen.append)

    plan, result = asyncio.run(work())
    assert plan.ready == 3
    assert result.folder == plan.folder
    assert {name: count for name, count in result.counts.items() if count} == {"succeeded": 3}
    assert [row["identifier"] for row in result.rows()] == upns(3)
    assert seen[0].left == 3
    with pytest.raises(batchreset.BatchResetError, match=r"missing\.csv does not exist"):
        asyncio.run(batchreset.plan("missing.csv", batchreset.Settings(graph_url=tenant.url)))
