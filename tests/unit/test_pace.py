from __future__ import annotations

import pytest

from batchreset.policy.pace import Learned, Pacer, Stamp


def burst(pacer: Pacer, sent: int, accepted: int, *, at: float, took: float = 0.5) -> list[Stamp]:
    """Send so many at once and have the first of them accepted; return the stamps of the others."""
    stamps = [pacer.sent(at) for _ in range(sent)]
    for stamp in stamps[:accepted]:
        pacer.accepted(at + took, stamp)
    return stamps[accepted:]


def measured(quota: float = 10.0) -> Pacer:
    """Meet a bucket that was empty at 0 s and again 10 s later: the pacer believes in `quota` afterwards."""
    pacer = Pacer()
    pacer.throttled(0.5, 0.1, *burst(pacer, 1, 0, at=0.0))
    for number in range(int(10 * quota)):
        pacer.accepted(1 + number / quota, pacer.sent(1 + number / quota))
    pacer.throttled(10.1, 0.1, pacer.sent(10.0))
    pacer.sent(10.2)
    return pacer


def test_nothing_limits_a_small_cohort() -> None:
    """Fifty leave within a second and a half, faster with each answer, and no rate is told."""
    pacer, now = Pacer(), 100.0
    for _ in range(50):
        now = max(now, pacer.opens_at())
        pacer.accepted(now, pacer.sent(now - 0.35))
    assert now < 101.5
    assert pacer.rate is None
    assert pacer.learned is None


def test_a_ceiling_spaces_writes_from_the_start() -> None:
    """Two a second: the next one half a second later."""
    pacer = Pacer(ceiling=2.0)
    pacer.sent(100.0)
    assert pacer.opens_at() == 100.5
    pacer.sent(103.0)
    assert pacer.opens_at() == 103.5


def test_two_refusals_measure_a_quota() -> None:
    """A hundred accepted in the ten seconds between them: ten a second, and a hundredth off for caution."""
    pacer = measured(10.0)
    assert pacer.quota == pytest.approx(10.0, rel=0.02)
    assert pacer.rate == pytest.approx(10.0 * 0.99, rel=0.02)
    assert pacer.opens_at() == pytest.approx(10.2 + 1 / 9.9, abs=0.01)


def test_the_measured_pace_is_kept_until_the_next_refusal_is_paid_for() -> None:
    """It was measured by a hundred calls: a hundred later it is the same, after some hundreds it has grown."""
    pacer, now = measured(10.0), 10.3
    before = pacer.rate
    for _ in range(100):
        now += 0.1
        pacer.accepted(now, pacer.sent(now))
    assert pacer.rate == before
    for _ in range(200):
        now += 0.1
        pacer.accepted(now, pacer.sent(now))
    assert before is not None
    assert pacer.rate is not None
    assert pacer.rate > 1.2 * before


def test_it_does_not_grow_while_the_service_says_that_it_is_near_its_limit() -> None:
    """The percentage header holds the pace for half a minute."""
    pacer, now = measured(10.0), 10.3
    before = pacer.rate
    for _ in range(400):
        now += 0.1
        pacer.near_limit(now)
        pacer.accepted(now, pacer.sent(now))
    assert pacer.rate == before


def test_a_burst_counts_once() -> None:
    """The other refusals of a burst move the gate, not what is learned."""
    pacer = Pacer()
    stamps = burst(pacer, 12, 10, at=0.0)
    for stamp, now, wait in zip((*stamps, stamps[0]), (2.0, 2.5, 2.6), (3.0, 4.0, 1.0), strict=True):
        pacer.throttled(now, wait, stamp)
    assert pacer.opens_at() == 6.5
    assert pacer.throttled_count == 3


def test_calls_that_pass_while_others_are_refused_tell_the_refill() -> None:
    """Five of ten pass in half a second after the first refusal: about ten a second, at nine tenths to begin with."""
    pacer = Pacer()
    stamps = [pacer.sent(number * 0.05) for number in range(11)]
    pacer.throttled(0.5, 0.1, stamps[0])
    for number, stamp in enumerate(stamps[1:]):
        if number % 2:
            pacer.accepted(0.6, stamp)
        else:
            pacer.throttled(0.6, 0.1, stamp)
    pacer.sent(pacer.opens_at())
    assert pacer.rate == pytest.approx(9.0)


def test_a_window_is_met_in_its_own_rhythm() -> None:
    """Twenty in ten seconds, half a second apart: in the next window each leaves ten seconds after its like."""
    pacer = Pacer()
    stamps = [pacer.sent(0.1 * number) for number in range(20)]
    for stamp in stamps:
        pacer.accepted(2.0, stamp)
    pacer.throttled(2.0, 8.0, pacer.sent(2.0))
    left, now = [], 2.0
    for _ in range(20):
        now = max(now, pacer.opens_at())
        left.append(now)
        pacer.accepted(now, pacer.sent(now))
    assert left[0] == 10.0
    assert left[2:] == pytest.approx([10.0 + 0.1 * number for number in range(2, 20)], abs=0.5)


def test_the_ceiling_is_never_outgrown() -> None:
    """Whatever was measured above it."""
    pacer = Pacer(ceiling=0.5)
    pacer.throttled(1.0, 1.0, *burst(pacer, 101, 100, at=0.0))
    pacer.sent(2.0)
    assert pacer.opens_at() == 4.0
    assert pacer.rate == 0.5


def test_without_retry_after_each_wait_is_longer() -> None:
    """Half a second at first, then half of the time that it has lasted, at most a minute."""
    pacer, now, waits = Pacer(), 0.0, []
    for _ in range(20):
        pacer.throttled(now, None, pacer.sent(now))
        waits.append(pacer.opens_at() - now)
        now = pacer.opens_at()
    assert waits[0] == 0.5
    assert waits[3:8] == sorted(waits[3:8])
    assert waits[-1] == 60.0


def test_a_retry_after_that_proves_too_short_is_not_asked_again_and_again() -> None:
    """Two seconds, refused each time: after some minutes the gate is tried every minute at most."""
    pacer, now, tries = Pacer(), 0.0, 0
    while now < 3600:
        pacer.throttled(now, 2.0, pacer.sent(now))
        now, tries = pacer.opens_at(), tries + 1
    assert tries < 90


def test_a_run_that_is_refused_for_days_goes_on() -> None:
    """Ten thousand refusals in a row are a long wait and no overflow."""
    pacer, now = Pacer(), 0.0
    for _ in range(10_000):
        pacer.throttled(now, None, pacer.sent(now))
        now = pacer.opens_at()
    assert pacer.throttled_count == 10_000


def test_the_next_run_begins_with_what_this_one_learned() -> None:
    """It keeps to the quota before what was there from rest is spent, so that nothing is refused."""
    first = measured(10.0).learned
    assert first is not None
    pacer, now = Pacer(learned=Learned(10.0, allowance=40, trust=200)), 0.0
    for number in range(60):
        now = max(now, pacer.opens_at())
        pacer.accepted(now, pacer.sent(now))
        assert number < 40 or pacer.rate == pytest.approx(9.9)


def test_what_was_learned_fades_with_age() -> None:
    """After a day half the calls of trust are left, after a month next to none."""
    learned = Learned(10.0, allowance=40, trust=200)
    assert learned.aged(86_400).trust == 100
    assert learned.aged(30 * 86_400).trust < 1
    assert learned.aged(-5).trust == 200


def test_it_tells_how_it_stands() -> None:
    """A pacer's repr is what a puzzled reader of a log would ask for."""
    pacer = Pacer(ceiling=3.0)
    pacer.throttled(2.0, 3.0, *burst(pacer, 1, 0, at=0.0))
    assert repr(pacer) == "<Pacer rate=3.0 epoch=1 gate=5.000 refused=1>"
