"""Whether a token that nobody can renew lasts for a run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def ends_too_early(expires_at: datetime, now: datetime, seconds: float) -> str | None:
    """Say in a sentence that a token ends before so many seconds of sending have passed; None where it lasts."""
    if expires_at >= now + timedelta(seconds=seconds):
        return None
    left, needed = (max(round(each / 60), 1) for each in ((expires_at - now).total_seconds(), seconds))
    return (
        f"The token ends at {expires_at:%H:%M} UTC, in about {left:,} min, and sending takes about {needed:,} min: "
        "the run will halt then, and goes on with `batchreset resume` and another token."
    )
