"""Wall-clock time as the project writes it: ISO 8601 UTC with milliseconds. Durations use the event loop's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def timestamp() -> str:
    """Write the time now as `2026-11-21T17:55:02.123Z`."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z"


def seconds_since(text: str) -> float:
    """Return the seconds since a time so written: across processes, which have no other clock in common."""
    return max((utc_now() - datetime.fromisoformat(text)).total_seconds(), 0.0)


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """Write a second since 1970; kept, since a busy second is written thousands of times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
