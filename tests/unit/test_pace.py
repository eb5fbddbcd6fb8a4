from __future__ import annotations

import pytest

from batchreset.policy.pace import Pacer


def burst(pacer: Pacer, sent: int, accepted: int, *, at: float) -> int:
    """Send so many at once, and have so many of them accepted at once; return the stamp of the others."""
    stamps = [pacer.sent(at) for _ in range(sent)]
    for _ in range(accepted):
        pacer.accepted(at)
    return stamps[-1]


def test_nothing_limits_at_first() -> None:
    """Most cohorts fit into the bucket that a tenant at rest has: the first burst goes out at once."""
    pacer = Pacer()
    burst(pacer, 1000, 1000, at=50.0)
    assert pacer.rate is None
    assert pacer.opens_at() <= 50.0


def test_a_ceiling_spaces_writes_from_the_start() -> None:
    """Two a second: the next one half a second later."""
    pacer = Pacer(ceiling=2.0)
    pacer.sent(100.0)
    assert pacer.opens_at() == 100.5
    pacer.sent(103.0)
    assert pacer.opens_at() == 103.5


def test_the_first_refusal_tells_the_pace() -> None:
    """Ten accepted over the five seconds until the gate opens again: two a second, and a tenth off for caution."""
    pacer = Pacer()
    stamp = burst(pacer, 12, 10, at=0.0)
    pacer.throttled(2.0, 3.0, stamp)
    assert pacer.opens_at() == 5.0
    assert pacer.rate == pytest.approx(1.8)
    pacer.sent(5.0)
    assert pacer.opens_at() == pytest.approx(5.0 + 1 / 1.8)


def test_a_burst_slows_down_once() -> None:
    """The other refusals of the same burst move the gate, not the pace."""
    pacer = Pacer()
    stamp = burst(pacer, 12, 10, at=0.0)
    pacer.throttled(2.0, 3.0, stamp)
    pacer.throttled(2.5, 4.0, stamp)
    pacer.throttled(2.6, 1.0, stamp)
    assert pacer.opens_at() == 6.5
    assert pacer.rate == pytest.approx(1.8)
    assert pacer.throttled_count == 3


def test_the_pace_grows_while_nothing_is_refused() -> None:
    """By two per cent a second, and by no more than that for one answer after a pause."""
    pacer = Pacer()
    pacer.throttled(2.0, 3.0, burst(pacer, 12, 10, at=0.0))
    pacer.accepted(4.0)
    assert pacer.rate == pytest.approx(1.8)
    pacer.accepted(5.5)
    assert pacer.rate == pytest.approx(1.8 * 1.01)
    pacer.accepted(60.0)
    assert pacer.rate == pytest.approx(1.8 * 1.01 * 1.02)


def test_the_ceiling_is_never_outgrown() -> None:
    """Neither by growth nor by what was measured."""
    pacer = Pacer(ceiling=0.5)
    pacer.sent(0.0)
    pacer.accepted(1.0)
    assert pacer.rate == 0.5
    pacer.throttled(1.0, 1.0, burst(pacer, 100, 100, at=1.0))
    assert pacer.rate == pytest.approx(0.45)


def test_one_early_refusal_does_not_bring_a_run_to_a_crawl() -> None:
    """Where nothing could be measured, it begins near one a second, and halves from what it had."""
    pacer = Pacer()
    pacer.throttled(0.0, 10.0, pacer.sent(0.0))
    assert pacer.rate == pytest.approx(0.9)
    pacer.throttled(10.0, 10.0, pacer.sent(10.0))
    assert pacer.rate == pytest.approx(0.9 * 0.45)


def test_there_is_a_slowest_pace() -> None:
    """A service that refuses everything is asked every twenty seconds, not never."""
    pacer, now = Pacer(), 0.0
    for _ in range(50):
        pacer.throttled(now, 0.0, pacer.sent(now))
        now = pacer.opens_at()
    assert pacer.rate == 0.05


def test_without_retry_after_the_wait_doubles_with_each_burst() -> None:
    """1, 2, 4 ... 60 seconds, whatever the number of refusals in a burst; an answer that was none starts over."""
    pacer, now, waits = Pacer(), 0.0, []
    for _ in range(8):
        stamp = burst(pacer, 3, 0, at=now)
        for _ in range(3):
            pacer.throttled(now, None, stamp)
        waits.append(pacer.opens_at() - now)
        now = pacer.opens_at()
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    pacer.accepted(now)
    pacer.throttled(now, None, pacer.sent(now))
    assert pacer._gate == now + 1


def test_a_run_that_is_refused_for_days_goes_on() -> None:
    """Ten thousand refusals in a row are a long wait and no overflow."""
    pacer, now = Pacer(), 0.0
    for _ in range(10_000):
        pacer.throttled(now, None, pacer.sent(now))
        now = pacer.opens_at()
    assert pacer.throttled_count == 10_000


def test_it_tells_how_it_stands() -> None:
    """A pacer's repr is what a puzzled reader of a log would ask for."""
    pacer = Pacer()
    pacer.throttled(2.0, 3.0, burst(pacer, 12, 10, at=0.0))
    assert repr(pacer) == "<Pacer rate=1.8 epoch=1 gate=5.000 refused=1>"
