"""How fast may we send: a quota that is not published, learned from the answers.

The pacer is pure: every method takes `now`, seconds of any monotonic clock. It starts without a pace, since most
cohorts fit into the bucket that Graph fills for a tenant at rest; the first 429 tells what the quota is about.
"""

from __future__ import annotations

import math

#: After a refusal: a little under what was just measured, so that the bucket can fill.
_CAUTION = 0.9
#: Growth of the pace in a second, while nothing is refused.
_GROWTH = 0.02
#: A refusal without Retry-After closes the gate this long, doubling with each burst of refusals in a row.
_FIRST_WAIT, _LONGEST_WAIT, _MOST_DOUBLINGS = 1.0, 60.0, 6
#: Writes a second: what to begin with where the first refusal came before anything could be measured, and the least.
_FIRST_GUESS, _SLOWEST = 1.0, 0.05


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
        self._bursts = 0

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
        self._bursts = 0
        if self._rate is not None and now > self._grown_at:
            self._pace(self._rate * (1 + _GROWTH * min(now - self._grown_at, 1.0)))
            self._grown_at = now

    def throttled(self, now: float, retry_after: float | None, stamp: int) -> None:
        """Note a 429: close the gate, and slow down once for the burst it belongs to."""
        self.throttled_count += 1
        is_first_of_burst = stamp == self._epoch
        self._bursts += is_first_of_burst
        if retry_after is None:
            doublings = min(max(self._bursts - 1, 0), _MOST_DOUBLINGS)
            retry_after = min(_FIRST_WAIT * 2.0**doublings, _LONGEST_WAIT)
        self._gate = max(self._gate, now + retry_after)
        if is_first_of_burst:
            self._epoch += 1
            self._slow_down(now)

    def _slow_down(self, now: float) -> None:
        """Take the pace that was measured since the last burst, but never less than half of the present one.

        A single refusal may come before anything was accepted; it must not bring the run to a crawl.
        """
        elapsed = self._gate - (self._since if self._since is not None else now)
        measured = self._accepted / elapsed if elapsed > 0 else 0.0
        least, most = (_FIRST_GUESS, math.inf) if self._rate is None else (self._rate / 2, self._rate)
        self._pace(_CAUTION * min(max(measured, least), most))
        self._accepted, self._since, self._grown_at = 0, self._gate, self._gate

    def _pace(self, rate: float) -> None:
        rate = max(rate, _SLOWEST)
        self._rate = min(rate, self._ceiling) if self._ceiling is not None else rate
