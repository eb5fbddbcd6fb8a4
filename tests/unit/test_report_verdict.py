from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchreset.model import Outcome, Reason, RunState
from batchreset.report.verdict import verdict
from tests.support import runs

if TYPE_CHECKING:
    from collections.abc import Mapping

QUIET = frozenset({Reason.DUPLICATE, Reason.BLANK, Reason.PROTECTED, Reason.NOT_SELECTED})
RESET, FAILED, UNRESOLVED, LEFT, WAITING = Outcome
LEFT_OVER = {
    (RESET, ""): 190,
    (FAILED, "forbidden"): 2,
    (UNRESOLVED, "answer_lost"): 1,
    (WAITING, "halted"): 14,
    (LEFT, "guest"): 5,
    (LEFT, "protected"): 2,
    (LEFT, "duplicate"): 7,
    (LEFT, "blank"): 3,
}
ALL_AT_ONCE = (
    "24 of 214 accounts are not known to be reset: look at the 2 that failed, find out about the 1 unresolved, "
    "go on with the 14 not attempted and decide on the 5 left out; 2 were left out as intended."
)
SESSIONS = {"revoked": 1, "failed": 1, "left": 0}


@pytest.mark.parametrize(
    ("tally", "facts", "sentence", "tone"),
    [
        ({(RESET, ""): 1}, {}, "The only account is reset.", "good"),
        ({(RESET, ""): 1212}, {}, "All 1,212 accounts are reset.", "good"),
        ({(RESET, ""): 2, (LEFT, "duplicate"): 4, (LEFT, "blank"): 1}, {}, "All 2 accounts are reset.", "good"),
        (
            {(RESET, ""): 2, (LEFT, "protected"): 1},
            {},
            "2 of 3 accounts are reset; 1 was left out as intended.",
            "good",
        ),
        (
            {(RESET, ""): 8, (LEFT, "federated"): 3, (LEFT, "privileged"): 5},
            {},
            "8 of 16 accounts are not reset: decide on the 8 left out (5 with a directory role, 3 federated).",
            "fair",
        ),
        (
            {(RESET, ""): 8, (LEFT, "not_selected"): 92},
            {},
            "8 of 8 selected accounts are reset; 92 rows were not selected.",
            "good",
        ),
        ({(FAILED, "forbidden"): 1}, {}, "1 of 1 account is not reset: look at the 1 that failed.", "bad"),
        (
            LEFT_OVER,
            {"state": RunState.HALTED},
            ALL_AT_ONCE,
            "bad",
        ),
        (
            LEFT_OVER,
            {"state": RunState.RUNNING},
            "Not finished yet: 190 of 214 accounts are reset; look at the 2 that failed.",
            "bad",
        ),
        (
            {(WAITING, ""): 3, (LEFT, "guest"): 1},
            {"state": RunState.PLANNED},
            "3 of 4 accounts are to be reset, 1 left out; nothing has been sent yet.",
            "fair",
        ),
        ({(RESET, ""): 2}, {"rehearsal": True}, "Rehearsal: all 2 simulated accounts are reset.", "good"),
        (
            {(LEFT, "blank"): 1, (LEFT, "not_selected"): 9},
            {},
            "No selected account was reset: no selected row names one; 9 rows were not selected.",
            "good",
        ),
        (
            {(RESET, ""): 1, (FAILED, "forbidden"): 1, (WAITING, ""): 1},
            {},
            "2 of 3 accounts are not reset: look at the 1 that failed and go on with the 1 not attempted.",
            "bad",
        ),
        (
            {(RESET, ""): 1, (UNRESOLVED, "answer_lost"): 1},
            {},
            "1 of 2 accounts is not known to be reset: find out about the 1 unresolved.",
            "bad",
        ),
        ({(LEFT, "blank"): 2}, {}, "No account was reset: no row of the cohort names one.", "good"),
        (
            {(RESET, ""): 2},
            {"sessions": SESSIONS, "blocked": 2},
            "All 2 accounts are reset; sessions of 1 not revoked; 2 left with sign-in blocked.",
            "fair",
        ),
    ],
)
def test_the_verdict_says_it_all_in_one_sentence(
    tally: Mapping[tuple[str, str], int], facts: dict[str, Any], sentence: str, tone: str
) -> None:
    """Whether everybody is reset, how many are not, and what to do about them: of accounts, not of rows."""
    assert verdict(runs.summarised(**facts), tally, QUIET) == (sentence, tone)
