"""How fast may we send: a quota that is not published, learned from the answers.

The pacer is pure: every method takes `now`, seconds of any monotonic clock. It starts without a pace, since most
cohorts fit into the bucket that Graph fills for a tenant at rest; the first 429 tells what the quota is about.
"""

from __future__ import annotations

#: After a refusal: a little under what was just measured, so that the bucket can fill.
_CAUTION = 0.9
#: Growth of the pace in a second, while nothing is refused.
_GROWTH = 0.02
#: A refusal without Retry-After closes the gate this long, doubling with each refusal in a row.
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_SLOWEST = 0.05


class Pacer:
    """The pace of one route. `ceiling` is a rate never to exceed, in writes a second."""

    def __init__(self, ceiling: float | None = None) -> None:
        """Start without a pace but the ceiling."""
        self.throttled_count = 0
        self._ceiling = ceiling
        self._rate = ceiling
        self._gate = 0.0
        self._slot = 0.0
        self._epoch = 0
        self._accepted = 0
        self._since: float | None = None
        self._grown_at = 0.0
        self._unexplained = 0

    def __repr__(self) -> str:
        return f"<Pacer rate={self._rate} epoch={self._epoch} gate={self._gate:.3f} refused={self.throttled_count}>"

    @property
    def rate(self) -> float | None:
        """Writes a second at present; None while nothing limits them."""
        return self._rate

    def opens_at(self) -> float:
        """When the next write may leave."""
        return max(self._gate, self._slot)

    def sent(self, now: float) -> int:
        """Note a write that leaves; hand the stamp back with its answer."""
        if self._since is None:
            self._since = self._grown_at = now
        if self._rate is not None:
            self._slot = now + 1 / self._rate
        return self._epoch

    def accepted(self, now: float) -> None:
        """Note an answer that was no 429."""
        self._accepted += 1
        self._unexplained = 0
        if self._rate is not None and now > self._grown_at:
            self._pace(self._rate * (1 + _GROWTH * min(now - self._grown_at, 1.0)))
            self._grown_at = now

    def throttled(self, now: float, retry_after: float | None, stamp: int) -> None:
        """Note a 429: close the gate, and slow down once for the burst it belongs to."""
        self.throttled_count += 1
        if retry_after is None:
            retry_after = min(_FIRST_WAIT * 2.0**self._unexplained, _LONGEST_WAIT)
        self._gate = max(self._gate, now + retry_after)
        if stamp != self._epoch:
            return
        self._epoch += 1
        self._unexplained += 1
        elapsed = self._gate - (self._since if self._since is not None else now)
        measured = self._accepted / elapsed if elapsed > 0 else _SLOWEST
        self._pace(_CAUTION * (min(measured, self._rate) if self._rate is not None else measured))
        self._accepted, self._since, self._grown_at = 0, self._gate, self._gate
        self._slot = self._gate

    def _pace(self, rate: float) -> None:
        rate = max(rate, _SLOWEST)
        self._rate = min(rate, self._ceiling) if self._ceiling is not None else rate
