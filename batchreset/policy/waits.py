"""How long an answer asks to be waited for: Retry-After, in every form that there is."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A Retry-After beyond an hour is taken for an hour: the quota is asked again then.
LONGEST_RETRY_AFTER = 3600.0
#: Characters of the header that are shown.
_SHOWN = 40


def wait_in(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that an answer asks for, or None; a date counts from the service's own time, else from `now`.

    So a clock of ours that is wrong, or jumps, makes no wait longer or shorter.
    """
    text = headers.get("Retry-After")
    return retry_after(text, _time_in(headers) or now) if text is not None else None


def distrusted_in(headers: Mapping[str, str], now: datetime) -> str | None:
    """Return the Retry-After that was not taken at its word, since it is nonsense or beyond an hour; None of others."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    asked = _asked(text, _time_in(headers) or now)
    return text[:_SHOWN] if asked is None or asked > LONGEST_RETRY_AFTER else None


def retry_after(text: str | None, now: datetime) -> float | None:
    """Read Retry-After in seconds: an integer, a decimal (Graph's own sample is `2.128`) or an HTTP date.

    None where it is absent or nonsense, as a number below zero is; at most `LONGEST_RETRY_AFTER`.
    """
    asked = _asked(text, now) if text is not None else None
    return asked if asked is None else min(asked, LONGEST_RETRY_AFTER)


def _asked(text: str, now: datetime) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        date = _date(text)
        return None if date is None else max((date - now).total_seconds(), 0.0)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _time_in(headers: Mapping[str, str]) -> datetime | None:
    return _date(headers.get("Date", ""))


def _date(text: str) -> datetime | None:
    """Read an HTTP date; None where it is none, has no zone, or is out of this world."""
    try:
        date = parsedate_to_datetime(text)
        return date.astimezone(UTC) if date.tzinfo is not None else None
    except (ValueError, TypeError, OverflowError):
        return None
