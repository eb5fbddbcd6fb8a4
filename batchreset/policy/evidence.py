"""What refusals tell about a quota: the measurements a pacer makes, each from the times of calls and refusals alone.

Between two moments at which a service has nothing left to give, it gives what its quota refills. So two refusals
measure a rate, if nothing ran over in between while the gate was closed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import NamedTuple

#: Seconds: a gate closed for longer is no bucket's that says when its next token comes.
LONG = 2.2
#: A quota nearer than this to the last one has not changed, nor has a window's period.
SAME = 0.15
#: The smallest allowance that is taken for a window's, and the longest it takes to spend, in times it was closed.
_SMALLEST_WINDOW, _LONGEST_SPENDING = 5, 4.0
#: Seconds after which half the trust in what an earlier run learned is left.
_HALF_LIFE = 86_400.0
#: Refusals that are looked back on, and accepted calls.
_REMEMBERED, _DIARY = 6, 4000
#: Calls accepted between two refusals, for the stretch between them to measure anything.
_ENOUGH = 6
#: A bucket of the right rate is this near to empty when it refuses.
_EMPTY = 0.9
#: A gate was open long enough to measure by, in times that it was closed before.
_MEASURES = 1.5
#: At most this is taken off the believed quota where the measurement may be too low by any amount.
_WORST_FALL = 0.7
#: Where a quota is measured by the pace that hit it: keep under that, and under so many times the mean pace.
_CAREFUL, _FURTHEST, _BEYOND = 0.97, 1.6, 1.3
#: A share of the believed quota; what is measured below contradicts that a bucket is at work.
_LASTING = 0.95
#: The resolution of the search for a rate.
_STEP = 1.03
#: Seconds of growth that are too short to measure by.
_MOMENT = 0.5


class Stamp(NamedTuple):
    """A call as it left: its number in the run, when (seconds), and the epoch, which ends with a burst of refusals."""

    number: int
    at: float
    epoch: int


@dataclass(frozen=True, slots=True)
class Learned:
    """What a run learned of a quota, for the next one.

    `rate` is in writes a second, `allowance` is how many were accepted at once from rest, and `trust` how many
    accepted calls the rate is to be relied on before more is tried.
    """

    rate: float
    allowance: int
    trust: float

    def aged(self, seconds: float) -> Learned:
        """Return what is left of it after `seconds`."""
        return replace(self, trust=self.trust * 0.5 ** (max(seconds, 0.0) / _HALF_LIFE))


class Window(NamedTuple):
    """So many calls in so many seconds."""

    allowance: int
    period: float


@dataclass(slots=True)
class Opening:
    """A moment from which calls are counted: the gate opens, or growth begins."""

    at: float
    number: int


@dataclass(slots=True)
class Burst:
    """Refusals that came together. `at` and `number` are of the earliest call among them."""

    at: float
    number: int
    #: Refusals of the run before these.
    refused_before: int
    #: Calls a second that were leaving.
    pace: float
    #: When the last of them had left.
    last_sent: float
    #: How many of them were accepted all the same.
    passed: int = 0
    #: Seconds from the refusal to the gate's opening.
    closed: float = 0.0

    @property
    def passing(self) -> float:
        """Calls a second that were accepted while others were refused."""
        return self.passed / max(self.last_sent - self.at, 1e-3)


class Stretch(NamedTuple):
    """Calls accepted between two refusals, and the seconds between them."""

    accepted: int
    seconds: float

    @property
    def rate(self) -> float:
        """Calls a second."""
        return max(self.accepted, 0.5) / max(self.seconds, 1e-3)


@dataclass(slots=True)
class Diary:
    """The calls that were accepted lately, and the bursts of refusals."""

    accepted: deque[float] = field(default_factory=lambda: deque(maxlen=_DIARY))
    bursts: deque[Burst] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    #: Calls accepted before the run's first refusal: what there was to begin with, and what came in meanwhile.
    first: Stretch | None = None

    def note(self, stamp: Stamp) -> None:
        """Note an accepted call."""
        self.accepted.append(stamp.at)
        if self.bursts and stamp.number > self.bursts[-1].number:
            self.bursts[-1].passed += 1

    def since_earlier_refusal(self) -> Stretch:
        """Measure back from the last burst to one that is far enough away.

        Far enough is as long as a gate was closed lately: what is shorter shows a window's inside, not its rate.
        """
        *earlier, last = self.bursts
        least = 0.98 * max(burst.closed for burst in earlier)
        for burst in reversed(earlier):
            accepted = last.number - burst.number - (last.refused_before - burst.refused_before)
            stretch = Stretch(max(accepted, 0), last.at - burst.at)
            if stretch.seconds >= least and stretch.accepted >= _ENOUGH:
                break
        return stretch

    def recent_rate(self, at: float, seconds: float) -> float:
        """Say how many calls a second were accepted in the `seconds` before `at`."""
        count, oldest = 0, at
        for sent_at in reversed(self.accepted):
            if sent_at <= at - seconds:
                return count / seconds
            count, oldest = count + (sent_at <= at), min(oldest, sent_at)
        return count / (at - oldest) if len(self.accepted) == _DIARY and at > oldest else count / seconds

    def would_be_empty(self, rate: float, opened_at: float) -> bool:
        """Say whether a bucket that refills at `rate` would have been empty when it last refused.

        Its depth follows from the first refusal; while the gate was closed, before `opened_at`, it filled.
        """
        *_, before, last = self.bursts
        depth = self.first.accepted - rate * self.first.seconds if self.first else 0.0
        spent, then = max(0.0, depth - rate * before.closed), opened_at
        for sent_at in self.accepted:
            if opened_at <= sent_at <= last.at:
                spent = max(0.0, spent - rate * (sent_at - then)) + 1
                then = sent_at
        return spent >= _EMPTY * depth


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known when the gate opens again, to estimate the quota from. Rates are in calls a second."""

    diary: Diary
    #: The quota believed in so far.
    believed: float | None
    #: Since when calls went out, and since when ever faster, if they did.
    opening: Opening
    growth: Opening | None
    #: For how many seconds the gate was closed at first.
    told: float
    #: Whether Retry-After counts down to a moment, or is the same whenever it comes; None until it came twice.
    counts_down: bool | None

    @property
    def burst(self) -> Burst:
        """The refusals that closed the gate."""
        return self.diary.bursts[-1]

    @property
    def is_exact(self) -> bool:
        """Whether Retry-After may name a moment, so that no time is lost while the gate is closed."""
        return self.counts_down is not False

    @property
    def busy(self) -> float:
        """Seconds that the gate was open."""
        return max(self.burst.at - self.opening.at, 1e-3)

    @property
    def accepted(self) -> int:
        """Calls accepted while the gate was open."""
        return self.burst.number - self.opening.number - 1


def estimate(findings: Findings) -> tuple[float, int]:
    """Estimate the quota in calls a second, and say how many calls it was measured by."""
    stretch = findings.diary.since_earlier_refusal()
    if not findings.is_exact and findings.burst.closed > 1:
        return _between(findings, stretch.rate), stretch.accepted
    return _climbed(findings, stretch), stretch.accepted


def _between(findings: Findings, low: float) -> float:
    """Estimate where quota may have been lost while the gate was closed: at least `low`, at most the rate since."""
    burst, believed = findings.burst, findings.believed or 0.0
    high = max(low, min(findings.accepted / findings.busy, burst.pace))
    if findings.busy <= _MEASURES * burst.closed or findings.growth is None:
        return min(high, max(low, _WORST_FALL * believed))
    near = max(low, _CAREFUL * findings.diary.recent_rate(burst.at, max(2.0, burst.closed)))
    if low < _LASTING * believed:
        # No bucket: it would have given again what it gave before.
        return min(near, _FURTHEST * high)
    rate = low
    while rate < near and findings.diary.would_be_empty(rate * _STEP, findings.opening.at):
        rate *= _STEP
    return rate


def _climbed(findings: Findings, stretch: Stretch) -> float:
    """Estimate where the refusal came later than was believed: the quota rose meanwhile, and not long ago."""
    burst, growth, low = findings.burst, findings.growth, stretch.rate
    is_late = findings.believed is not None and low > findings.believed * (1 + max(0.02, 4 / max(stretch.accepted, 1)))
    if growth is None or not is_late or burst.at - growth.at <= _MOMENT:
        return low
    rate = max(low, (burst.number - growth.number) / (burst.at - growth.at))
    return min(_BEYOND * rate, rate + max(burst.pace - rate, 0.0) / 3)


def window(findings: Findings, known: Window | None) -> Window | None:
    """Tell a window from a bucket: all was accepted up to a moment, and the service names another for more.

    `known` is the window that calls were held to so far, if they were.
    """
    if findings.counts_down is not True:
        return None
    burst, accepted, busy = findings.burst, findings.accepted, findings.busy
    if known is not None and accepted >= known.allowance and busy <= known.period:
        return Window(accepted, known.period)
    if known is not None and findings.told < LONG:
        # All is as it was, but for calls that came a little too early.
        return Window(known.allowance, known.period + findings.told)
    is_one = accepted >= _SMALLEST_WINDOW and burst.passed <= 1 and busy <= _LONGEST_SPENDING * burst.closed
    if findings.told < LONG or not is_one:
        return None
    period = burst.at + burst.closed - findings.opening.at
    is_same = known is not None and abs(period / known.period - 1) < SAME
    return Window(accepted, known.period if known is not None and is_same else period)
