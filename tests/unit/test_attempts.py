from __future__ import annotations

from itertools import product

import pytest

from batchreset.model import MOVES, Kind, Reason, State
from batchreset.policy.attempts import MOST_DOUBTFUL, MOST_TRANSIENT, Next, Tally, backoff, decide
from batchreset.policy.verdict import Accepted, Ambiguous, Demoted, Refused, SignedOut, Throttled, Transient, Verdict

VERDICTS: tuple[Verdict, ...] = (
    Accepted(None, None),
    Accepted("https://graph.microsoft.com/v1.0/operation", 3.0),
    Throttled(None),
    Throttled(2.0),
    Transient("away"),
    Transient("away", 4.0),
    Ambiguous("lost"),
    Refused(Reason.FORBIDDEN, "no"),
    SignedOut("expired"),
    Demoted(),
)
TALLIES = [
    Tally(transient, doubtful) for transient in range(MOST_TRANSIENT + 2) for doubtful in range(MOST_DOUBTFUL + 2)
]
EVERYTHING = list(product(VERDICTS, Kind, TALLIES))


@pytest.mark.parametrize(
    ("verdict", "tally", "kind", "following"),
    [
        (Accepted(None, 1.0), Tally(2, 1), Kind.CLOUD, Next(State.ACCEPTED, Tally(2, 1))),
        (Throttled(9.0), Tally(5, 0), Kind.CLOUD, Next(State.READY, Tally(5, 0), again=True)),
        (Throttled(9.0), Tally(0, 1), Kind.CLOUD, Next(State.DOUBTFUL, Tally(0, 1), again=True)),
        (SignedOut("no"), Tally(), Kind.CLOUD, Next(State.READY, Tally(), detail="no")),
        (Demoted(), Tally(2), Kind.CLOUD, Next(State.READY, Tally(2), again=True)),
        (Demoted(), Tally(2, 1), Kind.SYNCHRONISED, Next(State.DOUBTFUL, Tally(2, 1), again=True)),
        (SignedOut("no"), Tally(0, 1), Kind.CLOUD, Next(State.DOUBTFUL, Tally(0, 1), detail="no")),
        (Transient("x"), Tally(), Kind.CLOUD, Next(State.READY, Tally(1), again=True, backoff=1.0)),
        (
            Transient("x", 7.0),
            Tally(4, 1),
            Kind.GUEST,
            Next(State.DOUBTFUL, Tally(5, 1), again=True, backoff=16.0, at_least=7.0),
        ),
        (
            Transient("x"),
            Tally(5),
            Kind.CLOUD,
            Next(State.FAILED, Tally(6), reason=Reason.SERVICE_UNAVAILABLE, detail="x"),
        ),
        (
            Transient("x"),
            Tally(5, 1),
            Kind.CLOUD,
            Next(State.DOUBTFUL, Tally(6, 1), reason=Reason.ANSWER_LOST, detail="an earlier answer was lost; then x"),
        ),
        (
            Ambiguous("x"),
            Tally(),
            Kind.CLOUD,
            Next(State.DOUBTFUL, Tally(0, 1), again=True, backoff=1.0, reason=Reason.ANSWER_LOST, detail="x"),
        ),
        (
            Ambiguous("x"),
            Tally(0, 2),
            Kind.CLOUD,
            Next(State.DOUBTFUL, Tally(0, 3), backoff=4.0, reason=Reason.ANSWER_LOST, detail="x"),
        ),
        (
            Ambiguous("x"),
            Tally(),
            Kind.SYNCHRONISED,
            Next(State.DOUBTFUL, Tally(0, 1), backoff=1.0, reason=Reason.ANSWER_LOST, detail="x"),
        ),
        (
            Refused(Reason.PASSWORD_REJECTED, "x"),
            Tally(3),
            Kind.CLOUD,
            Next(State.FAILED, Tally(3), reason=Reason.PASSWORD_REJECTED, detail="x"),
        ),
        (
            Refused(Reason.PASSWORD_REJECTED, "x"),
            Tally(0, 1),
            Kind.CLOUD,
            Next(State.DOUBTFUL, Tally(0, 1), reason=Reason.ANSWER_LOST, detail="an earlier answer was lost; then x"),
        ),
    ],
)
def test_what_follows_from_a_verdict(verdict: Verdict, tally: Tally, kind: Kind, following: Next) -> None:
    """Each verdict's state, count, wait and reason, worked out by hand."""
    assert decide(verdict, tally, kind) == following


def test_every_decision_is_a_move_that_the_model_allows() -> None:
    """Whatever was answered to whomever: the row can go where it is sent."""
    assert all(decide(*case[::2], case[1]).state in MOVES[State.SENDING] for case in EVERYTHING)


def test_a_row_in_doubt_never_simply_fails_or_goes_back_to_ready() -> None:
    """What proves that this send was not applied says nothing of the earlier one."""
    for verdict, kind, tally in EVERYTHING:
        if tally.doubtful:
            assert decide(verdict, tally, kind).state in {State.ACCEPTED, State.DOUBTFUL}


def test_only_a_cloud_accounts_row_is_sent_again_in_doubt() -> None:
    """On-premises history and minimum age may refuse the repeat."""
    for kind, tally in product(Kind, TALLIES):
        again = decide(Ambiguous("lost"), tally, kind).again
        assert again == (kind is Kind.CLOUD and tally.doubtful + 1 < MOST_DOUBTFUL)


def test_being_throttled_is_no_attempt() -> None:
    """However often it happens, nothing is counted and the row is sent again."""
    for kind, tally in product(Kind, TALLIES):
        following = decide(Throttled(1.0), tally, kind)
        assert following.tally == tally
        assert following.again


def test_the_bounds_hold() -> None:
    """A service that is away gets six attempts, one that loses answers three sends."""
    for verdict, most in ((Transient("away"), 6), (Ambiguous("lost"), 3)):
        tally, sends, again = Tally(), 0, True
        while again:
            following = decide(verdict, tally, Kind.CLOUD)
            tally, again, sends = following.tally, following.again, sends + 1
        assert sends == most


def test_backoff_doubles_to_its_longest() -> None:
    """1, 2, 4, 8, 16, then 30 seconds for good."""
    assert [backoff(tried) for tried in (1, 2, 3, 4, 5, 6, 7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff(10**9) == 30
