from __future__ import annotations

import math
import tempfile
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from batchreset.errors import StatusTableError
from batchreset.model import ENDED, MOVES, Kind, Reason, State
from batchreset.policy.attempts import MOST_DOUBTFUL, MOST_TRANSIENT, Tally, decide
from batchreset.policy.pace import Pacer, Stamp
from batchreset.policy.schedule import next_directory_look
from batchreset.policy.verdict import (
    Accepted,
    Ambiguous,
    Answer,
    Lost,
    NotSent,
    Refused,
    SignedOut,
    Throttled,
    Transient,
    Verdict,
    judge,
    judge_look,
)
from batchreset.policy.waits import LONGEST_RETRY_AFTER, retry_after
from batchreset.status import database, rows
from batchreset.status.changes import Change, IllegalMoveError, moved
from batchreset.status.schema import resets
from batchreset.status.writer import Writer
from tests.support.runs import make_run

if TYPE_CHECKING:
    from sqlalchemy import Engine

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.sampled_from(["id"]), inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = (
    json_values
    | st.fixed_dictionaries({"error": json_values})
    | st.fixed_dictionaries({"error": st.fixed_dictionaries({"code": json_values, "message": json_values})})
    | st.fixed_dictionaries({"status": json_values, "statusDetail": json_values})
)
headers = st.dictionaries(st.sampled_from(["Retry-After", "Location", "request-id"]) | st.text(max_size=9), st.text())
answers = st.builds(Answer, st.integers(0, 999), headers, bodies, st.booleans())
results = answers | st.builds(NotSent, st.text()) | st.builds(Lost, st.text())
dates = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Sat", "Foo", ""]),
    st.integers(-1, 99),
    st.sampled_from(["Nov", "Feb", "Brumaire"]),
    st.integers(-1, 10**6),
    *[st.integers(-1, 99)] * 3,
    st.sampled_from(["GMT", "-0000", "+9999", "+99999999999999999999", "", "EST"]),
)
waits = st.none() | st.floats(0, LONGEST_RETRY_AFTER)
verdicts = (
    st.builds(Accepted, st.none() | st.text(), waits)
    | st.builds(Throttled, waits)
    | st.builds(Transient, st.text(), waits)
    | st.builds(Ambiguous, st.text())
    | st.builds(Refused, st.sampled_from(Reason), st.text())
    | st.builds(SignedOut, st.text())
)
tallies = st.builds(Tally, st.integers(0, MOST_TRANSIENT + 1), st.integers(0, MOST_DOUBTFUL + 1))


@given(results, st.floats(0, 1e6))
def test_every_answer_means_something(result: Answer | NotSent | Lost, age: float) -> None:
    """Whatever a server says, nothing raises, and only a 2xx is accepted."""
    verdict = judge(result, NOW)
    judge_look(result, "1", age, NOW)
    if isinstance(verdict, Accepted):
        assert isinstance(result, Answer)
        assert 200 <= result.status < 300


@given(st.text() | dates | st.floats().map(str) | st.integers().map(str))
def test_every_retry_after_is_a_wait_or_nothing(text: str) -> None:
    """From no time to an hour, and always a number that a timer takes."""
    wait = retry_after(text, NOW)
    assert wait is None or 0 <= wait <= LONGEST_RETRY_AFTER


@given(verdicts, tallies, st.sampled_from(Kind))
def test_a_row_in_doubt_never_fails(verdict: Verdict, tally: Tally, kind: Kind) -> None:
    """It may have been reset by the send that nobody knows of; and every decision is a move there is."""
    following = decide(verdict, tally, kind)
    assert following.state in MOVES[State.SENDING]
    assert not (tally.doubtful and following.state in {State.FAILED, State.READY})
    assert following.tally.doubtful >= tally.doubtful
    assert following.backoff >= 0
    assert following.at_least >= 0


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_the_directory_is_never_asked_at_once_and_never_forgotten(looks: int, jitter: float) -> None:
    """Between most of two seconds and a little over a minute."""
    assert 1.6 <= next_directory_look(looks, jitter) <= 72.0


@given(
    ceiling=st.floats(0.1, 100),
    steps=st.lists(
        st.tuples(st.floats(0, 5), st.sampled_from(["accepted", "refused", "late", "silent"]), waits), max_size=60
    ),
)
def test_the_pacer_keeps_to_its_ceiling_and_its_gate(
    ceiling: float, steps: list[tuple[float, str, float | None]]
) -> None:
    """However answers come, writes leave one ceiling's step apart at least, and none before the gate opens."""
    pacer, now, gate = Pacer(ceiling), 100.0, 0.0
    stamp = Stamp(0, now, 0)
    left: list[float] = []
    for idle, answer, wait in steps:
        now = max(now + idle, pacer.opens_at())
        assert now >= gate
        old, stamp = stamp, pacer.sent(now)
        left.append(now)
        assert pacer.rate is not None
        assert 0 < pacer.rate <= ceiling
        if answer == "accepted":
            pacer.accepted(now, stamp)
        elif answer in {"refused", "late"}:
            pacer.throttled(now, wait, stamp if answer == "refused" else old)
            gate = max(gate, now + (0.5 if wait is None else wait))
    assert all(after - before >= 1 / ceiling - 1e-9 * after for before, after in pairwise(left))


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans(), waits), max_size=60))
def test_the_pace_is_always_a_number(steps: list[tuple[float, bool, float | None]]) -> None:
    """Neither nothing nor without end, whatever was measured."""
    pacer, now = Pacer(), 0.0
    for idle, is_refused, wait in steps:
        now = max(now + idle, pacer.opens_at())
        stamp = pacer.sent(now)
        if is_refused:
            pacer.throttled(now, wait, stamp)
        else:
            pacer.accepted(now, stamp)
        assert pacer.rate is None or (pacer.rate > 0 and math.isfinite(pacer.rate))
        assert math.isfinite(pacer.opens_at())


ROWS = 6
numbers = st.integers(1, ROWS)
legal_moves = st.sampled_from([(source, target) for source in State for target in sorted(MOVES[source])])


class Crashing(RuleBasedStateMachine):
    """Rows that move by the table of moves through a writer whose process ends every now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.engine: Engine = make_run(Path(self.folder.name), [{"state": State.READY}] * ROWS)
        self.rows = dict.fromkeys(range(1, ROWS + 1), State.READY)
        self.told: list[str] = []
        self._open()

    @rule(walk=st.lists(st.tuples(numbers, st.integers(0, 9)), min_size=1, max_size=12), together=st.booleans())
    def move(self, walk: list[tuple[int, int]], together: bool) -> None:  # noqa: FBT001  hypothesis hands it over so
        """Make moves that are legal where each row stands, in one put or in many."""
        changes: list[Change] = []
        for number, choice in walk:
            targets = sorted(MOVES[self.rows[number]])
            if targets:
                target = targets[choice % len(targets)]
                changes.append(moved(number, self.rows[number], target))
                self.rows[number] = target
        if together:
            self.writer.put(*changes)
        else:
            for change in changes:
                self.writer.put(change)

    @rule(number=numbers, move=legal_moves, other=numbers)
    def refuse_a_move_from_elsewhere(self, number: int, move: tuple[State, State], other: int) -> None:
        """Move from a state that the row is not in: the writer breaks, and what came with it is undone too."""
        if move[0] is self.rows[number]:
            return
        self._close()
        self._open()
        accompanying = [moved(other, self.rows[other], target) for target in sorted(MOVES[self.rows[other]])[:1]]
        self.writer.put(moved(number, *move), *(accompanying if other != number else []))
        with pytest.raises(IllegalMoveError):
            self._close()
        with pytest.raises(StatusTableError):
            self.writer.put(moved(number, *move))
        assert self.told
        self._open()

    @rule()
    def crash(self) -> None:
        """End the process when what was put is on disk, and start anew: what was being sent is in doubt."""
        self._close()
        self.engine.dispose()
        self.engine = database.connect(Path(self.folder.name))
        in_flight = [number for number, state in self.rows.items() if state is State.SENDING]
        assert rows.move_all(self.engine, State.SENDING, State.DOUBTFUL) == len(in_flight)
        self.rows |= dict.fromkeys(in_flight, State.DOUBTFUL)
        self._open()

    @invariant()
    def every_row_is_in_exactly_one_state(self) -> None:
        """Compare with where the moves lead to; and only what has ended has a time of its end."""
        self._close()
        with self.engine.connect() as connection:
            found = connection.execute(select(resets.c.id, resets.c.state, resets.c.finished_at)).all()
        assert {line.id: line.state for line in found} == self.rows
        assert all((line.finished_at is not None) == (State(line.state) in ENDED) for line in found)
        assert rows.counts(self.engine) == {state: Counter(self.rows.values())[state] for state in State}
        self._open()

    def teardown(self) -> None:
        self._close()
        self.engine.dispose()
        self.folder.cleanup()

    def _open(self) -> None:
        self.told.clear()
        self.writer = Writer(self.engine, self.told.append)
        self.writer.__enter__()

    def _close(self) -> None:
        self.writer.__exit__(None, None, None)


TestCrashing = Crashing.TestCase
TestCrashing.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)


def test_what_no_move_names_cannot_be_asked_for() -> None:
    """All pairs of states: a move is made where the table names it, and refused everywhere else."""
    for source, target in product(State, State):
        if target in MOVES[source]:
            moved(1, source, target)
        else:
            with pytest.raises(IllegalMoveError):
                moved(1, source, target)


def test_the_table_of_moves_is_complete() -> None:
    """Every state has its moves, none leads to itself, and each can be reached and left or is an end."""
    assert set(MOVES) == set(State)
    reached: set[Any] = set().union(*MOVES.values())
    assert reached == set(State)
    assert all(source not in targets for source, targets in MOVES.items())
    assert {state for state, targets in MOVES.items() if not targets} <= ENDED
