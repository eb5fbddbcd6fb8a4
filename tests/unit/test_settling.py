from __future__ import annotations

import pytest

from batchreset.policy.settling import NOTHING, Landed, Past, Send, in_force, past_of

EARLY, LATE = "2026-11-21T12:00:05Z", "2026-11-21T12:00:05.5Z"


@pytest.mark.parametrize(
    ("landed", "doubted", "candidate"),
    [
        # One candidate only, however often it was sent.
        ([], {1}, 1),
        ([Landed(1)], set(), 1),
        ([Landed(1), Landed(1, EARLY)], {1}, 1),
        # Of two that took effect it is the one that did last, whichever was sent first.
        ([Landed(1, EARLY), Landed(2, LATE)], set(), 2),
        ([Landed(1, LATE), Landed(2, EARLY)], set(), 1),
        ([Landed(1, LATE), Landed(2, EARLY)], {1}, 1),
        # Nobody knows: in doubt, at the same time, or no time told.
        ([], {1, 2}, None),
        ([Landed(1, LATE)], {2}, None),
        ([Landed(1, LATE), Landed(2, EARLY)], {2}, None),
        ([Landed(1, EARLY), Landed(2, EARLY)], set(), None),
        ([Landed(1, EARLY), Landed(2)], set(), None),
        ([Landed(1, EARLY), Landed(2, "soon")], set(), None),
        ([], set(), None),
    ],
)
def test_the_candidate_in_force(landed: list[Landed], doubted: set[int], candidate: int | None) -> None:
    """It is known from what took effect last, or where there is but one; and not guessed."""
    assert in_force(landed, doubted) == candidate


def test_what_sends_came_to() -> None:
    """What was refused or never left counts for nothing, nor does an operation that failed."""
    of_none = [Send("a", 1, EARLY, verdict=verdict) for verdict in ("unsent", "throttled", "transient", "refused")]
    failed = Send("b", 1, EARLY, verdict="accepted", operation_status="FAILED")
    assert past_of([*of_none, failed]) == NOTHING
    under_way = Send("c", 2, EARLY, verdict="accepted", operation_status="running")
    ended = Send("d", 3, EARLY, verdict="accepted", operation_status="Completed", operation_ended_at=LATE)
    lost = [Send("e", 4, EARLY), Send("f", 4, EARLY, verdict="ambiguous")]
    assert past_of([under_way, ended, *lost]) == Past(2, EARLY, frozenset({4}), (under_way,), (Landed(3, LATE),))
