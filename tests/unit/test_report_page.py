from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from batchreset import report
from batchreset.report import findings
from batchreset.report.charts import timeline_of
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


def verdict_in(html: str) -> tuple[str, str]:
    found = re.search(r'<header class="(\w+)">.*?<h1>(.*?)</h1>', html, re.DOTALL)
    assert found
    return found[2], found[1]


@pytest.mark.parametrize(
    ("rows", "facts", "sentence", "tone"),
    [
        ([{}], {}, "1 row: 1 reset.", "good"),
        ([{}] * 1200, {}, "1,200 rows: 1,200 reset.", "good"),
        ([{}, {"state": "excluded", "reason": "blank"}], {}, "2 rows: 1 reset, 1 left out.", "good"),
        ([{}, {"state": "excluded", "reason": "guest"}], {}, "2 rows: 1 reset, 1 left out.", "fair"),
        (
            [{}, {"state": "excluded", "reason": "guest"}],
            {"settings": {"accept_excluded": ["guest"]}},
            "2 rows: 1 reset, 1 left out.",
            "good",
        ),
        ([{"state": "failed", "reason": "forbidden"}], {}, "1 row: 0 reset, 1 failed.", "bad"),
        ([{"state": "doubtful"}], {"state": "interrupted"}, "1 row: 0 reset, 1 unresolved.", "bad"),
        ([{}, {"state": "ready"}], {"state": "interrupted"}, "2 rows: 1 reset, 1 not attempted.", "fair"),
        ([{}, {"state": "ready"}], {"state": "halted"}, "2 rows: 1 reset, 1 not attempted.", "bad"),
        ([{"state": "ready"}], {"state": "planned", "started_at": None}, "1 row: 1 to be reset.", "fair"),
    ],
)
def test_the_verdict_says_it_all_at_the_top(
    tmp_path: Path, rows: list[dict[str, Any]], facts: dict[str, Any], sentence: str, tone: str
) -> None:
    """One sentence tells how it went, and its colour how good that is."""
    assert verdict_in(page_of(tmp_path, rows, **facts)) == (sentence, tone)


def test_the_page_needs_no_network_and_allows_none(tmp_path: Path) -> None:
    """Nothing may load but the style and the pictures it holds; the policy names the style by its hash."""
    html = page_of(tmp_path, [{}, {"state": "failed", "reason": "forbidden"}])
    style = html.split("<style>")[1].split("</style>")[0]
    allowed = base64.b64encode(sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'sha256-{allowed}'" in html.replace("&#39;", "'")
    assert all(
        source.startswith("data:image/svg+xml;base64,") for source in re.findall(r'(?:src|srcset)="([^"]*)"', html)
    )
    assert not re.search(r"<script|<link|\sstyle=|\shref=|url\(|@import|\son\w+=", html)


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
    assert "Halted before the end: 25 rows in a row failed." in html


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
    """Failures come before what was left out, and what was left out on purpose comes last."""
    rows: list[dict[str, Any]] = [
        {"state": "excluded", "reason": "duplicate"},
        {"state": "excluded", "reason": "not_found"},
        *[{"state": "failed", "reason": "forbidden"}] * 2,
        *[{"state": "failed", "reason": "operation_failed"}] * 3,
        {"state": "unresolved", "reason": "answer_lost"},
    ]
    html = page_of(tmp_path, rows)
    told = re.findall(r"<h3><b>(\d+)</b> ([^<]+?) <span", html)
    assert told == [
        ("3", "Accepted, then failed"),
        ("2", "Not permitted"),
        ("1", "Answer lost"),
        ("1", "Not in this tenant"),
        ("1", "Listed more than once"),
    ]
    assert "<code>batchreset resume</code> asks the directory again" in html


def test_the_table_is_capped_and_says_so(tmp_path: Path) -> None:
    """Two thousand rows are shown, failures first however late they come in the file."""
    rows = [{"state": "excluded", "reason": "not_found"}] * (findings.ROWS_SHOWN + 5)
    html = page_of(tmp_path, [*rows, {"state": "failed", "reason": "forbidden", "identifier": "last@x.example"}])
    table = html.split("<tbody>")[1]
    assert table.count("<tr") == findings.ROWS_SHOWN
    assert "last@x.example" in table[:400]
    assert "The 2,000 most urgent of 2,006 are shown; all of them are in" in html


def test_quiet_exclusions_and_planned_rows_need_no_attention(tmp_path: Path) -> None:
    """Duplicates, blanks and protected accounts are as they should be, and so is a plan's waiting."""
    quiet = [{"state": "excluded", "reason": reason} for reason in ("duplicate", "blank", "protected")]
    assert "<tbody>" not in page_of(tmp_path, [*quiet, {"state": "ready"}], state="planned")


def test_long_pauses_are_cut_out_of_the_time_axis() -> None:
    """A run resumed the next day shows its two hours of work, not the night between."""
    timeline = timeline_of(
        {
            "accepted": {"2026-11-21T12:00:00": 2, "2026-11-21T12:05:00": 1},
            "succeeded": {"2026-11-22T12:05:00": 3},
        }
    )
    assert timeline
    assert timeline.events["accepted"] == ([0.0, 300.0], [2.0, 1.0])
    assert timeline.events["succeeded"] == ([315.0], [3.0])  # 5% of the 300 seconds stand for the pause
    assert timeline.pauses == [(307.5, 86400.0)]
    assert (timeline.end, timeline.total("succeeded")) == (315.0, 3)
    assert timeline_of({"accepted": {}}) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (0.6, "1 s"), (59.7, "1 min"), (200, "3 min 20 s"), (3600, "1 h 0 min"), (90061, "1 d 1 h")],
)
def test_durations_are_said_in_two_units(seconds: float, said: str) -> None:
    """People read minutes and hours, not thousands of seconds."""
    assert describe(seconds) == said
