from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from batchreset import report
from batchreset.report import page
from batchreset.report.charts import LOOKS
from batchreset.report.wording import describe
from batchreset.status import schema
from tests.support import runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def page_of(folder: Path, rows: Sequence[dict[str, Any]], sends: Sequence[dict[str, Any]] = (), **facts: Any) -> str:
    engine = runs.make_run(folder, rows, **facts)
    runs.put(engine, schema.audit, [runs.request(1), runs.request(9, status=429)])
    runs.put(engine, schema.sends, sends)
    report.write(folder, engine)
    engine.dispose()
    return (folder / "report.html").read_text("utf-8")


def data_of(html: str) -> dict[str, Any]:
    """Read what the page's script reads."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_verdict_stands_at_the_top(tmp_path: Path) -> None:
    """The sentence is the heading, its colour says how good that is, and the title has it for whoever has many tabs."""
    html = page_of(tmp_path, [{}, {"state": "failed", "reason": "forbidden"}])
    sentence = "1 of 2 accounts is not reset: look at the 1 that failed."
    assert re.search(rf'<header class="bad">.*?<h1>{sentence}</h1>', html, re.DOTALL)
    assert f"<title>{sentence} {runs.RUN_ID}</title>" in html


def test_the_page_needs_no_network_and_allows_none(tmp_path: Path) -> None:
    """Nothing may load but the style and the pictures it holds, nothing run but its script: the policy has each's hash.

    The data is no script, and no text of it can end the element that it stands in.
    """
    hostile = {"state": "failed", "reason": "forbidden", "detail": "</script><script>alert(1)</script><!--"}
    html = page_of(tmp_path, [{}, hostile], [runs.send(1, number) for number in range(1, 25)])
    style = html.split("<style>")[1].split("</style>")[0]
    script = html.split("<script>")[1].split("</script>")[0]
    allowed = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    policy = "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; "
    assert policy.format(*allowed) + "form-action 'none'" in html
    loaded = re.findall(r'(?:src|srcset)="([^"]*)"', html)
    assert len(loaded) == len(LOOKS)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in loaded)
    assert not re.search(r'<link|\sstyle=|\shref="[^#]|url\(|@import|\son\w+="', html)
    assert html.count("<script") == 2
    assert hostile["detail"] in data_of(html)["listing"]["texts"]


def test_a_rehearsal_says_so(tmp_path: Path) -> None:
    """Nobody can mistake a rehearsal for the real thing, or look for a way to resume it."""
    rehearsed = page_of(tmp_path / "rehearsed", [{"state": "ready"}], rehearsal=1, state="interrupted")
    real = page_of(tmp_path / "real", [{"state": "ready"}], state="interrupted")
    assert '<p class="rehearsal"><strong>Rehearsal.</strong>' in rehearsed
    assert "<title>Rehearsal: " in rehearsed
    assert "rehearsal" not in real.split("</style>")[1].lower()
    assert (f"resume {runs.RUN_ID}" in rehearsed, f"resume {runs.RUN_ID}" in real) == (False, True)


def test_who_where_why_and_what_could_not_be_checked_is_told(tmp_path: Path) -> None:
    """The page stands alone: tenant, operator, ticket, cause of a halt, cohort hash."""
    html = page_of(
        tmp_path,
        [{}],
        state="halted",
        halted_because="25 rows in a row failed",
        ticket="INC-7",
        justification="leak",
        unchecked=["Roles could not be read."],
    )
    for told in (
        "Contoso",
        "admin@contoso.example",
        "INC-7",
        "leak",
        "Roles could not be read.",
        "ab" * 32,
        "3 min 20 s",
    ):
        assert told in html
    assert "Halted before the end: <bdi>25 rows in a row failed</bdi>." in html
    cut_short = page_of(tmp_path / "cut short", [{}], state="interrupted", halted_because="stopped by --limit 1")
    assert "Interrupted before the end: <bdi>stopped by --limit 1</bdi>." in cut_short


def test_what_was_learned_is_told_and_what_it_cost(tmp_path: Path) -> None:
    """The quota, the writes refused, and where the time went; a run that was never refused says that."""
    sends = [runs.send(1, 1, status=429, verdict="throttled"), *(runs.send(1, number) for number in range(2, 25))]
    learned = runs.request(3, event="quota learned", route=None, status=None, fields='{"rate": 4.96}')
    spent = '{"spent": {"quota": 100.0, "answers": 2.4, "operations": 12.0}}'
    stops = [runs.request(second, event="stopped", route=None, status=None, fields=spent) for second in (20, 40)]
    engine = runs.make_run(tmp_path / "refused", [{}])
    runs.put(engine, schema.sends, sends)
    runs.put(engine, schema.audit, [learned, *stops])
    report.write(tmp_path / "refused", engine)
    engine.dispose()
    html = (tmp_path / "refused" / "report.html").read_text("utf-8")
    assert "5.0 writes a second; 1 of 24 writes refused (4.2%)" in html
    assert "waiting 3 min 20 s for quota, 5 s for answers, 24 s for operations" in html
    assert "24 writes sent, 1 refused." in html
    assert "not measured; no write refused" in page_of(tmp_path / "not refused", [{}], [runs.send(1)])


def test_each_reason_is_told_with_its_next_step_the_urgent_first(tmp_path: Path) -> None:
    """Failures come before what was left out; what was left out on purpose is told with the rest of that only."""
    rows: list[dict[str, Any]] = [
        {"state": "excluded", "reason": "duplicate"},
        {"state": "excluded", "reason": "not_found"},
        *[{"state": "failed", "reason": "forbidden"}] * 2,
        *[{"state": "failed", "reason": "operation_failed"}] * 3,
        {"state": "unresolved", "reason": "answer_lost"},
        {"state": "excluded", "reason": "invalid_identifier"},
    ]
    html = page_of(tmp_path, rows)
    told = re.findall(r"<h3[^>]*><b>(\d+)</b> ([^<]+?) <span", html)
    assert told == [
        ("3", "Accepted, then failed"),
        ("2", "Not permitted"),
        ("1", "Answer lost"),
        ("1", "Not an account name"),
        ("1", "Not in this tenant"),
    ]
    assert "<code>batchreset resume</code> asks the directory again" in html
    left_out = html.split("Left out, and why")[1].split("</section>")[0]
    assert set(re.findall(r">([^<>]+)</h3>", left_out)) == {
        *("Listed more than once", "Not an account name", "Not in this tenant"),
    }
    groups = data_of(html)["known"]["groups"]
    copied = {tuple(groups[int(index)]): text for index, text in re.findall(r'data-copy="(\d+)".*?>(.*?)<', html)}
    assert copied == {
        ("failed", "operation_failed"): "Copy 3 accounts",
        ("failed", "forbidden"): "Copy 2 accounts",
        ("unresolved", "answer_lost"): "Copy 1 account",
        ("excluded", "not_found"): "Copy 1 account",
    }
    shown = {tuple(groups[int(index)]) for index in re.findall(r'data-show="(\d+)"', html)}
    assert shown == {*copied, ("excluded", "invalid_identifier"), ("excluded", "duplicate")}


def test_the_way_from_rows_to_resets_is_told_with_what_was_lost(tmp_path: Path) -> None:
    """Each row is lost at one station, and the page says how many were for what."""
    rows: list[dict[str, Any]] = [
        *[{}] * 4,
        {"state": "excluded", "reason": "duplicate"},
        {"state": "excluded", "reason": "invalid_identifier"},
        *[{"state": "excluded", "reason": "privileged"}] * 2,
        {"state": "ready"},
        {"state": "failed", "reason": "forbidden"},
        {"state": "failed", "reason": "operation_failed"},
    ]
    sends = [runs.send(1), runs.send(10, verdict="refused", status=403), runs.send(11)]
    html = page_of(tmp_path, rows, sends, state="interrupted")
    stations = re.findall(
        r"<li><b>(\d+)</b> <span>([^<]+)</span>.*?(?:<small>less (.*?)</small>)?</li>", html, re.DOTALL
    )
    assert stations == [
        ("11", "rows read", ""),
        ("10", "accounts, each once", "1 listed more than once"),
        ("9", "found in the tenant", "1 without a valid name"),
        ("7", "to be reset", "2 with a directory role"),
        ("6", "sent", "1 not attempted"),
        ("5", "accepted by the service", "1 failed"),
        ("4", "confirmed as reset", "1 failed"),
    ]


def test_what_the_table_holds_is_what_the_reconciliation_says(tmp_path: Path) -> None:
    """Packed and unpacked again: the most urgent first, ids where support asks for them, whole seconds."""
    rows: list[dict[str, Any]] = [
        {
            "user": "Ana@x.example",
            "identifier": "ana@x.example",
            "display_name": "Ana",
            "kind": "cloud",
            "object_id": "1",
            "finished_at": "2026-11-21T12:00:02.100Z",
        },
        {
            "user": "bea@x.example",
            "identifier": "bea@old.example",
            "kind": "synchronised",
            "object_id": "2",
            "state": "failed",
            "reason": "forbidden",
            "detail": "no",
            "finished_at": "2026-11-21T12:00:00.900Z",
        },
    ]
    data = data_of(page_of(tmp_path, rows, [runs.send(2, request_id="r")]))
    listing = data["listing"]
    bea, ana = listing["rows"]

    def read(row: list[Any]) -> list[Any]:
        name, _, domain = row[2].partition("@")
        repeated = [listing["texts"][number] for number in (row[1], *row[4:8])]
        return [row[0], f"{name}@{listing['texts'][int(domain)]}", row[3], *repeated, *row[8:]]

    assert read(ana) == [2, "Ana@x.example", "Ana", "cohort.csv", "", "succeeded", "", "", 2]
    assert read(bea)[:9] == [3, "bea@x.example", "", "cohort.csv", "synchronised", "failed", "forbidden", "no", 0]
    assert bea[9:] == ["bea@old.example", "2", runs.send(2)["client_request_id"], "r"]
    assert listing["since"] == "2026-11-21T12:00:00"
    assert data["known"]["groups"] == [["failed", "forbidden"]]


def test_without_its_script_the_page_holds_the_most_urgent_rows(tmp_path: Path) -> None:
    """Some are in the page itself, failures first however late they come in the file; controls that do nothing hide."""
    rows = [{"state": "excluded", "reason": "not_found"}] * (page._ROWS_WITHOUT_SCRIPT + 5)
    html = page_of(tmp_path, [*rows, {"state": "failed", "reason": "forbidden", "identifier": "last@x.example"}])
    table = html.split('<tbody role="rowgroup">')[1].split("</tbody>")[0]
    assert table.count("<tr") == page._ROWS_WITHOUT_SCRIPT
    assert "last@x.example" in table[:700]
    assert "100 of the 106 rows that need attention are shown, the most urgent first." in html
    controls = re.findall(r'<\w+[^>]*class="(?:controls|handles)"[^>]*>', html)
    assert controls
    assert all(each.endswith(" hidden>") for each in controls)
    assert html.count("data-sort=") == html.count(" disabled>") == 5


def test_quiet_exclusions_and_planned_rows_need_no_attention(tmp_path: Path) -> None:
    """Duplicates, blanks and protected accounts are as they should be, and so is a plan's waiting."""
    quiet = [{"state": "excluded", "reason": reason} for reason in ("duplicate", "blank", "protected")]
    html = page_of(tmp_path, [*quiet, {"state": "ready"}], state="planned")
    assert '<tr role="row" class=' not in html
    assert "Needs attention" not in html
    assert "Nothing, as far as this run goes" not in html
    assert len(data_of(html)["listing"]["rows"]) == 4


def test_the_page_says_how_it_can_be_checked(tmp_path: Path) -> None:
    """Options as they are spelt, without secrets and without places on somebody's machine; hashes, and who has them."""
    exceptions = [{"name": "keep.csv", "sha256": "cd" * 32, "records": 1, "column": "mail"}]
    html = page_of(
        tmp_path,
        [{}],
        settings={
            "out": "/home/jane/reports",
            "log_file": "/home/jane/log",
            "workers": 8,
            "include_privileged": True,
            "header": ["X-Key=hush-hush"],
            "except_": ["/home/jane/keep.csv"],
            "protect": [],
            "ticket": None,
        },
        exceptions=exceptions,
    )
    told = html.split("How this can be checked")[1]
    options = re.findall(r"<code>(--[^<]*)</code>", told)
    assert options == [
        "--except keep.csv",
        "--include-privileged",
        "--header X-Key=...",
        "--revoke-sessions never",
        "--workers 8",
    ]
    assert "jane" not in html
    assert "hush" not in html
    assert "cd" * 32 in told
    assert f"batchreset report {runs.RUN_ID} --verify" in told
    assert "Python 3." in told


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (0.6, "1 s"), (59.7, "1 min"), (200, "3 min 20 s"), (3600, "1 h 0 min"), (90061, "1 d 1 h")],
)
def test_durations_are_said_in_two_units(seconds: float, said: str) -> None:
    """People read minutes and hours, not thousands of seconds."""
    assert describe(seconds) == said
