from __future__ import annotations

import csv
import io
import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from batchreset.model import Outcome, Reason, RevokeSessions, RunState, State, Step, outcome_of
from batchreset.report import page, record
from batchreset.report.findings import Findings, quiet_reasons
from batchreset.report.guard import guard, unguard
from batchreset.report.reconciliation import reconcile
from batchreset.report.steps import taken
from batchreset.report.summary import quota_of, summarise
from batchreset.report.tables import CsvTable
from batchreset.report.verdict import verdict
from batchreset.report.workbook import Workbook
from batchreset.status import schema
from batchreset.status.record import read
from tests.support import runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchreset.report.summary import Summary

#: Text as people's files have it, and as no file should: formulas, markup, control characters, other scripts.
PARTS = [*"=+-@'\"\t\r\n<>&; ,\x00", "<script>", "</td>", "</style>", "<r>", "</r>", "_x000D_", "]]>", "{{", "\u202e"]
NASTY = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.sampled_from(PARTS)).map("".join))
ROW = st.fixed_dictionaries(
    {"state": st.sampled_from(State), "reason": st.one_of(st.none(), st.sampled_from(Reason))},
)


VERDICTS = (None, "accepted", "refused", "ambiguous", "transient", "throttled", "signedout", "demoted", "unsent")
#: What leaves an account blocked, as far as is known, or open.
BLOCKING_OR_OPENING = {
    (Step.ENABLE, "accepted"),
    *((Step.DISABLE, verdict) for verdict in (None, "accepted", "ambiguous")),
}
SEND = st.tuples(st.integers(1, 6), st.sampled_from(Step), st.sampled_from(VERDICTS))


class Folded:
    """A run's rows put through the reconciliation, without writing files."""

    def __init__(self, rows: Sequence[dict[str, Any]], sends: Sequence[dict[str, Any]] = (), **facts: Any) -> None:
        with TemporaryDirectory(ignore_cleanup_errors=True) as name:
            engine = runs.make_run(Path(name), rows, **facts)
            runs.put(engine, schema.sends, sends)
            with engine.connect() as connection:
                self.run = read(connection)
                self.findings = Findings(self.run)
                self.lines: list[dict[Any, Any]] = []
                for resets, theirs in record.read_rows(connection, chunk_rows=3):
                    steps = taken(resets, theirs, self.run)
                    lines = reconcile(resets, theirs, steps, self.run)
                    self.findings.add(resets, steps, lines)
                    self.lines += lines.to_dict("records")
                traffic = record.read_traffic(connection)
                quota, spent = quota_of(record.read_timeline(connection)), record.read_time_spent(connection)
            engine.dispose()
        self.summary: Summary = summarise(self.run, self.findings, traffic, quota, spent)

    def html(self) -> str:
        return page.render(self.run, self.summary, self.findings, {})


class Tags(HTMLParser):
    """Counts a page's tags and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] += 1
        self.found.update(f"{tag} {name}" for name, _ in attrs)


@given(rows=st.lists(ROW, max_size=12), state=st.sampled_from(RunState))
@settings(max_examples=25, deadline=None)
def test_every_row_is_counted_once_under_its_outcome(rows: list[dict[str, Any]], state: RunState) -> None:
    """Whatever became of the rows, counts add up to the input and each row is in its place."""
    folded = Folded(rows, state=state)
    assert [line["row"] for line in folded.lines] == [number + 2 for number in range(len(rows))]
    assert [line["outcome"] for line in folded.lines] == [outcome_of(row["state"]) for row in rows]
    assert sum(folded.summary.counts.values()) == folded.summary.rows == folded.run.records == len(rows)
    reasons = Counter(line["reason"] for line in folded.lines if line["reason"])
    assert folded.summary.reasons == reasons
    groups = page.groups_of(folded.findings.tally, quiet_reasons(folded.run))
    reset = folded.summary.counts[Outcome.SUCCEEDED]
    assert sum(group.rows for group in groups) == len(rows) - reset
    first, *others = folded.findings.funnel.stations(state, page.words_of(state))
    passed = [first.rows, *(station.rows for station in others)]
    assert passed == sorted(passed, reverse=True)
    assert passed[0] == len(rows)
    assert passed[-1] == reset or state is RunState.PLANNED
    assert Counter((line.outcome, line.reason) for line in folded.findings.listing) == folded.findings.tally


TALLY = st.dictionaries(
    st.one_of(
        st.just((Outcome.SUCCEEDED, "")),
        st.tuples(st.just(Outcome.EXCLUDED), st.sampled_from(Reason)),
        st.tuples(st.sampled_from([Outcome.FAILED, Outcome.UNRESOLVED, Outcome.NOT_ATTEMPTED]), st.just("")),
    ),
    st.integers(1, 2_000),
    max_size=5,
)


@given(tally=TALLY, state=st.sampled_from(RunState), rehearsal=st.booleans(), quiet=st.sets(st.sampled_from(Reason)))
@example(
    tally={(Outcome.SUCCEEDED, ""): 3, (Outcome.EXCLUDED, "blank"): 1},
    state=RunState.FINISHED,
    rehearsal=False,
    quiet=set(),
)
def test_everybody_is_said_only_when_everybody_is_reset(
    tally: dict[tuple[str, str], int], state: RunState, *, rehearsal: bool, quiet: set[Reason]
) -> None:
    """No account left out, for whatever reason, none failed, in doubt or waiting; and never in a plan."""
    told = verdict(runs.summarised(state=state, rehearsal=rehearsal), tally, frozenset(quiet))
    nobody = {(Outcome.EXCLUDED, Reason.DUPLICATE), (Outcome.EXCLUDED, Reason.BLANK)}
    is_everybody = {*tally} - nobody == {(Outcome.SUCCEEDED, "")} and state not in {RunState.PLANNED, RunState.RUNNING}
    assert bool(re.search(r"\b(all|every\w*|only)\b", told.sentence, re.IGNORECASE)) == is_everybody
    assert told.sentence.startswith("Rehearsal: ") == ("simulated" in told.sentence) == rehearsal
    assert re.fullmatch(r"[^.]*\.", told.sentence)  # one sentence
    assert not is_everybody or told.tone != "bad" or state is RunState.HALTED


@given(
    rows=st.lists(st.tuples(st.sampled_from(State), st.sampled_from([None, 0, 1])), min_size=6, max_size=6),
    sent=st.lists(SEND, max_size=25),
    when=st.sampled_from(RevokeSessions),
)
@settings(max_examples=15, deadline=None)
def test_sessions_and_blocked_accounts_add_up_whatever_was_sent(
    rows: list[tuple[State, int | None]], sent: list[tuple[int, Step, str | None]], when: RevokeSessions
) -> None:
    """Every account that was reset is revoked, failed or left, and what was sent beside it changes no outcome.

    Who is blocked was blocked after it was last opened, and was not known to be blocked before.
    """
    sends = [
        runs.send(row, number, step=step, verdict=verdict) for number, (row, step, verdict) in enumerate(sent, start=1)
    ]
    lines = [{"state": state, "enabled_before": enabled} for state, enabled in rows]
    folded = Folded(lines, sends, settings={"revoke_sessions": when})
    reset = [line for line in folded.lines if line["outcome"] == "succeeded"]
    wanted = 0 if when is RevokeSessions.NEVER else len(reset)
    assert [line["outcome"] for line in folded.lines] == [outcome_of(state) for state, _ in rows]
    assert sum(folded.summary.sessions.values()) == wanted
    if wanted:
        assert folded.summary.sessions["revoked"] == sum(line["sessions_revoked_at"] != "" for line in reset)
    touched = [
        [step for row, step, verdict in sent if row == number and (step, verdict) in BLOCKING_OR_OPENING]
        for number in range(1, 7)
    ]
    ends = [steps[-1] if steps else None for steps in touched]
    blocked = [end is Step.DISABLE and enabled != 0 for end, (_, enabled) in zip(ends, rows, strict=True)]
    assert folded.summary.blocked == folded.findings.blocked.total == sum(blocked)


@given(text=NASTY)
@example("'=")
@example("''+1")
def test_guarding_comes_off_again_and_leaves_no_formula(text: str) -> None:
    """`unguard` undoes `guard` for any text, and what is written never begins as a formula does."""
    assert unguard(guard(text)) == text
    assert guard(text).lstrip()[:1] not in {"=", "+", "-", "@"}


@given(lines=st.lists(st.lists(NASTY, min_size=2, max_size=2), max_size=5))
def test_any_text_comes_back_from_the_csv(lines: list[list[str]]) -> None:
    """Quotes, commas, line ends, BOMs and formulas survive the file."""
    file = io.TextIOWrapper(raw := io.BytesIO(), encoding="utf-8-sig", newline="")
    CsvTable(file, ["one", "two"]).add(lines)
    file.flush()
    read = csv.reader(io.StringIO(raw.getvalue().decode("utf-8-sig"), newline=""))
    assert [[unguard(cell) for cell in line] for line in read] == [["one", "two"], *lines]


def _reads_back(cell: str) -> bool:
    """Calamine leaves a carriage return in rich text escaped, as Excel does not."""
    return bool(cell) and not re.fullmatch(r"<r>.*\r.*</r>", cell, re.DOTALL)


@given(cells=st.lists(NASTY.filter(_reads_back), min_size=1, max_size=5))
@example(["<r>x</r>", "<r></r>", "_x0041_", "=1+1", "http://contoso.example/", "00123", "\r\n"])
@settings(max_examples=30, deadline=None)
def test_any_text_comes_back_from_the_workbook(cells: list[str]) -> None:
    """Cells are text, as they were, but for the control characters that a workbook cannot hold."""
    with TemporaryDirectory() as scratch:
        file = io.BytesIO()
        with Workbook(file, Path(scratch), runs.NOON) as workbook:
            workbook.begin(["outcome", "detail", "display_name"], {Outcome.FAILED: len(cells)})
            workbook.add([["failed", cell, "x"] for cell in cells])
    file.seek(0)
    read = CalamineWorkbook.from_filelike(file).get_sheet_by_name("Reconciliation").to_python()
    storable = [re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", cell) for cell in cells]
    assert [line[1] for line in read[1:]] == storable


@cache
def tags(word: str) -> Counter[str]:
    """Return the tags of a page that says `word` wherever a foreign text may stand."""
    row = {"identifier": word, "detail": word, "display_name": word, "kind": "cloud", "object_id": word}
    failed = {"state": "failed", "reason": "forbidden", **row}
    sends = [runs.send(1, step="disable"), runs.send(3, step="revoke", verdict="refused", detail=word)]
    return Tags(
        Folded(
            [failed, failed | {"user": word}, row],
            sends,
            state="halted",
            settings={"revoke_sessions": "after", "protect": [f"x{word}"], "except_": [f"x/{word}x"]},
            exceptions=[{"name": word, "sha256": word, "records": 1, "column": word}],
            halted_because=word,
            ticket=word,
            justification=word,
            unchecked=[word],
            tenant={"id": "1", "name": word},
            operator={"object_id": "2", "user": word},
            sources=[
                {"name": word, "sha256": word, "records": 3, "column": word},
                {"name": word, "sha256": word, "records": 0, "column": word},
            ],
        ).html()
    ).found


@given(text=NASTY.filter(bool))
@example("</style><script>alert(1)</script><img src=x onerror=alert(1)>")
@example("{{ 7 * 7 }}{% include 'x' %}")
@settings(max_examples=15, deadline=None)
def test_no_text_becomes_markup(text: str) -> None:
    """The page has the same tags and attributes whatever the cells, names, answers and tickets contain."""
    assert tags(text) == tags("x")
