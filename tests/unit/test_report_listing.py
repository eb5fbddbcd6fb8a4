from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from batchreset.model import Outcome, Reason, RunState
from batchreset.report import page
from batchreset.report.findings import Findings
from batchreset.report.listing import PAGE_BYTES, Listing
from batchreset.report.reconciliation import COLUMNS
from batchreset.report.steps import Taken
from batchreset.report.wording import cut
from batchreset.status.record import load
from tests.support import runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROWS = 10_000
TRAFFIC = dict.fromkeys(("requests", "writes", "reads", "polls", "throttled", "retried"), 0)
QUOTA = {"learned": None, "sent": 0, "refused": 0, "share": 0.0}
#: A text that takes up as much as any, wherever it is written.
WORST = "<&\"'\x01\u202e\N{PILE OF POO}" * 60
ALL_IS_WELL = Taken("", "", "", "", "", is_blocked=False, is_unblocked=False, remarks="")
NOTHING_IS_WELL = Taken("", "", "", "", "failed", is_blocked=True, is_unblocked=True, remarks=WORST)
EVERY_REASON = [(outcome, reason) for outcome in Outcome if outcome != Outcome.SUCCEEDED for reason in Reason]


def lines_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Make lines of a reconciliation."""
    blank: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"attempts": 1, "source": "cohort.csv"}
    return pd.DataFrame([blank | {"row": number} | row for number, row in enumerate(rows, start=2)], dtype=object)


def ordinary(number: int) -> dict[str, Any]:
    """Make a row as most are: one in twenty failed, the others reset."""
    account = f"margaret.hamilton-{number}@subsidiary.contoso.example"
    line = {"identifier": account, "user": account, "display_name": f"Margaret Hamilton {number}", "kind": "cloud"}
    ids = {"object_id": f"{number:036}", "client_request_id": f"{number:036}", "request_id": f"{number:036}"}
    ended = {"finished_at": f"2026-11-21T12:{number // 200:02}:{number % 60:02}.000Z"}
    failed = {"outcome": "failed", "reason": "forbidden", "detail": "HTTP 403 Authorization_RequestDenied"}
    return line | ids | ended | ({"outcome": "succeeded"} if number % 20 else failed)


def hostile(number: int) -> dict[str, Any]:
    """Make a row as long as any can be, with no text like another's."""
    text = f"{number}{WORST}"
    line = dict.fromkeys(("identifier", "display_name", "detail", "request_id", "object_id"), text)
    return line | {
        "user": f"{text}@{number}.example",
        "outcome": "failed",
        "reason": "request_refused",
        "kind": "guest",
    }


def of_every_reason(number: int) -> dict[str, Any]:
    """Make a row as long as any can be, for each outcome and reason in turn."""
    outcome, reason = EVERY_REASON[number % len(EVERY_REASON)]
    return hostile(number) | {"outcome": outcome, "reason": reason}


def rendered(folder: Path, rows: Sequence[dict[str, Any]], taken: Taken, **facts: Any) -> tuple[str, int]:
    """Make the page of a run of these rows; return it, and how many of them its table holds."""
    engine = runs.make_run(folder, **facts)
    run = load(engine)
    engine.dispose()
    lines = lines_of(rows)
    findings = Findings(run)
    findings.add(lines.assign(marks="[]"), pd.DataFrame([taken] * len(rows), dtype=object), lines)
    counts = dict.fromkeys(Outcome, 0) | Counter(row["outcome"] for row in rows)
    summary = runs.summarised(
        rows=len(rows),
        counts=counts,
        blocked=findings.blocked.total,
        traffic=TRAFFIC,
        quota=QUOTA,
        tenant={"name": "x"},
        operator={"user": "x"},
        ticket=run.ticket,
        justification=run.justification,
    )
    html = page.render(run, summary, findings, {})
    return html, len(json.loads(html.split('id="data">')[1].split("</script>")[0])["listing"]["rows"])


@pytest.mark.parametrize("make", [ordinary, hostile])
def test_a_page_of_ten_thousand_rows_is_less_than_a_megabyte(tmp_path: Path, make: Any) -> None:
    """Ordinary rows fit, each of them; whatever else the texts are, the page is no longer, and says what it lacks."""
    taken = NOTHING_IS_WELL if make is hostile else ALL_IS_WELL
    html, rows = rendered(tmp_path, [make(number) for number in range(ROWS)], taken)
    assert len(html.encode()) < PAGE_BYTES
    assert (rows == ROWS) == (make is ordinary)
    assert rows > 200
    if make is hostile:
        assert f"The {rows:,} most urgent of 10,000 rows can be searched here" in html
        assert f"Copy {rows:,} of 10,000 accounts" in html


def test_neither_reasons_nor_circumstances_make_it_longer(tmp_path: Path) -> None:
    """Each outcome for each reason, and as much as anybody can put into options, files and a ticket."""
    source = {"name": "\N{CJK UNIFIED IDEOGRAPH-65E5}" * 85, "sha256": "ab" * 32, "records": 1, "column": "x"}
    html, rows = rendered(
        tmp_path,
        [of_every_reason(number) for number in range(2_000)],
        NOTHING_IS_WELL,
        settings={"protect": [f"person{number:06}@contoso.example" for number in range(5_000)]},
        sources=[source] * 2_000,
        exceptions=[source] * 2_000,
        ticket="T" * PAGE_BYTES,
        justification="J" * PAGE_BYTES,
        halted_because="B" * PAGE_BYTES,
        unchecked=["U" * PAGE_BYTES],
        state="halted",
    )
    assert len(html.encode()) < PAGE_BYTES
    assert rows > 200
    assert html.count("and 1,900 more; <code>plan.json</code> has all of them") == 2


def test_an_account_is_copied_whole() -> None:
    """However long a name the cohort may hold."""
    longest = "x" * (320 - len("@x.example")) + "@x.example"
    listing = Listing(frozenset())
    listing.add(lines_of([{"outcome": "excluded", "reason": "not_found", "identifier": longest}]))
    assert [line.account for line in listing] == [longest]


def test_the_most_urgent_rows_are_kept_wherever_they_come_in_the_file() -> None:
    """Many chunks and no more room than for some: a failure in the last row is the first, and few are held."""
    listing = Listing(frozenset({"duplicate"}))
    chunk = lines_of([{"outcome": "succeeded", "user": f"{number:0100}@x.example"} for number in range(2000)])
    last = [
        {"outcome": outcome, "reason": reason, "user": f"{outcome}{reason}@x.example"}
        for outcome, reason in (
            *(("excluded", "duplicate"), ("not_attempted", ""), ("excluded", "guest"), ("unresolved", "")),
            ("failed", "forbidden"),
        )
    ]
    for _ in range(6):
        listing.add(chunk)
    listing.add(lines_of(last))
    kept = list(listing)
    assert [line.outcome for line in kept[:4]] == ["failed", "unresolved", "excluded", "not_attempted"]
    assert kept[-1].reason == "duplicate"
    assert len(kept) < 8_000
    packed = listing.packed(1_000)
    assert len(packed.text.encode()) < 1_200
    assert packed.groups["failed", "forbidden"] == 1
    assert packed.rows == packed.groups.total() == len(json.loads(packed.text)["rows"])
    assert [line.outcome for line in listing.urgent(3, RunState.FINISHED)] == ["failed", "unresolved", "excluded"]
    assert len(listing.urgent(9, RunState.PLANNED)) == 3


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [
        ("ana@x.example", 13, "ana@x.example"),
        ("ana@x.example", 12, "ana@x.exampl…"),
        ("é" * 9, 8, "éééé…"),
        ("<<", 6, "<…"),
    ],
)
def test_a_text_is_cut_by_what_it_takes_to_write_it(text: str, most: int, left: str) -> None:
    """Bytes count, and more of them for what HTML and JSON must write in another way."""
    assert cut(text, most) == left
