"""How long a plan says that sending takes, by what, and by which quota it reckons."""

from __future__ import annotations

from typing import Any

import pytest

from batchreset.policy.evidence import Learned
from batchreset.policy.prediction import Known, predicted
from batchreset.settings import Settings

DOCUMENTED = "Graph's documented quota of 20 writes a second"


@pytest.mark.parametrize(
    ("resets", "settings", "seconds", "because"),
    [
        (3_200, {}, 35, f"with --workers 32 ({DOCUMENTED} would allow more)"),
        (10_000, {}, 350, f"by {DOCUMENTED}"),
        (10_000, {"workers": 4}, 875, f"with --workers 4 ({DOCUMENTED} would allow more)"),
        (10_000, {"rate": 2.5}, 4000, f"by --rate 2.5 ({DOCUMENTED} would allow more)"),
        (10_000, {"rate": 1000.0}, 350, f"by {DOCUMENTED}"),
        (0, {}, 0, f"with --workers 32 ({DOCUMENTED} would allow more)"),
    ],
)
def test_the_slowest_bound_is_named(resets: int, settings: dict[str, Any], seconds: float, because: str) -> None:
    """0.35 s a call; the quota is a bucket of 3,000 that refills by 20 a second; a rate is a rate."""
    found = predicted(resets, Settings(**settings))
    assert found.seconds == pytest.approx(seconds)
    assert found.because == because


@pytest.mark.parametrize(
    ("resets", "settings", "days", "seconds", "because"),
    [
        (310, {}, 0, 60, "by the 5.0 writes a second learned here today"),
        (310, {}, 1, 60, "by the 5.0 writes a second learned here yesterday"),
        (310, {"workers": 320}, 40, 60, "by the 5.0 writes a second learned here 40 days ago"),
        (8, {}, 1, 0.0875, "with --workers 32 (the 5.0 writes a second learned here yesterday would allow more)"),
        (60, {"rate": 1.0}, 1, 60, "by --rate 1 (the 5.0 writes a second learned here yesterday would allow more)"),
    ],
)
def test_what_was_learned_in_the_tenant_takes_the_place_of_the_documented_quota(
    resets: int, settings: dict[str, Any], days: int, seconds: float, because: str
) -> None:
    """Ten at once and five a second, as an earlier run found; it is said when that was."""
    found = predicted(resets, Settings(**settings), Known(Learned(rate=5.0, allowance=10, trust=0.0), days))
    assert found.seconds == pytest.approx(seconds)
    assert found.because == because
