"""-v and -vv: the log on standard error, for people."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchreset.rehearsal.behaviour import UNHINDERED
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import Tenant
from tests.support.program import at_home, on_terminal, posix_only, signed_in
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Call

_LINE = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning) (\w+)")


@pytest.fixture(autouse=True)
def tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenant]:
    at_home(tmp_path, monkeypatch)
    names = upns(2)
    Path("cohort.csv").write_text("\n".join(["userPrincipalName", *names]), encoding="utf-8")
    with signed_in(monkeypatch, Tenant(populate(names, plain=True), UNHINDERED)) as found:
        yield found


def events(told: str) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for line in told.splitlines() if (match := _LINE.match(line))]


def test_quiet_stays_quiet_and_more_is_told_when_asked(here: Call) -> None:
    """Once for each decision, twice for each request as well; what is shown is as ever, in text and in JSON."""
    quiet, verbose, more = (here("plan", "cohort.csv", "--json", *words) for words in ([], ["-v"], ["-v", "--verbose"]))
    assert events(quiet.err) == []
    assert events(verbose.err) == [("info", "planned"), ("info", "exit")]
    assert [event for event in events(more.err) if event[0] == "info"] == events(verbose.err)
    requests = [line for line in more.err.splitlines() if " debug request " in line]
    assert all(re.search(r" debug request (GET|POST) /v1\.0/\S+ 200 [\d.]+ [0-9a-f-]{36}$", line) for line in requests)
    assert any("/$batch" in line for line in requests)
    assert {json.loads(each.out)["ready"] for each in (quiet, verbose, more)} == {2}


def test_a_log_file_goes_along_and_a_json_log_stays_json(here: Call, tmp_path: Path) -> None:
    """With -vv a file has each request too, as has the JSON on standard error, of which all is still a line."""
    both = here("plan", "cohort.csv", "-vv", "--log-file", "own.log", "--log-format", "json")
    log = [json.loads(line) for line in (tmp_path / "own.log").read_text(encoding="utf-8").splitlines()]
    assert [each["event"] for each in log] == [event for _, event in events(both.err)]
    first = log[0]
    assert (first["event"], first["method"], first["status"]) == ("request", "GET", 200)
    only = here("plan", "cohort.csv", "-vv", "--log-format", "json")
    assert {"request", "planned", "exit"} <= {json.loads(line)["event"] for line in only.err.splitlines()}


def test_an_error_is_said_once(here: Call) -> None:
    """In the words that it is always said in."""
    ended = here("plan", "missing.csv", "-v")
    assert ended.err.count("missing.csv does not exist") == 1
    assert events(ended.err) == [("info", "exit")]


@posix_only
def test_lines_take_the_place_of_the_live_view(tenant: Tenant) -> None:
    """On a terminal nothing is drawn over them."""
    ended = on_terminal("run", "cohort.csv", "--yes", "-v")
    assert ended.status == 0
    assert "\x1b[" not in ended.screen
    told = [event for _, event in events(ended.screen.replace("\r\n", "\n"))]
    assert told == ["planned", "started", *told[2:-2], "ended", "exit"]
    assert sorted(told[2:-2]) == sorted(["sending", "accepted", "succeeded", "step"] * 2)
    assert all(account.password for account in list(tenant.accounts.values())[1:])
