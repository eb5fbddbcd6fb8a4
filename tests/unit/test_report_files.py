from __future__ import annotations

import csv
import json
import os
import stat
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from batchreset import cohort, report
from batchreset.errors import BatchResetError, RefusedError
from batchreset.report.guard import guard, unguard
from batchreset.report.tables import retry_header
from batchreset.status import schema
from tests.support import runs

if TYPE_CHECKING:
    from pathlib import Path

ALL_FILES = {
    *("reconciliation.csv", "reconciliation.xlsx", "report.html", "summary.json", "retry.csv", "audit.jsonl"),
    *("evidence.jsonl", "manifest.json"),
}


def write(folder: Path, *args: Any, **facts: Any) -> report.Summary:
    engine = runs.make_run(folder, *args, **facts)
    try:
        return report.write(folder, engine)
    finally:
        engine.dispose()


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("status.sqlite")}


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_the_files_are_there_and_belong_to_their_owner_only(tmp_path: Path) -> None:
    """A run folder names accounts: on POSIX nobody else may read it, and no draft is left behind."""
    write(tmp_path, [{}, {"state": "failed", "reason": "forbidden"}])
    assert written(tmp_path) == ALL_FILES
    if os.name == "posix":
        assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ALL_FILES} == {0o600}


def test_the_manifest_vouches_for_every_file_and_the_summary_for_the_manifest(tmp_path: Path) -> None:
    """Whoever keeps the one hash in a ticket can check every file of the report."""
    summary = write(tmp_path, [{}])
    manifest = (tmp_path / "manifest.json").read_bytes()
    assert summary.manifest_sha256 == sha256(manifest).hexdigest()
    files = json.loads(manifest)["files"]
    assert set(files) == ALL_FILES - {"manifest.json", "retry.csv"}
    for name, told in files.items():
        content = (tmp_path / name).read_bytes()
        assert told == {"bytes": len(content), "sha256": sha256(content).hexdigest()}


def test_writing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    """The report depends on the run alone: not on the clock, nor on chance."""
    engine = runs.make_run(tmp_path, [{}, {"state": "failed", "reason": "forbidden"}])
    runs.put(engine, schema.sends, [runs.send(1)])
    runs.put(engine, schema.audit, [runs.request(1), runs.request(2, status=429)])
    first = report.write(tmp_path, engine)
    assert report.write(tmp_path, engine) == first
    engine.dispose()


def test_a_stale_retry_file_is_removed(tmp_path: Path) -> None:
    """When nothing is left to retry there is no file that says otherwise."""
    engine = runs.make_run(tmp_path, [{"state": "failed", "reason": "forbidden"}])
    report.write(tmp_path, engine)
    assert "retry.csv" in written(tmp_path)
    with engine.begin() as connection:
        connection.execute(schema.resets.update().values(state="succeeded", reason=None))
    report.write(tmp_path, engine)
    assert "retry.csv" not in written(tmp_path)
    engine.dispose()


def test_totals_that_do_not_match_the_cohort_write_nothing(tmp_path: Path) -> None:
    """A report that lost a row is worse than none: the old one stays and no draft is left."""
    engine = runs.make_run(tmp_path, [{}, {}])
    report.write(tmp_path, engine)
    before = {name: (tmp_path / name).read_bytes() for name in written(tmp_path)}
    with engine.begin() as connection:
        connection.execute(schema.resets.delete().where(schema.resets.c.id == 2))
    with pytest.raises(BatchResetError, match="1 rows, the status table holds 1 and the cohort had 2"):
        report.write(tmp_path, engine)
    assert {name: (tmp_path / name).read_bytes() for name in written(tmp_path)} == before
    engine.dispose()


def test_a_file_that_cannot_be_replaced_is_named(tmp_path: Path) -> None:
    """Where Excel (here: a folder of that name) is in the way, the sentence says which file and what to do."""
    (tmp_path / "reconciliation.csv" / "in the way").mkdir(parents=True)
    with pytest.raises(RefusedError, match=r"reconciliation\.csv cannot be replaced .* close it .*batchreset report"):
        write(tmp_path, [{}])


def test_the_summary_adds_up(tmp_path: Path) -> None:
    """Counts hold every outcome and add up to the rows; the traffic is what the audit trail tells.

    The quota is the last one learned, writes are those that left, and the time that of all starts.
    """
    rows: list[dict[str, Any]] = [
        {},
        {"state": "failed", "reason": "forbidden"},
        {"state": "excluded", "reason": "duplicate"},
        {"state": "unresolved", "reason": "answer_lost"},
        {"state": "ready"},
    ]
    engine = runs.make_run(tmp_path, rows, state="halted", ticket="INC-1", seconds=12.34567)
    requests = [
        runs.request(1, route="read", status=200),
        runs.request(2, reset_id=1, status=429),
        runs.request(3, reset_id=1, status=503),
        runs.request(4, reset_id=1),
        runs.request(5, reset_id=2),
        runs.request(6, route="poll", status=200, reset_id=1),
        runs.request(7, event="gate_closed", route=None, status=None),
    ]
    requests += [
        runs.request(8, event="quota learned", route=None, status=None, fields='{"rate": 9.1}'),
        runs.request(8, event="stopped", route=None, status=None, fields='{"because": "a start of an older version"}'),
        runs.request(9, event="quota learned", route=None, status=None, fields='{"rate": 5.02}'),
    ]
    for second in (10, 20):
        fields = '{"spent": {"quota": 1.5, "answers": 0.25, "operations": 4.0}}'
        requests.append(runs.request(second, event="stopped", route=None, status=None, fields=fields))
    runs.put(engine, schema.audit, requests)
    sends = [
        runs.send(1, 2, status=429, verdict="throttled"),
        runs.send(1, 3, status=503, verdict="transient"),
        runs.send(1, 4),
        runs.send(2, 5, status=None, verdict="ambiguous", answered_at=None),
        runs.send(2, 6, status=None, verdict="unsent", answered_at=None),
        runs.send(4, 7, status=None, verdict=None, answered_at=None),
    ]
    runs.put(engine, schema.sends, sends)
    summary = report.write(tmp_path, engine)
    engine.dispose()
    told = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert told == summary.recorded()
    assert list(told) == [
        *("run_id", "version", "rehearsal", "state", "rows", "counts", "reasons", "started_at", "finished_at"),
        *("seconds", "traffic", "cohort", "operator", "tenant", "method", "passwords_kept"),
        *("ticket", "justification"),
        *("halted_because", "quota", "time_spent", "sessions", "blocked", "not_blocked"),
    ]
    assert told["counts"] == {"succeeded": 1, "failed": 1, "unresolved": 1, "excluded": 1, "not_attempted": 1}
    assert told["reasons"] == {"forbidden": 1, "duplicate": 1, "answer_lost": 1, "halted": 1}
    assert told["traffic"] == {"requests": 6, "writes": 4, "reads": 1, "polls": 1, "throttled": 1, "retried": 1}
    assert told["quota"] == {"learned": 5.02, "sent": 4, "refused": 1, "share": 0.25}
    assert told["time_spent"] == {"quota": 3.0, "answers": 0.5, "operations": 8.0}
    assert (told["rehearsal"], told["state"], told["seconds"], told["ticket"]) == (False, "halted", 12.346, "INC-1")


def test_the_audit_trail_is_one_object_a_line(tmp_path: Path) -> None:
    """A decision's fields stand beside its columns, which they cannot overrule."""
    engine = runs.make_run(tmp_path, [{}])
    fields = json.dumps({"client_request_id": "c1", "at": "never"})
    runs.put(engine, schema.audit, [runs.request(1, reset_id=1, fields=fields), runs.request(2, status=None)])
    report.write(tmp_path, engine)
    engine.dispose()
    first, second = map(json.loads, (tmp_path / "audit.jsonl").read_text("utf-8").splitlines())
    assert first == {
        "at": "2026-11-21T12:00:01.000Z",
        "event": "request",
        "route": "write",
        "status": 202,
        "reset_id": 1,
        "client_request_id": "c1",
    }
    assert second == {"at": "2026-11-21T12:00:02.000Z", "event": "request", "route": "write"}


def test_the_csv_opens_in_excel_as_text(tmp_path: Path) -> None:
    """UTF-8 with BOM and CRLF; a formula stands behind an apostrophe, and the row's number is the sheet's."""
    write(tmp_path, [{"identifier": "=cmd|'/c calc'!A0", "display_name": "Żółć"}])
    raw = (tmp_path / "reconciliation.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfrow,source,identifier,")
    assert raw.count(b"\r\n") == raw.count(b"\n") == 2
    (_, line) = read_csv(tmp_path / "reconciliation.csv")
    assert line[:3] == ["2", "cohort.csv", "'=cmd|'/c calc'!A0"]
    assert "Żółć" in line


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+44 20", "-5", "@SUM(A1)", "\tx", "\rx", "\nx", "  =1", "\u00a0=1", "\uff1d1", "'=1", "''=1", "\ufe621"],
)
def test_what_a_spreadsheet_would_run_is_guarded(text: str) -> None:
    """Each way to begin a formula gets one apostrophe more, which comes off again."""
    assert guard(text) == f"'{text}"
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", ["", "'", "o'brien", "'quoted'", "a=b", "00123", " x", "user@contoso.example"])
def test_other_text_is_left_alone(text: str) -> None:
    """What no spreadsheet runs is written as it is, and read as it is."""
    assert guard(text) == unguard(text) == text


def test_the_retry_file_is_a_cohort(tmp_path: Path) -> None:
    """The loader takes it as it is, though the cohort had columns of the same names and another account column."""
    rows: list[dict[str, Any]] = [
        {"state": "failed", "reason": "forbidden", "identifier": "old@x.example", "user": "new@x.example"},
        {"state": "ready", "identifier": "00000000-0000-0000-0000-00000000000a"},
        {"state": "unresolved"},
        {"state": "succeeded"},
    ]
    for row in rows:
        row["cohort"] = {"UPN": "other@x.example", "reason": "leak", "department": "=Sales"}
    write(tmp_path, rows, state="halted", cohort_columns=["UPN", "reason", "department"])
    header, *lines = read_csv(tmp_path / "retry.csv")
    assert header == [
        *("userPrincipalName", "object_id", "row", "source", "outcome", "reason", "detail"),
        *("cohort.UPN", "cohort.reason", "department"),
    ]
    assert [(line[0], line[2], line[5], line[-1]) for line in lines] == [
        ("new@x.example", "2", "forbidden", "'=Sales"),
        ("00000000-0000-0000-0000-00000000000a", "3", "halted", "'=Sales"),
    ]
    (source,) = cohort.inspect([str(tmp_path / "retry.csv")], column=None, password_column=None)
    (again,) = cohort.read(source)
    assert source.account_column == "userPrincipalName"
    assert list(again["key"]) == ["new@x.example", "00000000-0000-0000-0000-00000000000a"]


def test_retrying_a_retry_keeps_every_header_apart() -> None:
    """However often rows go round, no header is there twice."""
    header = retry_header(["department"])
    for _ in range(3):
        header = retry_header(header)
        assert len(set(header)) == len(header)
