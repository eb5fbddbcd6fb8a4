from __future__ import annotations

import pytest

from batchreset.policy.schedule import by_deadline, next_directory_look


def test_the_directory_is_asked_ever_more_rarely() -> None:
    """2, 3, 4.5 ... then every minute, and not all at once."""
    assert [next_directory_look(looks, 0.5) for looks in (0, 1, 2)] == pytest.approx([2, 3, 4.5])
    assert next_directory_look(10**6, 0.5) == pytest.approx(60)
    assert [next_directory_look(0, jitter) for jitter in (0.0, 1.0)] == pytest.approx([1.6, 2.4])


def test_no_wait_passes_the_deadline() -> None:
    """An hour's Retry-After on an operation followed for ten minutes is cut to what is left of them."""
    assert by_deadline(3600.0, 120.0, 600.0) == 480.0
    assert by_deadline(3600.0, 600.0, 600.0) == 1.0
    assert by_deadline(2.0, 120.0, 600.0) == 2.0
