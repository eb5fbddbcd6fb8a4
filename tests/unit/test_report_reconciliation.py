from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchreset.model import Reason, RunState, State
from batchreset.report import record
from batchreset.report.advice import ADVICE, NOT_DONE
from batchreset.report.reconciliation import COLUMNS, reconcile
from batchreset.report.steps import taken
from batchreset.status import schema
from batchreset.status.record import read
from tests.support import runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def lines_of(
    folder: Path, rows: Sequence[dict[str, Any]], sends: Sequence[dict[str, Any]] = (), **facts: Any
) -> list[dict[Any, Any]]:
    engine = runs.make_run(folder, rows, **facts)
    runs.put(engine, schema.sends, sends)
    with engine.connect() as connection:
        run = read(connection)
        chunks = [(*chunk, taken(*chunk, run)) for chunk in record.read_rows(connection, chunk_rows=2)]
        frames = [reconcile(*chunk, run) for chunk in chunks]
    engine.dispose()
    return [line for frame in frames for line in frame.to_dict("records")]


def test_columns_are_the_promised_ones_then_the_cohorts_own(tmp_path: Path) -> None:
    """Scripts may rely on the names of the columns and on their order."""
    rows: list[dict[str, Any]] = [{"cohort": {"NA": "None", "row": "7"}}, {"cohort": {}}]
    first, second = lines_of(tmp_path, rows, cohort_columns=["row", "NA"])
    assert ",".join(first) == (
        "row,source,identifier,user,object_id,outcome,reason,detail,method,operation_url,attempts,polls,submitted_at,"
        "accepted_at,finished_at,verified_at,sessions_revoked_at,client_request_id,request_id,display_name,kind,"
        "must_change,sessions_revoked_before_at,disabled_at,enabled_at,cohort.row,cohort.NA"
    )
    assert (first["row"], first["cohort.row"], first["cohort.NA"]) == (2, "7", "None")
    assert (second["cohort.row"], second["cohort.NA"]) == ("", "")


def test_a_row_that_was_never_sent_has_no_traffic(tmp_path: Path) -> None:
    """Every cell of an excluded row is text or a zero: nothing is missing, nothing is made up."""
    (line,) = lines_of(tmp_path, [{"state": "excluded", "reason": "not_found", "detail": "no such account"}])
    told = {name: value for name, value in line.items() if value != ""}
    assert told == {
        "row": 2,
        "source": "cohort.csv",
        "identifier": "user1@contoso.example",
        "outcome": "excluded",
        "reason": "not_found",
        "detail": "no such account",
        "attempts": 0,
        "polls": 0,
        "must_change": "no",
    }
    assert tuple(line) == COLUMNS


def test_attempts_are_the_sends_that_may_have_left_and_were_not_throttled(tmp_path: Path) -> None:
    """Waiting is no attempt, nor is a refused connection; an intent without an answer is one."""
    sends = [
        runs.send(1, 1, verdict="throttled", status=429),
        runs.send(1, 2, verdict="transient", status=None, answered_at=None),
        runs.send(1, 3, verdict="transient", status=503),
        runs.send(1, 4, verdict="ambiguous", status=None),
        runs.send(1, 5, operation_url="https://graph.example/op?aadgdc=X", polls=3, request_id="r5"),
        runs.send(1, 6, verdict=None, status=None, answered_at=None, polls=1),
        runs.send(2, 1, step="revoke"),
        runs.send(3, 1),
    ]
    first, second, third = lines_of(tmp_path, [{}, {}, {}], sends)
    assert (first["attempts"], first["polls"]) == (4, 4)
    assert first["submitted_at"] == "2026-11-21T12:00:01.000Z"
    assert first["accepted_at"] == "2026-11-21T12:00:05.500Z"
    assert first["operation_url"] == "https://graph.example/op?aadgdc=X"
    assert (first["client_request_id"], first["request_id"]) == (sends[5]["client_request_id"], "")
    assert first["method"] == "reset-password"
    assert (second["attempts"], second["submitted_at"], second["method"]) == (0, "", "")
    assert (third["attempts"], third["client_request_id"]) == (1, sends[7]["client_request_id"])


@pytest.mark.parametrize(
    ("state", "reason", "says"),
    [
        (RunState.PLANNED, "", "planned, not started"),
        (RunState.RUNNING, "", "waiting for its turn"),
        (RunState.HALTED, "halted", "halted before its turn"),
        (RunState.INTERRUPTED, "interrupted", "interrupted before its turn"),
    ],
)
def test_a_ready_row_was_not_attempted_because_of_how_the_run_ended(
    tmp_path: Path, state: RunState, reason: str, says: str
) -> None:
    """A row that waited says why it waited in vain."""
    (line,) = lines_of(tmp_path, [{"state": "ready"}], state=state)
    assert (line["outcome"], line["reason"]) == ("not_attempted", reason)
    assert says in line["detail"]


@pytest.mark.parametrize("state", [State.SENDING, State.ACCEPTED, State.DOUBTFUL])
def test_a_row_still_under_way_is_unresolved_and_says_how_to_settle_it(tmp_path: Path, state: State) -> None:
    """Nobody knows yet, and `resume` finds out; a rehearsal is never resumed, and so does not say so."""
    rows: list[dict[str, Any]] = [
        {"state": state},
        {"state": state, "reason": "answer_lost", "detail": "connection reset"},
    ]
    first, second = lines_of(tmp_path / "real", rows, state="interrupted")
    assert (first["outcome"], first["reason"]) == ("unresolved", "interrupted")
    assert f"`batchreset resume {runs.RUN_ID}` settles it" in first["detail"]
    assert (second["reason"], second["detail"]) == ("answer_lost", "connection reset")
    (rehearsed,) = lines_of(tmp_path / "rehearsed", rows[:1], state="halted", rehearsal=1)
    assert (rehearsed["reason"], "resume" in rehearsed["detail"]) == ("halted", False)


@pytest.mark.parametrize(
    ("state", "kind", "answer"),
    [
        ("succeeded", "cloud", "yes"),
        ("succeeded", "synchronised", "unknown"),
        ("succeeded", None, "unknown"),
        ("unresolved", "cloud", "unknown"),
        ("failed", "cloud", "no"),
        ("excluded", "guest", "no"),
        ("ready", "cloud", "no"),
    ],
)
def test_must_change_claims_no_more_than_is_known(tmp_path: Path, state: str, kind: str | None, answer: str) -> None:
    """Only a cloud account's flag is certain; without a reset there is none."""
    (line,) = lines_of(tmp_path, [{"state": state, "kind": kind}])
    assert line["must_change"] == answer


def test_every_reason_comes_with_advice() -> None:
    """No reason leaves people without a next step, and every sentence is one."""
    assert set(ADVICE) == set(Reason)
    for advice in (*ADVICE.values(), NOT_DONE):
        assert advice.title
        assert advice.meaning.endswith(".")
        assert advice.step.endswith(".")
        assert (advice.meaning + advice.step).count("`") % 2 == 0
