"""Wall-clock time as the project writes it: ISO 8601 UTC with milliseconds. Durations use the event loop's clock."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def timestamp(moment: datetime | None = None) -> str:
    """Write a moment (default: now) as `2026-11-21T17:55:02.123Z`."""
    return (moment or utc_now()).isoformat(timespec="milliseconds").replace("+00:00", "Z")
