"""Quotas a service may keep: pure arithmetic, every method is told the time.

Identity limits of Graph are documented as token buckets; which kind resetPassword answers to is not published, so
a client has to get on with all of them. Source of the figures: Microsoft's "Microsoft Graph service-specific
throttling limits", Identity and access.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class Kind(StrEnum):
    """How a quota is counted."""

    #: Tokens come back steadily; what is saved up may be spent at once.
    BUCKET = "bucket"
    #: A whole allowance at the start of every window, counted from time 0.
    FIXED_WINDOW = "fixed-window"
    #: No more than the allowance in any stretch of a window's length.
    SLIDING_WINDOW = "sliding-window"


class RetryAfter(StrEnum):
    """What a refusal says about waiting, where it is no constant."""

    EXACT = "exact"
    WHOLE_SECONDS = "whole-seconds"
    DATE = "date"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A quota's terms: `rate` units a second in the long run, `depth` units at once.

    A window holds `depth` units and is `depth / rate` seconds long. `retry_after` is a `RetryAfter`, or a constant in
    seconds. With `charge_refused`, refused calls use up quota like any other. With `tells_usage`, answers say how much
    of it is in use, near its end.
    """

    rate: float
    depth: float
    kind: Kind = Kind.BUCKET
    charge_refused: bool = False
    retry_after: RetryAfter | float = RetryAfter.EXACT
    tells_usage: bool = False

    def start(self) -> Quota:
        """Return a fresh quota on these terms."""
        match self.kind:
            case Kind.BUCKET:
                return Bucket(self)
            case Kind.FIXED_WINDOW:
                return FixedWindow(self)
            case Kind.SLIDING_WINDOW:
                return SlidingWindow(self)

    def header(self, wait: float, now: datetime) -> str | None:
        """Write the Retry-After of a refusal, in UTC `now`, after which a call would pass in `wait` seconds."""
        match self.retry_after:
            case RetryAfter.ABSENT:
                return None
            case RetryAfter.EXACT:
                return f"{math.ceil(wait * 1000) / 1000:g}"
            case RetryAfter.WHOLE_SECONDS:
                return str(math.ceil(wait))
            case RetryAfter.DATE:  # which has whole seconds only: a second more, so as not to be early
                return format_datetime(now + timedelta(seconds=wait + 1), usegmt=True)
            case seconds:
                return f"{seconds:g}"


#: 3,000 writes per 150 seconds for one app in one tenant.
DOCUMENTED_WRITES = Limit(rate=20, depth=3000, tells_usage=True)
#: 8,000 resource units per 10 seconds, for tenants of over 500 users.
DOCUMENTED_UNITS = Limit(rate=800, depth=8000, tells_usage=True)


class Quota(Protocol):
    """A quota at work."""

    limit: Limit

    @property
    def usage(self) -> float:
        """The share of what may be spent at once that was in use at the last call; above 1 where more was charged."""

    def take(self, now: float, cost: float = 1) -> float:
        """Spend `cost` units and return 0, or refuse and return the seconds until they would be there."""


class Bucket:
    """A token bucket. It starts full; refused calls that are charged leave it in debt."""

    def __init__(self, limit: Limit) -> None:
        """Fill the bucket."""
        self.limit = limit
        self._tokens = limit.depth
        self._at = 0.0

    @property
    def usage(self) -> float:
        """How empty the bucket is."""
        return 1 - self._tokens / self.limit.depth

    def take(self, now: float, cost: float = 1) -> float:
        """Spend tokens, or say how long until they are there."""
        self._tokens = min(self.limit.depth, self._tokens + (now - self._at) * self.limit.rate)
        self._at = now
        refused = self._tokens < cost
        if not refused or self.limit.charge_refused:
            self._tokens -= cost
        return (cost - self._tokens) / self.limit.rate if refused else 0.0


class FixedWindow:
    """An allowance per window; the windows follow one another from time 0."""

    def __init__(self, limit: Limit) -> None:
        """Begin with an untouched window."""
        self.limit = limit
        self._length = limit.depth / limit.rate
        self._window = 0.0
        self._spent = 0.0

    @property
    def usage(self) -> float:
        """How much of this window's allowance is spent."""
        return self._spent / self.limit.depth

    def take(self, now: float, cost: float = 1) -> float:
        """Spend from this window, or say how long it lasts."""
        window = now // self._length
        if window != self._window:
            self._window, self._spent = window, 0.0
        refused = self._spent + cost > self.limit.depth
        if not refused or self.limit.charge_refused:
            self._spent += cost
        return (window + 1) * self._length - now if refused else 0.0


class SlidingWindow:
    """An allowance for any stretch of a window's length."""

    def __init__(self, limit: Limit) -> None:
        """Begin with nothing spent."""
        self.limit = limit
        self._length = limit.depth / limit.rate
        self._spent: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    @property
    def usage(self) -> float:
        """How much of the allowance was spent in the window up to now."""
        return self._sum / self.limit.depth

    def take(self, now: float, cost: float = 1) -> float:
        """Spend, or say when enough of what was spent is a window ago."""
        while self._spent and self._spent[0][0] <= now - self._length:
            self._sum -= self._spent.popleft()[1]
        refused = self._sum + cost > self.limit.depth
        if not refused or self.limit.charge_refused:
            self._spent.append((now, cost))
            self._sum += cost
        if not refused:
            return 0.0
        over = self._sum + cost - self.limit.depth
        for at, spent in self._spent:
            over -= spent
            if over <= 0:
                return at + self._length - now
        return self._length
