"""How long a plan says that sending takes, and by what."""

from __future__ import annotations

from typing import Any

import pytest

from batchreset.engine.plan import predicted
from batchreset.settings import Settings


@pytest.mark.parametrize(
    ("resets", "settings", "seconds", "because"),
    [
        (3_200, {}, 35, "with --workers 32"),
        (10_000, {}, 350, "by Graph's documented quota of 20 writes a second"),
        (10_000, {"workers": 4}, 875, "with --workers 4"),
        (10_000, {"rate": 2.5}, 4000, "by --rate 2.5"),
        (10_000, {"rate": 1000.0}, 350, "by Graph's documented quota of 20 writes a second"),
        (0, {}, 0, "with --workers 32"),
    ],
)
def test_the_slowest_bound_is_named(resets: int, settings: dict[str, Any], seconds: float, because: str) -> None:
    """0.35 s a call; the quota is a bucket of 3,000 that refills by 20 a second; a rate is a rate."""
    found = predicted(resets, Settings(**settings))
    assert found.seconds == pytest.approx(seconds)
    assert found.because == because
