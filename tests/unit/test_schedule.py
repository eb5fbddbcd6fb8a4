from __future__ import annotations

import pytest

from batchreset.policy.schedule import by_deadline, next_directory_look, next_look


def test_looks_grow_apart_to_half_a_minute() -> None:
    """1, 1.5, 2.25 ... then 30 seconds, however long an operation is followed."""
    assert [next_look(looks, None, 0.5) for looks in (0, 1, 2, 3)] == pytest.approx([1, 1.5, 2.25, 3.375])
    assert next_look(9, None, 0.5) == pytest.approx(30)
    assert next_look(10**6, None, 0.5) == pytest.approx(30)


def test_looks_that_fell_due_together_are_spread() -> None:
    """Over a fifth of the wait to either side."""
    assert next_look(0, None, 0.0) == pytest.approx(0.8)
    assert next_look(0, None, 1.0) == pytest.approx(1.2)


def test_what_the_service_asks_for_is_done() -> None:
    """Retry-After is the least, and up to a tenth comes on top of it."""
    assert next_look(50, 5.0, 0.0) == 5.0
    assert next_look(0, 5.0, 1.0) == pytest.approx(5.5)


def test_no_operation_is_looked_at_without_a_pause() -> None:
    """A Retry-After of nothing would make a storm of polls."""
    assert next_look(3, 0.0, 0.0) == 1.0


def test_the_directory_is_asked_ever_more_rarely() -> None:
    """2, 3, 4.5 ... then every minute."""
    assert [next_directory_look(looks, 0.5) for looks in (0, 1, 2)] == pytest.approx([2, 3, 4.5])
    assert next_directory_look(10**6, 0.5) == pytest.approx(60)


def test_no_wait_passes_the_deadline() -> None:
    """An hour's Retry-After on an operation followed for ten minutes is cut to what is left of them."""
    assert by_deadline(3600.0, 120.0, 600.0) == 480.0
    assert by_deadline(3600.0, 600.0, 600.0) == 1.0
    assert by_deadline(2.0, 120.0, 600.0) == 2.0
