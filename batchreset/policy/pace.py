"""How fast may we send: a quota that is not published, learned from the answers.

The pacer is pure: every method takes `now`, seconds of any monotonic clock. It starts fast, since most cohorts fit
into what a tenant at rest has saved up. From the first 429 on it paces just under the quota it has measured, and
tries more when enough calls were accepted to pay for the refusal that may bring: sooner after a quota that changed,
later the surer and the dearer. Where Retry-After counts down to a moment at which everything may be sent again, calls
go out in bursts of the measured size.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchreset.policy.evidence import Burst, Diary, Findings, Learned, Opening, Stamp, Stretch, estimate

__all__ = ["Learned", "Pacer", "Stamp"]

#: Writes a second to begin with, and what each accepted answer adds to the writes under way.
_START, _START_GROWTH = 50.0, 0.7
#: Writes a second from which on nobody waits, while no quota is known: timers are coarser than that.
_UNPACED = 1000.0
#: Writes a second at which a gate is tried that may be closed still, and at which a burst of known size begins.
_SCOUTING, _REPLAYING = 2.5, 33.0
#: Under the measured quota by this share; by more where little was measured. And the slowest pace, writes a second.
_CAUTION, _MOST_CAUTION, _SLOWEST = 0.01, 0.1, 0.05
#: Accepted calls that pay for a try above the quota: so many times those it was measured by, and never more than.
_TRUST, _TRUST_OF_CHANGE, _LONGEST_HOLD = 2.0, 0.5, 1000
#: The same, in calls that a closed gate cost.
_PRICES = 8.0
#: Growth per accepted call: at first a hundredth, more with each call, until the pace grows by so many writes a
#: second in each second, or by such a share with each call.
_FIRST_STEP, _STEP_GROWTH, _ADDED, _SHARE, _LARGEST_STEP = 0.01, 1.25, 2.0, 0.004, 0.3
#: Where a closed gate costs many calls: the share of growth that so many calls may bring.
_DEAR, _NEAR = 20.0, 0.25
#: A quota nearer than this to the last one has not changed.
_SAME = 0.15
#: Seconds: a gate closed for longer is no bucket's that says when its next token comes.
_LONG = 2.2
#: Without Retry-After, or when it proves too short: wait at least so long, and such a share of the time it has lasted.
_FIRST_WAIT, _LONGEST_WAIT, _SHARE_UNTOLD, _SHARE_TOLD = 0.5, 60.0, 0.5, 0.15
#: Refusals soon after a gate opened are echoes of the burst that closed it: at most so many in a row, of so few calls.
_ECHOES, _ECHO_CALLS, _ECHO_SECONDS = 2, 6, 2.0
#: A service that is near its limit says so; the pace does not grow for so many seconds then.
_CALM = 30.0
#: The smallest allowance worth a burst, and the longest burst, in times that the gate was closed before.
_SMALLEST_BURST, _LONGEST_BURST, _MOMENT = 5, 4.0, 0.5
#: A Retry-After shorter than this many seconds is no constant worth the name. The shortest answer, in seconds.
_AT_ONCE, _SHORTEST = 0.9, 1e-3
#: What refusals that came with acceptances tell at first is taken at this share; the least quota, writes a second.
_FIRST_CAUTION, _SMALLEST_QUOTA = 0.8, 0.1
#: A burst known from an earlier run ends at this share of what was accepted then.
_MOST_OF = 0.95


@dataclass(slots=True)
class _Replay:
    """A burst after a gate that says when everything may be sent again. `period` is in seconds, None while unknown."""

    allowance: int
    period: float | None = None


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
        self._opening: Opening | None = None
        self._is_closed = self._scouts = False
        #: Times that the gate was found closed, one after the other.
        self._knocks = 0
        #: Calls accepted since the last refusal; those that have to be before the pace grows; when it began to.
        self._paid, self._hold = 0, 0.0
        self._growth: Opening | None = None
        #: Calls that the gate cost while it was closed; zero where that was but a moment.
        self._price = 0.0
        self._echoes = 0
        self._calm_until = 0.0
        #: Seconds that an answer takes; None before the first.
        self._latency: float | None = None
        self._hint: float | None = None
        #: Whether Retry-After counts down, or is the same whenever it comes; None until it came twice.
        self._counts_down: bool | None = None
        #: How long the gate was closed for at first, in seconds.
        self._told = 0.0
        self._replay: _Replay | None = None
        self._period: float | None = None
        self._slides = False

    def __repr__(self) -> str:
        return f"<Pacer rate={self.rate} epoch={self._epoch} gate={self._gate:.3f} refused={self.throttled_count}>"

    @property
    def rate(self) -> float | None:
        """Writes a second at present; None while nothing limits them."""
        if self._quota is None:
            return self._ceiling
        return self._limited(self._pace)

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
        self._keep_to_allowance(now)
        pace = min(self._pace, _SCOUTING) if self._scouts else self._pace
        is_unpaced = self._quota is None and self._ceiling is None and pace >= _UNPACED
        self._slot = now if is_unpaced else now + 1 / self._limited(pace)
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
        is_first = stamp.epoch == self._epoch
        wait = self._wait(now, retry_after)
        self._gate = max(self._gate, now + wait)
        if not is_first:
            self._note_straggler(stamp)
            return
        self._epoch += 1
        self._knocks += 1
        self._is_closed = True
        if self._knocks > 1:
            self._scouts = True
            return
        self._counts_down = self._whether_counting_down(retry_after)
        self._hint = retry_after
        self._told = wait
        self._note_burst(now, stamp)

    def _wait(self, now: float, retry_after: float | None) -> float:
        """Say how long to wait: what the service says, longer where that is nothing or proves too short."""
        lasted = now - self._diary.bursts[-1].at if self._knocks else 0.0
        if retry_after is None:
            return min(max(_FIRST_WAIT, _SHARE_UNTOLD * lasted), _LONGEST_WAIT)
        return max(retry_after, min(_SHARE_TOLD * lasted, _LONGEST_WAIT))

    def _whether_counting_down(self, retry_after: float | None) -> bool | None:
        if retry_after is None:
            return False
        if self._hint is None:
            return self._counts_down
        return retry_after < _AT_ONCE or retry_after != self._hint

    def _note_burst(self, now: float, stamp: Stamp) -> None:
        flying = self._number - stamp.number
        pace = max(min(self._pace, flying / max(now - stamp.at, 1e-3)), _SLOWEST)
        self._diary.bursts.append(Burst(stamp.at, stamp.number, self.throttled_count - 1, pace, flying, now))
        if self._diary.first is None and self._opening is not None:
            self._diary.first = Stretch(stamp.number - 1, stamp.at - self._opening.at)
        if flying > _ECHO_CALLS:
            # More refusals are on their way; they would find calls sent meanwhile among them.
            self._gate = max(self._gate, now + 1.2 * (self._latency or 0.0))

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
        if self._knocks > 1 or opening is None:
            return
        growth, self._growth = self._growth, None
        findings = Findings(self._diary, self._quota, opening, growth, self._counts_down is not False, self._period)
        replay, self._replay = self._replay, None
        paid, self._paid = self._paid, 0
        self._scouts = self._told >= _LONG and not self._counts_down
        if len(self._diary.bursts) == 1:
            self._begin(findings)
        else:
            self._learn(findings, replay, paid)

    def _begin(self, findings: Findings) -> None:
        """Go on after the first refusals, which say what was there to begin with but hardly what comes in."""
        burst = findings.burst
        if self._quota is None and self._earlier is not None:
            self._rely_on(self._earlier)
        elif self._quota is None and burst.passed > _ECHOES:
            self._quota = burst.passing
            self._pace, self._hold = _FIRST_CAUTION * self._quota, burst.passed
        elif self._quota is None and self._told >= _LONG and self._counts_down is not False:
            self._repeat(_Replay(findings.accepted))
        elif self._quota is None:
            self._pace = _SCOUTING

    def _rely_on(self, learned: Learned) -> None:
        self._quota, self._hold = max(learned.rate, _SLOWEST), learned.trust
        self._pace = self._quota * (1 - _CAUTION)

    def _learn(self, findings: Findings, replay: _Replay | None, paid: int) -> None:
        """Measure the quota, and decide at what pace to go on for how long."""
        burst, believed = findings.burst, self._quota
        rate, measured_by = estimate(findings)
        if replay is not None and replay.period is not None and findings.accepted < replay.allowance / 2:
            # What was sent at once comes back as it was sent, not at once.
            self._slides = True
            rate = max(rate, replay.allowance / replay.period)
        is_soon = paid < _ECHO_CALLS and findings.busy < _ECHO_SECONDS and burst.flying < _ECHO_CALLS
        is_echo = believed is not None and is_soon and self._echoes < _ECHOES
        if believed is not None and is_echo:
            self._echoes += 1
            quota = believed
            self._gate = max(self._gate, burst.at + burst.closed + 2 / quota)
        else:
            self._echoes = 0
            quota = max(rate, _SMALLEST_QUOTA)
            is_same = believed is None or abs(quota / believed - 1) < _SAME
            trust = _TRUST if is_same else _TRUST_OF_CHANGE
            self._hold = min(_LONGEST_HOLD, trust * min(measured_by, paid) + 3)
        self._quota = quota
        self._pace = quota * (1 - max(_CAUTION, min(_MOST_CAUTION, 1 / (measured_by + 1))))
        self._price = quota * burst.closed if burst.closed > 1 else 0.0
        if believed is not None and abs(quota / believed - 1) < _SAME:
            self._hold = max(self._hold, min(4 * measured_by, _PRICES * self._price))
        elif self._counts_down is False and believed is not None and quota > believed:
            self._hold = min(self._hold, self._price)
        if self._is_window(findings, replay):
            period = burst.at + burst.closed - findings.opening.at
            self._period = period
            self._repeat(_Replay(findings.accepted, period))

    def _is_window(self, findings: Findings, replay: _Replay | None) -> bool:
        """Say whether as much was accepted at once as the last time, up to a moment that the service names."""
        closed = findings.burst.closed
        return (
            self._counts_down is True
            and not self._slides
            and (self._told >= _LONG or (replay is not None and closed > _MOMENT))
            and findings.busy <= _LONGEST_BURST * closed
            and findings.burst.passed <= 1
            and findings.accepted >= max(_SMALLEST_BURST, 0.8 * replay.allowance if replay else 0)
        )

    def _repeat(self, replay: _Replay) -> None:
        self._replay = replay
        self._pace = max(_SCOUTING, min(_REPLAYING, replay.allowance))

    def _keep_to_allowance(self, now: float) -> None:
        """When a burst has its size: wait for the next one, or see whether more is to be had by now."""
        replay, opening = self._replay, self._opening
        if self._quota is None and self._earlier is not None and self._number >= _MOST_OF * self._earlier.allowance:
            self._rely_on(self._earlier)
        if replay is None or opening is None or self._number - opening.number < replay.allowance:
            return
        after = opening.at + replay.period if replay.period is not None else now
        if self._paid < self._hold and after > now:
            self._gate = max(self._gate, after)
            self._opening = Opening(after, self._number)
            self._repeat(replay)
        elif self._number - opening.number == replay.allowance:
            self._pace = _SCOUTING

    def _grow(self, now: float, stamp: Stamp) -> None:
        """Grow by an accepted answer, once enough of them have paid for it."""
        if self._replay is not None or self._quota is None:
            if self._is_of_present_burst(stamp):
                self._pace += _START_GROWTH / (self._latency or 1.0)
            return
        if self._paid < self._hold:
            return
        if self._growth is None:
            self._growth = Opening(now, self._number)
        share = min(max(_ADDED / self._pace**2, _SHARE), _LARGEST_STEP)
        share = min(share, _FIRST_STEP * _STEP_GROWTH ** min(self._paid - self._hold, 40))
        if self._price > _DEAR:
            share = min(share, _NEAR / self._price)
        self._pace *= 1 + share

    def _is_of_present_burst(self, stamp: Stamp) -> bool:
        """Of a burst that has its size, only calls beyond it say that there is more."""
        if self._replay is None or self._opening is None:
            return True
        size = self._replay.allowance if self._number - self._opening.number >= self._replay.allowance else 0
        return stamp.number - self._opening.number > size

    def _limited(self, pace: float) -> float:
        pace = max(pace, _SLOWEST)
        return pace if self._ceiling is None else min(pace, self._ceiling)
