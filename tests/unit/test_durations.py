from __future__ import annotations

import math

import pytest

from batchreset.policy.durations import Durations, _cells, _place


def looks(durations: Durations, count: int) -> list[float]:
    """Return the ages of the looks at an operation that is found running by all of them."""
    ages = [0.0]
    for _ in range(count):
        ages.append(ages[-1] + durations.next_wait(ages[-1], None, 0.5))
    return ages[1:]


def test_nothing_known_is_a_ladder() -> None:
    """Patience 0.7, then 0.48, at a rate of 1.28 for each e-fold of (1 + age / 2): 1.455 apart there."""
    expected = [2 * (math.exp((0.7 + 0.48 * more) / 1.28) - 1) for more in range(4)]
    assert expected == pytest.approx([1.46, 3.03, 5.31, 8.65], abs=0.01)
    assert looks(Durations(), 4) == pytest.approx(expected)


def test_jitter_spreads_looks_by_a_fifth_of_the_patience() -> None:
    """With nothing known, a first look between 1.1 and 1.9 seconds."""
    durations = Durations()
    assert durations.next_wait(0.0, None, 0.0) == pytest.approx(2 * math.expm1(0.8 * 0.7 / 1.28))
    assert durations.next_wait(0.0, None, 1.0) == pytest.approx(2 * math.expm1(1.2 * 0.7 / 1.28))


def test_waits_count_from_the_look_and_what_is_asked_for_from_its_answer() -> None:
    """An answer that took two seconds leaves two seconds less to wait, but of Retry-After nothing less."""
    durations = Durations()
    plain = durations.next_wait(30.0, None, 0.0)
    assert durations.next_wait(30.0, None, 0.0, passed=2.0) == pytest.approx(plain - 2)
    assert durations.next_wait(30.0, 60.0, 0.0, passed=2.0) == 60.0
    assert durations.next_wait(30.0, None, 0.0, passed=120.0) == 0.5


def test_what_the_service_asks_for_is_the_least() -> None:
    """Up to a tenth comes on top of it; what is learned may ask for more; nothing at once."""
    durations = Durations()
    assert durations.next_wait(0.0, 60.0, 0.0) == 60.0
    assert durations.next_wait(0.0, 60.0, 0.5) == pytest.approx(63.0)
    assert durations.next_wait(30.0, 2.0, 0.5) == durations.next_wait(30.0, None, 0.5) > 2.0
    assert durations.next_wait(0.001, 0.0, 0.5) == 0.5


def test_operations_that_are_done_at_once_are_looked_at_once() -> None:
    """Ended whenever they are looked at: soon the first look is half a second after the POST."""
    durations = Durations()
    for _ in range(30):
        durations.had_ended(0.0, durations.next_wait(0.0, None, 0.5))
    assert looks(durations, 1) == [0.5]


def test_operations_that_always_take_as_long_are_looked_at_just_after() -> None:
    """Running at 2.9 seconds and ended at 3.1, a hundred times: the first look falls between."""
    durations = Durations()
    for _ in range(100):
        durations.was_running(0.0, 2.9)
        durations.had_ended(2.9, 3.1)
    assert 2.8 < looks(durations, 1)[0] < 3.2


def test_what_runs_teaches_before_anything_ends() -> None:
    """A hundred operations still running at 20 seconds: the next one is not looked at before they were."""
    durations = Durations()
    for _ in range(100):
        durations.was_running(0.0, 20.0)
    assert looks(durations, 1)[0] > 20.0


def test_looks_at_what_never_ends_grow_apart() -> None:
    """However sure it is by then that nothing ends: a minute, then three times the age, then five minutes apart."""
    durations = Durations()
    for _ in range(500):
        durations.was_running(0.0, 20000.0)
    ages = looks(durations, 6)
    assert ages == [60.0, 180.0, 480.0, 780.0, 1080.0, 1380.0]
    assert durations.next_wait(50_000.0, None, 0.5) == 300.0


def test_an_ending_is_shared_out_once() -> None:
    """However many cells lie between two looks, one ending is counted, and less than all of each later cell lived."""
    durations = Durations()
    endings, lived = sum(durations._endings), list(durations._lived)
    durations.had_ended(1.0, 30.0)
    assert sum(durations._endings) == pytest.approx(endings + 1)
    shares = [after - before for before, after in zip(lived, durations._lived, strict=True)]
    first, last = int(_place(1.0)) + 1, int(_place(30.0))
    assert shares[first:last] == sorted(shares[first:last], reverse=True)
    assert all(0 < share < 1 for share in shares[first:last])


def test_a_cell_forgets() -> None:
    """What was counted long ago weighs less and less, so that a drift is followed."""
    durations = Durations()
    for _ in range(1000):
        durations.had_ended(4.0, 5.0)
    assert max(durations._lived) == 60.0
    slow = looks(durations, 1)[0]
    for _ in range(200):
        durations.was_running(0.0, 40.0)
        durations.had_ended(40.0, 60.0)
    assert slow < 5.0
    assert looks(durations, 1)[0] > 40.0


@pytest.mark.parametrize(("since", "age"), [(0.0, 0.0), (3.0, 3.0), (5.0, 3.0), (1e6, 2e6)])
def test_looks_without_time_between_them_teach_nothing(since: float, age: float) -> None:
    """Nor do looks beyond what is counted."""
    durations = Durations()
    before = list(durations._endings), list(durations._lived)
    durations.was_running(since, age)
    durations.had_ended(since, age)
    assert (durations._endings, durations._lived) == before


def test_a_stretch_is_cut_into_its_cells() -> None:
    """What lies before, in and after the whole cells adds up."""
    assert list(_cells(1.25, 3.5)) == [(1, 0.75), (2, 1.0), (3, 0.5)]
    assert list(_cells(2.0, 3.0)) == [(2, 1.0)]
    assert list(_cells(2.25, 2.5)) == [(2, 0.25)]


def test_it_says_what_it_has_learned() -> None:
    """Its repr names the ages of the first two looks."""
    assert repr(Durations()) == "<Durations first=1.5 second=3.0>"
