from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchreset.policy.pace import Learned, Pacer
from tests.support.quotas import FALLING_AND_RISING, NAMED, SHORT_WINDOWS, SMALL_COHORTS, random_server
from tests.support.servers import Hint, Kind, Terms, simulate

if TYPE_CHECKING:
    from batchreset.policy.evidence import Stamp

hints = st.sampled_from(Hint) | st.floats(0.1, 30)
servers = st.builds(
    Terms,
    name=st.just("any"),
    kind=st.sampled_from(Kind),
    rate=st.floats(0.5, 200),
    depth=st.floats(1, 300),
    window=st.floats(1, 60),
    hint=hints,
    charges_refused=st.booleans(),
    changes=st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 100)), max_size=2).map(lambda c: tuple(sorted(c))),
    resets=st.integers(1, 300),
)


class Watched(Pacer):
    """A pacer whose departures are held against its own gate and ceiling."""

    def __init__(self, ceiling: float | None = None) -> None:
        super().__init__(ceiling)
        self.left: list[float] = []
        self.gate = 0.0

    def sent(self, now: float) -> Stamp:
        assert now >= self.gate
        self.left.append(now)
        return super().sent(now)

    def throttled(self, now: float, retry_after: float | None, stamp: Stamp) -> None:
        super().throttled(now, retry_after, stamp)
        self.gate = max(self.gate, now + (retry_after or 0.0))


@given(servers, st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_whatever_the_server_nothing_is_lost_and_no_gate_is_passed(terms: Terms, seed: int) -> None:
    """Every reset is accepted in the end, and none is sent before the moment that a Retry-After named."""
    outcome = simulate(Watched(), terms, seed)
    assert outcome.lost == 0


@given(servers, st.floats(0.5, 50))
@settings(max_examples=40, deadline=None)
def test_whatever_the_server_the_ceiling_holds(terms: Terms, ceiling: float) -> None:
    """Any two departures are one ceiling's step apart at least."""
    pacer = Watched(ceiling)
    simulate(pacer, terms)
    assert all(after - before >= 1 / ceiling - 1e-9 * after for before, after in pairwise(pacer.left))


@pytest.mark.parametrize(
    ("name", "efficiency", "waste"),
    [
        ("S1", 0.97, 0.015),
        ("S2", 0.98, 0.005),
        ("S3", 0.98, 0.005),
        ("S4", 0.7, 0.015),
        ("S5", 0.95, 0.03),
        ("S6", 0.87, 0.02),
        ("S7", 0.98, 0.018),
        ("S8", 0.98, 0),
    ],
)
def test_a_quota_is_learned(name: str, efficiency: float, waste: float) -> None:
    """Of two and a half thousand resets, nearly as fast as a client that knows, and hardly any call refused."""
    terms = next(terms for terms in NAMED if terms.name == name)
    outcome = simulate(Pacer(), Terms(**{**{f: getattr(terms, f) for f in Terms.__slots__}, "resets": 2500}))
    assert outcome.lost == 0
    assert outcome.efficiency >= efficiency
    assert outcome.waste <= waste


@pytest.mark.parametrize(("family", "median", "tenth"), [(FALLING_AND_RISING, 0.84, 0.7), (SHORT_WINDOWS, 0.94, 0.85)])
def test_short_runs_count_as_much(family: tuple[Terms, ...], median: float, tenth: float) -> None:
    """Quotas that fall and rise again within a thousand resets, and windows of five to thirty seconds."""
    outcomes = [simulate(Pacer(), terms) for terms in family]
    efficiencies = sorted(outcome.efficiency for outcome in outcomes)
    assert statistics.median(efficiencies) >= median
    assert efficiencies[len(efficiencies) // 10] >= tenth
    assert sum(outcome.lost for outcome in outcomes) == 0


@pytest.mark.parametrize("terms", SMALL_COHORTS, ids=lambda terms: terms.name)
def test_small_cohorts_are_done_at_once(terms: Terms) -> None:
    """Within twice the time of a client that knows what the tenant has saved up, and nothing refused."""
    outcome = simulate(Pacer(), terms)
    assert outcome.efficiency >= 0.5
    assert outcome.refused == 0


def test_it_gets_on_with_servers_nobody_thought_of() -> None:
    """Of random servers of at most two thousand resets, most are done nearly as fast as can be."""
    drawn = [terms for terms in map(random_server, range(60)) if terms.resets <= 2000]
    outcomes = [simulate(Pacer(), terms) for terms in drawn]
    assert sum(outcome.lost for outcome in outcomes) == 0
    assert statistics.median(outcome.efficiency for outcome in outcomes) >= 0.88
    assert statistics.median(outcome.waste for outcome in outcomes) <= 0.026


@pytest.mark.parametrize(
    ("kind", "hint"), [(Kind.FIXED, Hint.EXACT), (Kind.FIXED, Hint.ROUNDED_UP), (Kind.SLIDING, Hint.EXACT)]
)
def test_windows_get_back_what_they_gave_as_they_gave_it(kind: Kind, hint: Hint) -> None:
    """A window of either kind is used up each time, and refuses only what is tried for more."""
    outcome = simulate(Pacer(), Terms(name="window", kind=kind, rate=20, window=30, hint=hint, resets=6000))
    assert outcome.lost == 0
    assert outcome.efficiency >= 0.95
    assert outcome.waste <= 0.01


def test_the_second_run_is_refused_less() -> None:
    """What was learned saves the burst that runs into an empty bucket."""
    terms = Terms(name="again", rate=20, depth=100, resets=1000)
    first = Pacer()
    before = simulate(first, terms)
    assert first.learned is not None
    after = simulate(Pacer(learned=first.learned.aged(3600)), terms, seed=1)
    assert after.refused < before.refused / 2
    assert after.efficiency >= 0.9


def test_what_was_learned_of_another_quota_is_overcome() -> None:
    """A quota that doubled or halved since then is found all the same."""
    terms = Terms(name="changed", rate=20, depth=100, resets=1500)
    for rate in (10.0, 40.0):
        outcome = simulate(Pacer(learned=Learned(rate, allowance=150, trust=200)), terms)
        assert outcome.lost == 0
        assert outcome.efficiency >= 0.75
