"""How fast may we send: a quota that is not published, learned from the answers.

The pacer is pure: every method takes `now`, seconds of any monotonic clock. It goes through three moods:

- *starting*: ever faster, until the first 429. Most cohorts end before that, on what a tenant at rest has saved up.
- *holding*: just under the quota that the refusals measured (`evidence`), until so many calls were accepted as pay for
  the refusals that the next try may bring: more of them the surer the quota is and the longer a gate stays closed.
- *trying*: a little faster with each accepted call, until the next refusal measures anew.

Where Retry-After counts down to a window's end, calls are held to that window's rhythm instead of a pace: as many as
it took, each one window later than its like. That suits windows that begin anew and windows that slide.
"""

from __future__ import annotations

from collections import deque

from batchreset.policy.evidence import (
    LONG,
    SAME,
    Burst,
    Diary,
    Findings,
    Learned,
    Opening,
    Stamp,
    Stretch,
    Window,
    estimate,
    window,
)

__all__ = ["Learned", "Pacer", "Stamp"]

#: Writes a second to begin with, and what each accepted answer adds.
_START, _START_GROWTH = 50.0, 2.0
#: Writes a second from which on nobody waits, while no quota is known: timers are coarser than that.
_UNPACED = 1000.0
#: Writes a second at which a gate is tried that may be closed still, and at which a window is tried for more.
_SCOUTING = 2.5
#: What each accepted answer adds to that, for each second that an answer takes.
_SCOUTING_GROWTH = 0.7
#: Under the measured quota by this share. The slowest pace, and the least quota, in writes a second.
_CAUTION, _SLOWEST, _SMALLEST_QUOTA = 0.01, 0.05, 0.1
#: Of what passed while other calls were refused, this share is relied on: it was measured by few.
_FIRST_SHARE, _FEW = 0.9, 1
#: Accepted calls that pay for a try: so many times those that measured the quota; less while it changes; never more.
_TRUST, _TRUST_OF_CHANGE, _LONGEST_HOLD = 1.5, 0.5, 1000
#: And at least so many times what a closed gate costs, in calls. Where that is dear, growth is the slower for it.
_PRICES, _DEAR, _NEAR = 8.0, 20.0, 0.25
#: A try grows by so many writes a second in each second, at least by such a share with each call, at most by such.
_ADDED, _SHARE, _LARGEST_STEP = 1.0, 0.0015, 0.05
#: Without Retry-After, or when it proves too short: wait at least so long, and such a share of the time it has lasted.
_FIRST_WAIT, _LONGEST_WAIT, _SHARE_UNTOLD, _SHARE_TOLD = 0.5, 60.0, 0.5, 0.15
#: So many calls under way at a refusal are a burst: more refusals are coming, for so many times as answers take.
_BURST, _BURST_ANSWERS = 6, 1.2
#: A service that is near its limit says so; the pace does not grow for so many seconds then.
_CALM = 30.0
#: A Retry-After shorter than this many seconds is no constant worth the name. The shortest answer, in seconds.
_AT_ONCE, _SHORTEST = 0.9, 1e-3
#: What an earlier run found in store is used up to this share.
_MOST_OF = 0.95
#: Departures that are looked back on.
_REMEMBERED = 20_000


class Pacer:
    """The pace of one route. `ceiling` is a rate never to exceed, in writes a second."""

    def __init__(self, ceiling: float | None = None, learned: Learned | None = None) -> None:
        """Start fast, or with what an earlier run has `learned`."""
        self.throttled_count = 0
        self._ceiling = ceiling
        self._earlier = learned
        self._diary = Diary()
        self._pace = _START
        self._quota: float | None = None
        self._gate = self._slot = 0.0
        self._number = self._epoch = 0
        self._departures: deque[float] = deque(maxlen=_REMEMBERED)
        self._opening: Opening | None = None
        self._is_closed = self._scouts = False
        #: Times that the gate was found closed, one after the other.
        self._knocks = 0
        #: Calls accepted since the last refusal; those that have to be before a try; when the try began.
        self._paid, self._hold = 0, 0.0
        self._growth: Opening | None = None
        #: Calls that the gate cost while it was closed; zero where that was but a moment.
        self._price = 0.0
        self._calm_until = 0.0
        #: Seconds that an answer takes; None before the first.
        self._latency: float | None = None
        self._hint: float | None = None
        #: Whether Retry-After counts down, or is the same whenever it comes; None until it came twice.
        self._counts_down: bool | None = None
        #: For how many seconds the gate was closed at first, and the latest moment that was named.
        self._told = self._ends = 0.0
        self._window: Window | None = None

    def __repr__(self) -> str:
        return f"<Pacer rate={self.rate} epoch={self._epoch} gate={self._gate:.3f} refused={self.throttled_count}>"

    @property
    def rate(self) -> float | None:
        """Writes a second at present; None while nothing limits them."""
        if self._quota is None:
            return self._ceiling
        return self._limited(self._pace if self._window is None else self._quota)

    @property
    def quota(self) -> float | None:
        """The quota that was measured, in writes a second; None before the first refusals."""
        return self._quota

    @property
    def learned(self) -> Learned | None:
        """What the next run may begin with; None where nothing was refused."""
        if self._quota is None or self._diary.first is None:
            return self._earlier
        return Learned(self._quota, self._diary.first.accepted, self._hold)

    def opens_at(self) -> float:
        """When the next write may leave."""
        return max(self._gate, self._slot)

    def sent(self, now: float) -> Stamp:
        """Note a write that leaves; hand the stamp back with its answer."""
        if self._opening is None:
            self._opening = Opening(now, 0)
        if self._is_closed:
            self._reopen(now)
        self._number += 1
        self._departures.append(now)
        earlier = self._earlier
        if self._quota is None and earlier is not None and self._number >= _MOST_OF * earlier.allowance:
            self._rely_on(earlier)
        self._slot = self._next_slot(now, self._opening)
        return Stamp(self._number, now, self._epoch)

    def accepted(self, now: float, stamp: Stamp) -> None:
        """Note an answer that was no 429."""
        self._paid += 1
        took = max(now - stamp.at, _SHORTEST)
        self._latency = took if self._latency is None else 0.9 * self._latency + 0.1 * took
        self._diary.note(stamp)
        if stamp.epoch == self._epoch and not self._is_closed:
            self._knocks, self._scouts = 0, False
            if now >= self._calm_until:
                self._grow(now, stamp)

    def near_limit(self, now: float) -> None:
        """Note that the service says it is near its limit (`x-ms-throttle-limit-percentage`): stop growing a while."""
        self._calm_until = now + _CALM

    def throttled(self, now: float, retry_after: float | None, stamp: Stamp) -> None:
        """Note a 429: close the gate. `retry_after` is in seconds, None where the service did not say."""
        self.throttled_count += 1
        wait = self._wait(now, retry_after)
        self._gate = max(self._gate, now + wait)
        if stamp.epoch != self._epoch:
            self._ends = max(self._ends, stamp.at + wait)
            self._note_straggler(stamp)
            return
        self._epoch += 1
        self._knocks += 1
        self._is_closed = True
        # From here on it is the gate that counts, not a window's rhythm.
        self._slot = min(self._slot, now + self._least_gap())
        if self._knocks > 1:
            self._scouts = True
            return
        if self._hint is not None or retry_after is None:
            self._counts_down = retry_after is not None and (retry_after < _AT_ONCE or retry_after != self._hint)
        self._hint = retry_after
        self._told, self._ends = wait, stamp.at + wait
        self._note_burst(now, stamp)

    def _wait(self, now: float, retry_after: float | None) -> float:
        """Say how long to wait: what the service says, longer where that is nothing or proves too short."""
        lasted = now - self._diary.bursts[-1].at if self._knocks else 0.0
        if retry_after is None:
            return min(max(_FIRST_WAIT, _SHARE_UNTOLD * lasted), _LONGEST_WAIT)
        return max(retry_after, min(_SHARE_TOLD * lasted, _LONGEST_WAIT))

    def _note_burst(self, now: float, stamp: Stamp) -> None:
        flying = self._number - stamp.number
        pace = max(min(self._pace, flying / max(now - stamp.at, _SHORTEST)), _SLOWEST)
        self._diary.bursts.append(Burst(stamp.at, stamp.number, self.throttled_count - 1, pace, now))
        if self._diary.first is None and self._opening is not None:
            self._diary.first = Stretch(stamp.number - 1, stamp.at - self._opening.at)
        if flying > _BURST:
            # Calls sent before the last refusal is back would be taken for part of the burst.
            self._gate = max(self._gate, now + _BURST_ANSWERS * (self._latency or 0.0))

    def _note_straggler(self, stamp: Stamp) -> None:
        """Answers overtake one another: the first refusal to come back need not be of the first call refused."""
        burst = self._diary.bursts[-1]
        if self._is_closed and self._knocks == 1 and stamp.number < burst.number:
            burst.number, burst.at = stamp.number, stamp.at

    def _reopen(self, now: float) -> None:
        """Learn from the refusals, at the first departure after them."""
        self._is_closed = False
        opening, self._opening = self._opening, Opening(now, self._number)
        burst = self._diary.bursts[-1]
        burst.closed = now - burst.at
        for _ in range(min(self._number - burst.number + 1, len(self._departures))):
            self._departures.pop()
        if self._knocks > 1 or opening is None:
            return
        growth, self._growth = self._growth, None
        paid, self._paid = self._paid, 0
        self._scouts = self._told >= LONG and not self._counts_down
        findings = Findings(self._diary, self._quota, opening, growth, self._told, self._counts_down)
        if len(self._diary.bursts) == 1:
            self._begin(findings)
        else:
            self._learn(findings, paid)

    def _begin(self, findings: Findings) -> None:
        """Go on after the first refusals, which say what was there to begin with but hardly what comes in."""
        burst = findings.burst
        if self._quota is not None:
            return
        if self._earlier is not None:
            self._rely_on(self._earlier)
        elif burst.passed > _FEW:
            self._quota, self._hold = burst.passing, burst.passed
            self._pace = _FIRST_SHARE * self._quota
        else:
            self._pace = _SCOUTING
            if self._told >= LONG and self._counts_down is not False:
                self._window = Window(findings.accepted, self._ends - findings.opening.at)

    def _rely_on(self, learned: Learned) -> None:
        self._quota, self._hold = max(learned.rate, _SLOWEST), learned.trust
        self._pace = self._quota * (1 - _CAUTION)

    def _learn(self, findings: Findings, paid: int) -> None:
        """Measure the quota, and decide at what pace to go on for how long."""
        closed, believed = findings.burst.closed, self._quota
        rate, measured_by = estimate(findings)
        quota = self._quota = max(rate, _SMALLEST_QUOTA)
        has_changed = believed is not None and abs(quota / believed - 1) >= SAME
        self._hold = (_TRUST_OF_CHANGE if has_changed else _TRUST) * min(measured_by, paid) + 3
        self._hold = min(self._hold, _LONGEST_HOLD)
        self._price = quota * closed if closed > 1 else 0.0
        if believed is not None and not has_changed:
            self._hold = max(self._hold, _PRICES * self._price)
        self._window = window(findings, self._window)
        self._pace = quota * (1 - _CAUTION) if self._window is None else _SCOUTING

    def _next_slot(self, now: float, opening: Opening) -> float:
        """Say when the next write leaves, if the gate is open."""
        known = self._window
        if known is None:
            return self._paced(now)
        sent, ends = self._number - opening.number, opening.at + known.period
        if sent >= known.allowance:
            if self._paid < self._hold and ends > now:
                self._opening = Opening(ends, self._number)
                return max(self._paced(now), ends)
            if sent == known.allowance:
                self._pace = _SCOUTING
            return self._paced(now)
        gap = self._paced(now) if self._scouts else now + self._least_gap()
        if len(self._departures) < known.allowance:
            return gap
        return max(gap, self._departures[-known.allowance] + known.period)

    def _paced(self, now: float) -> float:
        pace = min(self._pace, _SCOUTING) if self._scouts else self._pace
        if self._quota is None and self._ceiling is None and pace >= _UNPACED:
            return now
        return now + 1 / self._limited(pace)

    def _grow(self, now: float, stamp: Stamp) -> None:
        """Grow by an accepted answer, once enough of them have paid for it."""
        if self._window is not None:
            if self._is_beyond(self._window, stamp):
                self._pace += _SCOUTING_GROWTH / (self._latency or 1.0)
        elif self._quota is None:
            self._pace += _START_GROWTH
        elif self._paid >= self._hold:
            if self._growth is None:
                self._growth = Opening(now, self._number)
            share = min(max(_ADDED / self._pace**2, _SHARE), _LARGEST_STEP)
            self._pace *= 1 + (min(share, _NEAR / self._price) if self._price > _DEAR else share)

    def _is_beyond(self, known: Window, stamp: Stamp) -> bool:
        """Only calls beyond what a window is known to take say that there is more."""
        first = self._opening.number if self._opening else 0
        return stamp.number - first > (known.allowance if self._number - first >= known.allowance else 0)

    def _least_gap(self) -> float:
        return 0.0 if self._ceiling is None else 1 / max(self._ceiling, _SLOWEST)

    def _limited(self, pace: float) -> float:
        pace = max(pace, _SLOWEST)
        return pace if self._ceiling is None else min(pace, self._ceiling)
