"""How long a plan says that sending takes, by what, and by which quota it reckons."""

from __future__ import annotations

from typing import Any

import pytest

from batchreset.model import RevokeSessions
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
        (10_000, {"limit": 640}, 7, f"with --workers 32 ({DOCUMENTED} would allow more)"),
        (0, {}, 0, f"with --workers 32 ({DOCUMENTED} would allow more)"),
    ],
)
def test_the_slowest_bound_is_named(resets: int, settings: dict[str, Any], seconds: float, because: str) -> None:
    """0.35 s a call; the quota is a bucket of 3,000 that refills by 20 a second; a rate is a rate."""
    found = predicted(resets, Settings(revoke_sessions=RevokeSessions.NEVER, **settings))
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
    alone = Settings(revoke_sessions=RevokeSessions.NEVER, **settings)
    found = predicted(resets, alone, Known(Learned(rate=5.0, allowance=10, trust=0.0), days))
    assert found.seconds == pytest.approx(seconds)
    assert found.because == because


@pytest.mark.parametrize(
    ("settings", "known", "seconds", "because"),
    [
        # Two writes an account: 20,000, of which 3,000 at once.
        ({}, None, 850, f"by {DOCUMENTED}"),
        # Four, and a rate that bounds them all.
        ({"revoke_sessions": RevokeSessions.BOTH, "disable": True, "rate": 10.0}, None, 4000, "by --rate 10"),
        # Three of them are done by those who reset, one after another.
        ({"revoke_sessions": RevokeSessions.BOTH, "disable": True, "workers": 2}, None, 5_250, "with --workers 2"),
        # A quarter of the workers do what comes after.
        ({"workers": 8}, None, 1750, "with --workers 8"),
        # Resets alone could go by 30 a second, but all writes share what is documented.
        ({}, 30.0, 850, f"by {DOCUMENTED}"),
        ({}, 5.0, 1998, "by the 5.0 writes a second learned here today"),
    ],
)
def test_every_write_is_counted(settings: dict[str, Any], known: float | None, seconds: float, because: str) -> None:
    """Of 10,000 accounts: what goes with a reset takes its share of the documented quota, of --rate and of workers."""
    learned = Known(Learned(rate=known, allowance=10, trust=0.0), 0) if known else None
    found = predicted(10_000, Settings(**settings), learned)
    assert found.seconds == pytest.approx(seconds)
    assert found.because.startswith(because)
