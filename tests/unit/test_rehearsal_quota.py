from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchreset.rehearsal.quota import DOCUMENTED_WRITES, Kind, Limit, RetryAfter


def test_a_bucket_refills_at_its_rate() -> None:
    """Two at once, then one every half second; a refused call costs nothing."""
    bucket = Limit(rate=2, depth=2).start()
    assert [bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(0)] == [0, 0, 0.5, 0.5]
    assert bucket.take(0.25) == pytest.approx(0.25)
    assert bucket.take(0.5) == 0
    assert bucket.take(0.5) == pytest.approx(0.5)


def test_a_bucket_never_holds_more_than_its_depth() -> None:
    """After an hour of silence, two at once and not a third."""
    bucket = Limit(rate=2, depth=2).start()
    assert [bucket.take(3600), bucket.take(3600)] == [0, 0]
    assert bucket.take(3600) == 0.5


def test_refused_calls_may_be_charged() -> None:
    """Each refused call of a charging bucket moves the next chance by one token's time."""
    bucket = Limit(rate=2, depth=1, charge_refused=True).start()
    assert [bucket.take(0), bucket.take(0), bucket.take(0)] == [0, 1, 1.5]
    assert bucket.take(1.5) == 0


def test_a_fixed_window_forgets_all_at_once() -> None:
    """Three in each ten seconds counted from 0; the fourth waits for the rest of its window."""
    window = Limit(kind=Kind.FIXED_WINDOW, rate=0.3, depth=3).start()
    assert [window.take(at) for at in (0, 1, 9)] == [0, 0, 0]
    assert window.take(9.5) == pytest.approx(0.5)
    assert [window.take(at) for at in (10, 10, 10)] == [0, 0, 0]
    assert window.take(11) == pytest.approx(9)


def test_a_sliding_window_forgets_one_by_one() -> None:
    """Three in any ten seconds; the fourth waits until the first is ten seconds ago."""
    window = Limit(kind=Kind.SLIDING_WINDOW, rate=0.3, depth=3).start()
    assert [window.take(at) for at in (0, 4, 9)] == [0, 0, 0]
    assert window.take(9.5) == pytest.approx(0.5)
    assert window.take(10) == 0
    assert window.take(10) == pytest.approx(4)


def test_a_sliding_window_that_charges_refused_calls_stays_shut_while_it_is_hammered() -> None:
    """A refused call fills the window like any other: two of them at 5 keep it full until 15."""
    window = Limit(kind=Kind.SLIDING_WINDOW, rate=0.2, depth=2, charge_refused=True).start()
    assert [window.take(0), window.take(0)] == [0, 0]
    assert [window.take(5), window.take(5)] == [5, 10]
    assert window.take(14) > 0


def test_the_documented_quota_lets_3000_writes_through_at_once() -> None:
    """3,000 writes pass at once, and the next one a twentieth of a second later."""
    quota = DOCUMENTED_WRITES.start()
    assert all(quota.take(0) == 0 for _ in range(3000))
    assert quota.take(0) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        (RetryAfter.EXACT, "1.235"),
        (RetryAfter.WHOLE_SECONDS, "2"),
        (RetryAfter.DATE, "Sat, 21 Nov 2026 12:00:02 GMT"),
        (RetryAfter.ABSENT, None),
        (2.128, "2.128"),
    ],
)
def test_what_a_refusal_says_about_waiting(retry_after: RetryAfter | float, header: str | None) -> None:
    """Retry-After is exact to the millisecond, rounded up, a date, absent, or always the same."""
    assert (
        Limit(rate=1, depth=1, retry_after=retry_after).header(1.2345, datetime(2026, 11, 21, 12, tzinfo=UTC)) == header
    )


def test_a_quota_knows_how_much_of_it_is_in_use() -> None:
    """As a share of what may be spent at once: five of ten, then whatever has not come back; charged debts count."""
    for kind, later in ((Kind.BUCKET, 0.4), (Kind.FIXED_WINDOW, 0.1), (Kind.SLIDING_WINDOW, 0.6)):
        quota = Limit(kind=kind, rate=1, depth=10).start()
        for _ in range(5):
            quota.take(0)
        assert quota.usage == pytest.approx(0.5)
        quota.take(2 if kind is not Kind.FIXED_WINDOW else 11)
        assert quota.usage == pytest.approx(later)
    charging = Limit(rate=1, depth=10, charge_refused=True).start()
    for _ in range(14):
        charging.take(0)
    assert charging.usage == pytest.approx(1.4)


@given(
    kind=st.sampled_from(Kind),
    rate=st.integers(1, 20),
    depth=st.integers(1, 50),
    gaps=st.lists(st.integers(0, 20), max_size=200),
)
def test_waiting_as_told_is_always_enough(kind: Kind, rate: int, depth: int, gaps: list[int]) -> None:
    """A call that waits as long as a refusal told it passes, whatever came before."""
    quota, now = Limit(kind=kind, rate=rate, depth=depth).start(), 0.0
    for gap in gaps:
        now += gap / 16
        wait = quota.take(now)
        if wait:
            now += wait + 1e-6
            assert quota.take(now) == 0


@given(kind=st.sampled_from(Kind), gaps=st.lists(st.integers(0, 20), max_size=300))
def test_no_quota_lets_more_through_than_it_promises(kind: Kind, gaps: list[int]) -> None:
    """Passed calls never exceed what the terms allow for the time elapsed (windows: one more allowance)."""
    limit = Limit(kind=kind, rate=4, depth=8)
    quota, now, passed = limit.start(), 0.0, 0
    for gap in gaps:
        now += gap / 16
        passed += quota.take(now) == 0
    assert passed <= limit.depth + limit.rate * now + (0 if kind is Kind.BUCKET else limit.depth)
