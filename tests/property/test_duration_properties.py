from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchreset.policy.durations import Durations
from batchreset.rehearsal.behaviour import Spread
from tests.benchmarks.polling import (
    INSTANT,
    ORDINARY,
    TENANTS,
    WRITEBACK,
    Figures,
    cohort,
    follow,
    ladder,
    learning,
    pooled,
    steady,
)

ages = st.floats(0, 1e6) | st.floats(0, 60)
jitters = st.floats(0, 1, exclude_max=True)
seen = st.lists(st.tuples(st.booleans(), ages, ages), max_size=40)


def taught(observations: list[tuple[bool, float, float]]) -> Durations:
    durations = Durations()
    for has_ended, since, age in observations:
        (durations.had_ended if has_ended else durations.was_running)(since, age)
    return durations


@given(seen, ages, st.none() | st.floats(0, 3600), jitters)
def test_every_wait_has_its_bounds(
    observations: list[tuple[bool, float, float]], age: float, retry_after: float | None, jitter: float
) -> None:
    """Whatever was seen: at least half a second and what was asked for, at most a minute or twice the age."""
    wait = taught(observations).next_wait(age, retry_after, jitter)
    assert max(0.5, retry_after or 0) <= wait
    assert wait <= max(0.5, 60.0 if age == 0 else min(2 * age, 300.0), 1.1 * (retry_after or 0))


@given(seen, ages, jitters, jitters)
def test_more_patience_never_looks_sooner(
    observations: list[tuple[bool, float, float]], age: float, one: float, other: float
) -> None:
    """A greater jitter gives the same wait or a longer one."""
    durations = taught(observations)
    less, more = sorted((one, other))
    assert durations.next_wait(age, None, less) <= durations.next_wait(age, None, more) + 1e-6 * (1 + age)


@given(seen, ages, ages)
def test_seeing_it_run_never_makes_looks_come_sooner(
    observations: list[tuple[bool, float, float]], since: float, age: float
) -> None:
    """An operation found running is no reason to look at the next one earlier."""
    durations = taught(observations)
    before = durations.next_wait(0.0, None, 0.5)
    durations.was_running(since, age)
    assert durations.next_wait(0.0, None, 0.5) >= before - 1e-6


def figures(tenant: str, count: int = 2000, settled: float = 0.0) -> Figures:
    return follow(cohort(TENANTS[tenant], count), learning(), settled=settled)


def test_ordinary_operations_are_noticed_soon_and_cheaply() -> None:
    """Median 5 s, sigma 0.6, the learning included: at most 2.4 looks each, half noticed within a quarter longer."""
    ordinary = figures("median 5 s, sigma 0.6")
    assert ordinary.polls_each <= 2.4
    assert ordinary.delay() <= 0.25


@pytest.mark.parametrize("count", [5, 50])
def test_few_operations_cost_less_than_a_ladder(count: int) -> None:
    """All are under way before the first has taught anything, and still each takes fewer looks."""
    cohorts = [cohort(ORDINARY, count, seed=seed) for seed in range(500 // count)]
    learned = pooled([follow(each, learning()) for each in cohorts])
    fixed = pooled([follow(each, ladder()) for each in cohorts])
    assert learned.polls_each <= fixed.polls_each - 0.2
    assert learned.delay() <= 0.4


@pytest.mark.parametrize("median", [0.7, 2.0, 20.0, 60.0])
@pytest.mark.parametrize("sigma", [0.3, 0.6])
def test_every_pace_is_served_alike(median: float, sigma: float) -> None:
    """From under a second to a minute: the same number of looks, and a delay in proportion."""
    operations = cohort(steady(Spread(median, sigma)), 1500)
    figures = follow(operations, learning(), settled=40.0)
    assert figures.polls_each <= 2.4
    assert figures.delay() <= (0.25 if median >= 2 else 0.5)


def test_instant_operations_take_one_look() -> None:
    """Ended before they are looked at, half a second after the POST."""
    figures = follow(cohort(INSTANT, 500), learning())
    assert figures.polls_each <= 1.1
    assert sorted(figures.waits)[250] <= 0.4


def test_writeback_takes_few_looks_once_it_is_known() -> None:
    """Three minutes each: one look within the first minute, and then what any tenant takes."""
    figures = follow(cohort(WRITEBACK, 2000, rate=5.0), learning(), settled=250.0)
    assert figures.polls_each <= 3.4
    assert figures.delay() <= 0.25
    assert figures.longest_gap <= 300


def test_kinds_are_learned_apart() -> None:
    """Cloud accounts in two seconds, synchronised ones in forty: each kind is looked at in its own time."""
    mixed = figures("cloud 2 s, synchronised 40 s", settled=50.0)
    assert mixed.polls_each <= 2.4
    assert mixed.delay() <= 0.25


@pytest.mark.parametrize("tenant", ["slower in mid-run: 5 to 60 s", "faster in mid-run: 60 to 5 s"])
def test_a_drift_is_followed(tenant: str) -> None:
    """Operations become twelve times slower, or faster: soon looks are where they were before, by share."""
    drifted = figures(tenant, 4000, settled=170.0)
    assert drifted.polls_each <= 2.5
    assert drifted.delay() <= 0.25


def test_operations_that_never_end_do_not_hold_up_the_others() -> None:
    """Three in a hundred never end: a few looks in ten minutes each, and the others' ends are noticed in time."""
    stuck = figures("3% never end")
    assert stuck.polls_each <= 2.6
    assert stuck.delay() <= 0.3
