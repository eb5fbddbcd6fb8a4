"""Whatever becomes of the rows, by moves the status table allows: every file of the report adds up to the input."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from batchreset import report
from batchreset.model import MOVES, Outcome, Reason, RunState, State, outcome_of
from batchreset.status import record, rows
from batchreset.status.changes import Answered, Change, Ending, IllegalMoveError, answered, intended, moved
from batchreset.status.writer import Writer
from tests.support import runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine

ROWS = 6
REASONS = {
    State.EXCLUDED: [Reason.DUPLICATE, Reason.PRIVILEGED],
    State.FAILED: [Reason.FORBIDDEN, Reason.REQUEST_REFUSED],
    State.UNRESOLVED: [Reason.ANSWER_LOST],
}
#: Whose turn it is, and which of the moves it may make.
MOVE = st.tuples(st.integers(0, ROWS - 1), st.integers(0, 11))
#: What goes on between two starts: the process was stopped or killed, and what failed is taken up again or not.
START = st.tuples(st.lists(MOVE, max_size=25), st.booleans())
ENDS = st.sampled_from([state for state in RunState if state is not RunState.PLANNED])


class Table:
    """A status table, and what ought to be in it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.states = [State.READY] * ROWS
        self.sends = count(1)
        self.open: dict[int, str] = {}

    def start(self, moves: Iterable[tuple[int, int]], *, retries: bool) -> None:
        """Do what a start does, from what an earlier one left behind."""
        self._move_all(State.SENDING, State.DOUBTFUL)
        if retries:
            self._move_all(State.FAILED, State.READY)
            self._move_all(State.UNRESOLVED, State.DOUBTFUL)
        with Writer(self.engine, on_broken=pytest.fail) as writer:
            for row, choice in moves:
                source = self.states[row]
                if targets := sorted(MOVES[source]):
                    target = targets[choice % len(targets)]
                    reasons = REASONS.get(target)
                    ending = Ending(reason=reasons[choice % len(reasons)]) if reasons else Ending()
                    writer.put(moved(row + 1, source, target, ending), *self._sends(row, source, target))
                    self.states[row] = target

    def _move_all(self, source: State, target: State) -> None:
        assert rows.move_all(self.engine, source, target) == self.states.count(source)
        self.states = [target if state is source else state for state in self.states]

    def _sends(self, row: int, source: State, target: State) -> list[Change]:
        if target is State.SENDING:
            self.open[row] = f"send {next(self.sends)}"
            return [intended(self.open[row], row + 1, None)]
        if source is State.SENDING:
            verdict = {State.ACCEPTED: "accepted", State.DOUBTFUL: "ambiguous", State.FAILED: "refused"}
            return [answered(self.open[row], Answered(verdict.get(target, "throttled"), 202))]
        return []

    def refuse(self) -> None:
        """Try every move that no row may make, and some that only rows elsewhere may: none is made."""
        for source in State:
            for target in {*State} - MOVES[source]:
                with pytest.raises(IllegalMoveError):
                    moved(1, source, target)
        elsewhere = next(state for state in (State.READY, State.SENDING) if state is not self.states[0])
        told: list[str] = []
        with pytest.raises(IllegalMoveError), Writer(self.engine, on_broken=told.append) as writer:
            writer.put(moved(1, elsewhere, min(MOVES[elsewhere])))
        assert told


def expected(states: Iterable[State]) -> list[str]:
    return [outcome_of(state).value for state in states]


def in_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def in_workbook(path: Path) -> dict[str, list[dict[str, Any]]]:
    book = CalamineWorkbook.from_path(path)
    sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
    return {
        name: [dict(zip(map(str, header), line, strict=True)) for line in lines]
        for name, (header, *lines) in sheets.items()
    }


def in_page(path: Path) -> list[tuple[int, str]]:
    """Return row and outcome of what the page's table is made from."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert found
    listing = json.loads(found[1])["listing"]
    return sorted((row[0], listing["texts"][row[5]]) for row in listing["rows"])


@given(starts=st.lists(START, min_size=1, max_size=3), end=ENDS)
@settings(max_examples=6, deadline=None)
def test_the_report_adds_up_to_the_input(starts: list[tuple[list[tuple[int, int]], bool]], end: RunState) -> None:
    """One line per input row in input order, in every file of it, and counts that add up; whatever moves were made."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        engine = runs.make_run(folder, [{"state": State.READY}] * ROWS, state=RunState.RUNNING)
        table = Table(engine)
        for moves, retries in starts:
            table.start(moves, retries=retries)
        table.refuse()
        record.note(engine, state=end)
        summary = report.write(folder, engine)
        engine.dispose()

        outcomes = expected(table.states)
        lines = in_csv(folder / "reconciliation.csv")
        assert [(line["row"], line["outcome"]) for line in lines] == [
            (str(number), outcome) for number, outcome in enumerate(outcomes, start=2)
        ]
        assert summary.counts == {outcome: outcomes.count(outcome) for outcome in Outcome}
        assert sum(summary.counts.values()) == summary.rows == ROWS
        assert summary.reasons == Counter(line["reason"] for line in lines if line["reason"])
        told = json.loads((folder / "summary.json").read_text("utf-8"))
        assert (told["rows"], told["counts"], told["reasons"]) == (ROWS, summary.counts, summary.reasons)

        sheets = in_workbook(folder / "reconciliation.xlsx")
        numbered = list(enumerate(outcomes, start=2))
        assert [(line["row"], line["outcome"]) for line in sheets["Reconciliation"]] == numbered
        apart = [sheets.get(outcome.replace("_", " ").capitalize(), []) for outcome in Outcome]
        assert sorted((int(line["row"]), line["outcome"]) for sheet in apart for line in sheet) == numbered
        assert [len(sheet) for sheet in apart] == list(summary.counts.values())
        assert in_page(folder / "report.html") == numbered
        again = in_csv(folder / "retry.csv") if (folder / "retry.csv").exists() else []
        assert [line["row"] for line in again] == [
            line["row"] for line in lines if line["outcome"] in {Outcome.FAILED, Outcome.NOT_ATTEMPTED}
        ]
