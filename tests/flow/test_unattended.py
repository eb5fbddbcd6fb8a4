"""Runs that nobody watches: one at a time in a tenant, none for an empty or an unchanged cohort, some only in part."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter

from batchreset.cli import asynchronous
from batchreset.rehearsal.behaviour import UNHINDERED, Spread
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.signin import SignIn
from batchreset.rehearsal.tenant import Tenant
from tests.support.certificates import PrivateAuthority
from tests.support.clock import VirtualLoop
from tests.support.door import at_the_door
from tests.support.program import (
    Ended,
    at_home,
    on_terminal,
    posix_only,
    signed_in,
    started,
    wait_until,
)
from tests.support.steps import received, resets_received, revocations
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Call


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path, monkeypatch)


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    """Be signed in to a tenant of nine plain accounts, whose resets take effect at once."""
    with signed_in(monkeypatch, Tenant(populate(upns(9), plain=True), UNHINDERED)) as tenant:
        yield tenant


def write_cohort(folder: Path, accounts: int, name: str = "cohort.csv") -> str:
    (folder / name).write_text("\n".join(["userPrincipalName", *upns(accounts)]), encoding="utf-8")
    return name


def counts(ended: Ended) -> dict[str, int]:
    """Return the rows by outcome, those that occur."""
    return {outcome: rows for outcome, rows in json.loads(ended.out)["counts"].items() if rows}


# One run at a time


@posix_only
def test_one_run_at_a_time_goes_in_a_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """The second is refused, and names process and run of the first; once that is killed, the second may go."""
    endless = replace(UNHINDERED, cloud_operation=Spread(3600))
    with signed_in(monkeypatch, Tenant(populate(upns(2), plain=True), endless)) as tenant:
        with started("run", write_cohort(tmp_path, 1), "--yes") as process:
            wait_until(lambda: sum(resets_received(tenant)) == 1)
            first = json.loads(here("status", "--json").out)["run_id"]
            refused = here("run", write_cohort(tmp_path, 2, "other.csv"), "--yes")
            process.kill()
            process.communicate()
        assert refused.status == 5
        assert f": process {process.pid} on " in refused.err
        assert f" with run {first} is at work in this tenant" in refused.err
        assert received(tenant) == [1, 0]
        second = json.loads(here("status", "--json").out)
        assert (second["state"], second["counts"]["not_attempted"]) == ("planned", 2)
        tenant.behaviour = UNHINDERED
        assert here("resume", second["run_id"], "--yes").status == 0
    assert resets_received(tenant) == [2, 1]
    assert revocations(tenant) == [1, 1]


def test_what_holds_a_tenant_is_in_the_users_state_folder(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """And names nobody: neither the tenant nor whoever is signed in."""
    assert here("run", write_cohort(tmp_path, 1), "--yes").status == 0
    assert resets_received(tenant)[0] == revocations(tenant)[0] == 1
    if sys.platform != "win32":
        names = [path.name for path in (tmp_path / "state" / "batchreset" / "locks").iterdir()]
        assert all(len(name.partition(".")[0]) == 32 for name in names)


# Cohorts without rows


@pytest.mark.parametrize("content", ["", "userPrincipalName,displayName\n", "upn,name\n\n,\n , \n", "\n\n  \n"])
def test_a_scheduled_cohort_without_rows_may_be_well(tmp_path: Path, tenant: Tenant, here: Call, content: str) -> None:
    """With --if-empty ok: one sentence, the status 0, no sign-in and no run folder. Without, it is refused."""
    (tmp_path / "nightly.csv").write_text(content, encoding="utf-8")
    for command in ("run", "plan", "rehearse"):
        well = here(command, "nightly.csv", "--if-empty", "ok")
        assert (well.status, well.err) == (0, "")
        assert well.out.startswith("Nothing to do: nightly.csv ")
        told = here(command, "nightly.csv", "--if-empty", "ok", "--json")
        assert (told.status, json.loads(told.out)) == (0, {"rows": 0, "state": "nothing to do"})
        refused = here(command, "nightly.csv")
        assert (refused.status, refused.out) == (5, "")
        assert "there is no account in it" in refused.err
    assert not tenant.requests
    assert not (tmp_path / "reports").exists()


def test_a_workbook_of_empty_sheets_has_no_rows(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """Whether one sheet or several."""
    for sheets in (1, 2):
        with xlsxwriter.Workbook(tmp_path / "nightly.xlsx") as book:
            for _ in range(sheets):
                book.add_worksheet()
        assert here("run", "nightly.xlsx", "--if-empty", "ok", "--yes").status == 0
    assert not tenant.requests


def test_of_several_files_an_empty_one_is_left_out(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """With --if-empty ok the others are reset; without, all are refused."""
    (tmp_path / "empty.csv").touch()
    files = ["empty.csv", write_cohort(tmp_path, 2)]
    assert here("run", *files, "--yes").status == 5
    ended = here("run", *files, "--yes", "--if-empty", "ok", "--json")
    assert ended.status == 0
    assert [source["name"] for source in json.loads(ended.out)["cohort"]["sources"]] == ["cohort.csv"]
    assert sum(resets_received(tenant)) == 2


def test_accounts_far_below_blank_rows_are_rows(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """A file is called empty only when it was read to its end."""
    (tmp_path / "gap.csv").write_text("upn\n" + "\n" * 2000 + upns(1)[0], encoding="utf-8")
    ended = here("run", "gap.csv", "--yes", "--if-empty", "ok")
    assert ended.status == 5
    assert "gap.csv: its first 1,000 records are blank below the header, and others follow" in ended.err
    assert not tenant.requests


# Cohorts that have not changed


def test_an_unchanged_cohort_is_not_reset_again(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """Nobody is there to ask: refused, naming the run and --again; as another file's content it is another cohort."""
    first = json.loads(here("run", write_cohort(tmp_path, 3), "--yes", "--json").out)
    for more in (["--yes"], []):
        refused = here("run", write_cohort(tmp_path, 3, "renamed.csv"), *more)
        assert refused.status == 5
        last = refused.err.splitlines()[-1]
        assert f"has not changed since run {first['run_id']}, which reset 3 accounts and finished on 20" in last
        assert "--again" in last
    assert sum(resets_received(tenant)) == 3

    plan = json.loads(here("plan", "cohort.csv", "--json").out)
    assert plan["unchanged_since"] == {
        "run_id": first["run_id"],
        "finished_at": first["finished_at"],
        "succeeded": 3,
        "users_at_risk": False,
    }
    assert f"has not changed since run {first['run_id']}" in here("plan", "cohort.csv").out
    assert here("resume", plan["run_id"], "--yes").status == 5
    assert here("resume", plan["run_id"], "--yes", "--again").status == 0
    assert sum(resets_received(tenant)) == 6
    assert here("run", write_cohort(tmp_path, 2), "--yes").status == 0
    assert json.loads(here("plan", write_cohort(tmp_path, 4), "--json").out)["unchanged_since"] is None


@posix_only
def test_the_question_says_that_a_cohort_is_unchanged(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """On a terminal it is a person's to decide."""
    first = json.loads(here("run", write_cohort(tmp_path, 1), "--yes", "--json").out)["run_id"]
    ended = on_terminal("run", "cohort.csv", answer="yes\n")
    assert ended.status == 0, ended.screen
    assert f"Mind that this cohort has not changed since run {first}, which reset 1 account" in ended.screen
    assert resets_received(tenant)[0] == revocations(tenant)[0] == 2


def test_only_what_has_finished_in_this_tenant_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """Neither a rehearsal nor a halted run stands in the way, and a halted one is gone on with as ever."""
    cohort = write_cohort(tmp_path, 2)
    with monkeypatch.context() as patch:
        patch.setattr(asynchronous, "_loop_factory", lambda: VirtualLoop)
        assert here("rehearse", cohort).status == 0
    with signed_in(monkeypatch, Tenant(populate(upns(2), plain=True), UNHINDERED)) as tenant:
        halted = here("run", cohort, "--yes", "--limit", "1")
        assert halted.status == 130
        assert here("resume", json.loads(here("status", "--json").out)["run_id"], "--yes").status == 0
        assert resets_received(tenant) == revocations(tenant) == [1, 1]
        assert here("run", cohort, "--yes").status == 5


# In part


def test_a_limit_is_for_one_start(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """So many accounts are sent; the end says why the others were not, and the next start sends them."""
    ended = here("run", write_cohort(tmp_path, 9), "--yes", "--limit", "4")
    assert ended.status == 130
    assert ended.out.startswith("Interrupted: 9 rows: 4 succeeded, 5 not attempted.\nBecause: stopped by --limit 4.\n")
    assert "Go on with: batchreset resume reports" in ended.out
    assert resets_received(tenant) == revocations(tenant) == [1] * 4 + [0] * 5
    standing = json.loads(here("status", "--json").out)
    assert (standing["state"], standing["halted_because"]) == ("interrupted", "stopped by --limit 4")

    assert counts(here("resume", standing["run_id"], "--yes", "--json")) == {"succeeded": 9}
    assert resets_received(tenant) == revocations(tenant) == [1] * 9


def test_a_plan_keeps_its_limit_until_it_is_carried_out(tmp_path: Path, tenant: Tenant, here: Call) -> None:
    """What was planned is what is done, unless another limit is given; all that fits in is an ordinary end."""
    for given, sent in (([], 2), (["--limit", "3"], 3), (["--limit", "9"], 9)):
        name = json.loads(here("plan", write_cohort(tmp_path, 9), "--limit", "2", "--json").out)["run_id"]
        before = sum(resets_received(tenant))
        ended = here("resume", name, "--yes", "--json", *given)
        assert ended.status == (0 if sent == 9 else 130)
        assert sum(resets_received(tenant)) - before == sent
    assert json.loads(ended.out)["halted_because"] is None


def test_a_rehearsal_takes_its_limits_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """By number, and by time: nothing is sent any more, and what was is followed to its end."""
    monkeypatch.setattr(asynchronous, "_loop_factory", lambda: VirtualLoop)
    cohort = write_cohort(tmp_path, 60)
    for option in (["--limit", "7"], ["--stop-after", "1s", "--workers", "2"]):
        ended = here("rehearse", cohort, "--json", *option)
        assert ended.status == 130
        told: dict[str, Any] = json.loads(ended.out)
        assert told["disagreements"] == []
        assert told["halted_because"] == f"stopped by {option[0]} {option[1]}"
        assert told["counts"]["not_attempted"] > 0


# Sign-in


def test_a_sign_in_that_needs_a_person_is_refused_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """The status 5, and the sentence says what to do; on a terminal too, where --yes says that nobody is there."""
    cohort, tenant = write_cohort(tmp_path, 1), Tenant(populate(upns(1), plain=True), UNHINDERED)
    with at_the_door(tmp_path, monkeypatch, PrivateAuthority(tmp_path), tenant):
        for command in ("run", "plan"):
            ended = here(command, cohort)
            assert (ended.status, ended.out) == (5, "")
            assert "batchreset login" in ended.err.splitlines()[-1]
        if sys.platform != "win32":
            assert on_terminal("run", cohort, "--yes").status == 5
    assert not tenant.requests
    assert not list((tmp_path / "reports").glob("*"))


@posix_only
def test_a_person_signs_in_where_the_run_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """On a terminal sign-in happens there and then, once for plan and run; a scheduler's next run needs nobody."""
    quick = SignIn(poll_seconds=0, approved_after_polls=1)
    tenant = Tenant(populate(upns(3), plain=True), replace(UNHINDERED, sign_in=quick))
    with at_the_door(tmp_path, monkeypatch, PrivateAuthority(tmp_path), tenant) as door:
        monkeypatch.setenv("BATCHRESET_AUTH", "device-code")
        watched = on_terminal("run", write_cohort(tmp_path, 1), answer="yes\n")
        assert watched.status == 0, watched.screen
        assert "enter the code" in watched.screen
        unwatched = here("run", write_cohort(tmp_path, 2), "--yes", "--json")
        assert unwatched.status == 0, unwatched.err
        assert resets_received(tenant) == revocations(tenant) == [2, 1, 0]
        assert door.leaks(watched.screen, unwatched.out, unwatched.err) == []
