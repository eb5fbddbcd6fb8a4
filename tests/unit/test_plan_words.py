"""Words of plans and of runs under way."""

from __future__ import annotations

import pytest

from batchreset.cli.words import snapshot_text
from batchreset.engine.progress import Snapshot, Spent
from batchreset.model import State
from batchreset.report.wording import accounts, duration, listed


@pytest.mark.parametrize(
    ("most", "text"), [(3, "a, b, c"), (2, "a, b and 1 more"), (1, "a and 2 more"), (9, "a, b, c")]
)
def test_names_are_listed_as_far_as_there_is_room(most: int, text: str) -> None:
    """The rest of them is counted."""
    assert listed(["a", "b", "c"], most) == text
    assert listed([str(number) for number in range(5000)], 1) == "0 and 4,999 more"


def test_numbers_and_durations_are_said_as_people_do() -> None:
    """One account is one; a duration that is foreseen has no more digits than it deserves."""
    assert [accounts(number) for number in (0, 1, 12_000)] == ["0 accounts", "1 account", "12,000 accounts"]
    assert [duration(seconds) for seconds in (0, 89.4, 90, 5399, 5400)] == ["1 s", "89 s", "2 min", "90 min", "1.5 h"]


@pytest.mark.parametrize(
    ("revoked", "to_revoke", "told"), [(0, 0, False), (0, 400, True), (120, 400, True), (400, 400, True)]
)
def test_the_live_view_tells_of_sessions_where_they_are_revoked(revoked: int, to_revoke: int, told: bool) -> None:  # noqa: FBT001  a parameter of the test
    """From the first account that has that coming."""
    counts = dict.fromkeys(State, 0) | {State.SUCCEEDED: 400}
    snapshot = Snapshot(
        counts=counts,
        seconds=1.0,
        rate=0.0,
        throttled=0,
        quota=None,
        spent=Spent(0.0, 1.0, 0.0),
        revoked=revoked,
        to_revoke=to_revoke,
    )
    assert (f"sessions revoked {revoked} of {to_revoke}" in snapshot_text(snapshot)) is told
