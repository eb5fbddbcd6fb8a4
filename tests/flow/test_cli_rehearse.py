"""`batchreset rehearse`: the whole thing against a tenant that nobody is hurt in."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from batchreset.cli import asynchronous
from batchreset.status import database, record
from tests.support.clock import VirtualLoop
from tests.support.program import at_home, call
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command in this process, in virtual time."""
    at_home(tmp_path, monkeypatch)
    monkeypatch.setattr(asynchronous, "_loop_factory", lambda: VirtualLoop)
    return lambda *arguments: call(capsys, *arguments)


def test_a_rehearsal_with_every_awkward_kind_agrees_with_the_tenant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """With accounts of every awkward kind some rows fail, every row is accounted for, and the status is 0."""
    (tmp_path / "cohort.csv").write_text("\n".join(["upn", *upns(120)]), encoding="utf-8")
    ended = here("rehearse", "cohort.csv")
    assert ended.status == 0, ended.out
    assert "Finished (rehearsal): 120 rows: " in ended.out
    assert "no real account was touched" in ended.out
    assert "(a rehearsal, on a simulated tenant)" in ended.err
    standing = json.loads(here("status", "--json").out)
    assert standing["rehearsal"] is True
    assert standing["counts"]["failed"] > 0
    assert sum(standing["counts"].values()) == 120

    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", "token-of-the-real-tenant")
    refused = here("resume", standing["run_id"], "--yes")
    assert refused.status == 5
    assert "is a rehearsal" in refused.err


def test_a_rehearsal_looks_at_nothing_that_names_a_real_tenant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """What environment and config file say of a real tenant is neither used nor even checked."""
    (tmp_path / "config.toml").write_text("graph-url = 'https://graph.example.invalid'\ncloud = 'usgov'\n")
    monkeypatch.setenv("BATCHRESET_GRAPH_URL", "http://graph.example.invalid")
    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", "token-of-the-real-tenant")
    monkeypatch.setenv("BATCHRESET_CLOUD", "mars")
    monkeypatch.setenv("BATCHRESET_AUTH", "wishful")
    (tmp_path / "cohort.csv").write_text("\n".join(["upn", *upns(2)]), encoding="utf-8")
    ended = here("rehearse", "cohort.csv", "--json")
    assert ended.status == 0, ended.err
    told = json.loads(ended.out)
    assert (told["rehearsal"], told["disagreements"], told["tenant"]["name"]) == (True, [], "Contoso Rehearsal")

    folder = tmp_path / told["folder"]
    engine = database.connect(folder)
    try:
        line = record.load(engine)
    finally:
        engine.dispose()
    assert line.graph_url.startswith("http://127.0.0.1:")
    written = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"example.invalid" not in written
    assert b"token-of-the-real-tenant" not in written


def test_a_rehearsal_reads_standard_input_once_and_uses_it_twice(monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """With `-` the tenant is filled from the pipe, and the run has the same rows."""
    cohort = io.BytesIO("\n".join(upns(3)).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(cohort))
    told = json.loads(here("rehearse", "-", "--json").out)
    assert told["counts"]["succeeded"] == 3
    assert told["cohort"]["sources"][0]["name"] == "standard input"


def test_a_rehearsal_takes_passwords_from_the_cohort(tmp_path: Path, here: Call) -> None:
    """With a password column each account gets its own, and a row without one is left out."""
    lines = [f"{name},Given-{number}-quartz!" for number, name in enumerate(upns(3))]
    cohort = "\n".join(["upn,new password", *lines, f"{upns(4)[3]},"])
    (tmp_path / "cohort.csv").write_text(cohort, encoding="utf-8")
    ended = here("rehearse", "cohort.csv", "--json", "--password-source", "column", "--password-column", "new password")
    assert ended.status == 0, ended.err
    told = json.loads(ended.out)
    assert told["reasons"] == {"password_missing": 1}
    opened = list(csv.DictReader(io.StringIO(here("passwords", told["run_id"], "-o", "-").out)))
    assert [f"{line['user']},{line['password']}" for line in opened] == lines
