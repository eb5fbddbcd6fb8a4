"""Servers that throttle, and what a client makes of them, in virtual time: what a pacer is measured by.

A run is a heap of events without an event loop, so that ten thousand resets take a tenth of a second. A client is
driven as the turnstile drives a pacer: first in, first out, one reservation outstanding, another look after each sleep.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Protocol

WORKERS = 32
#: A call's duration is lognormal: its median in seconds, and the deviation of its logarithm.
MEDIAN, SIGMA = 0.35, 0.35
#: A run that takes so many times as long as it should, and so many seconds, is broken off.
PATIENCE, AT_LEAST = 40.0, 3600.0
#: What the client's clock says when a run begins: not 0, so that nobody takes the beginning for "never".
BEGINNING = 1000.0
_ROUNDING = 1e-9


class Kind(Enum):
    """How a server counts."""

    BUCKET = "bucket"
    FIXED = "fixed window"
    SLIDING = "sliding window"


class Hint(Enum):
    """What Retry-After says, where it is no constant."""

    EXACT = "exact"
    ROUNDED_UP = "rounded up"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A server's quota, and the resets to be made there.

    A bucket holds `depth` calls, full at first, and refills by `rate` a second. A window lasts `window` seconds and
    admits `rate * window` calls. `hint` is a `Hint` or a constant in seconds. `changes` are pairs of a moment, as a
    share of the time that a clairvoyant client takes, and the rate from then on.
    """

    name: str
    kind: Kind = Kind.BUCKET
    rate: float
    depth: float = 1.0
    window: float = 10.0
    hint: Hint | float = Hint.EXACT
    charges_refused: bool = False
    changes: tuple[tuple[float, float], ...] = ()
    resets: int = 10_000


class Server:
    """A server at work, in a run of which a clairvoyant client would take `duration` seconds. It begins at 0."""

    def __init__(self, terms: Terms, duration: float) -> None:
        self.terms = terms
        self._rates = [(0.0, terms.rate), *((share * duration, rate) for share, rate in terms.changes)]
        self._at = 0.0
        self._tokens = terms.depth
        self._window, self._count = -1, 0
        self._spent: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until a call would be admitted, 0 where it would be at once."""
        match self.terms.kind:
            case Kind.BUCKET:
                self._refill(now)
                missing = 1 - self._tokens
                return missing / self._rate(now) if missing > _ROUNDING else 0.0
            case Kind.FIXED:
                window = math.floor(now / self.terms.window + _ROUNDING)
                if window != self._window:
                    self._window, self._count = window, 0
                is_full = self._count + 1 > self._allowance(window * self.terms.window) + _ROUNDING
                return (window + 1) * self.terms.window - now if is_full else 0.0
            case Kind.SLIDING:
                while self._spent and self._spent[0] <= now - self.terms.window + _ROUNDING:
                    self._spent.popleft()
                over = math.ceil(len(self._spent) + 1 - self._allowance(now) - _ROUNDING)
                return self._spent[over - 1] + self.terms.window - now if over > 0 else 0.0

    def spend(self, now: float) -> None:
        """Count a call."""
        self._tokens -= 1
        self._count += 1
        self._spent.append(now)

    def ask(self, now: float) -> tuple[bool, float | None]:
        """Admit a call, or refuse it with a Retry-After in seconds."""
        wait = self.wait(now)
        if wait <= 0:
            self.spend(now)
            return True, None
        if self.terms.charges_refused:
            self.spend(now)
            wait = self.wait(now)
        match self.terms.hint:
            case Hint.EXACT:
                return False, wait
            case Hint.ROUNDED_UP:
                return False, float(math.ceil(wait))
            case Hint.ABSENT:
                return False, None
            case seconds:
                return False, seconds

    def _rate(self, now: float) -> float:
        return next(rate for since, rate in reversed(self._rates) if since <= now + _ROUNDING)

    def _allowance(self, now: float) -> float:
        return max(1.0, self._rate(now) * self.terms.window)

    def _refill(self, now: float) -> None:
        ends = [since for since, _ in self._rates[1:]]
        for (since, rate), end in zip(self._rates, [*ends, math.inf], strict=True):
            if since <= now and end > self._at:
                self._tokens += rate * max(0.0, min(now, end) - max(self._at, since))
                self._tokens = min(self._tokens, max(self.terms.depth, 1.0))
        self._at = max(self._at, now)


class Client(Protocol):
    """What decides when to send: a `Pacer`, or one that is worse."""

    def opens_at(self) -> float: ...
    def sent(self, now: float) -> Any: ...
    def accepted(self, now: float, stamp: Any) -> None: ...
    def throttled(self, now: float, retry_after: float | None, stamp: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went. `ideal` is the seconds that a clairvoyant client takes."""

    terms: Terms
    seconds: float
    ideal: float
    sent: int
    refused: int
    done: int

    @property
    def efficiency(self) -> float:
        return self.ideal / self.seconds

    @property
    def waste(self) -> float:
        return self.refused / self.sent

    @property
    def is_over(self) -> bool:
        """Whether it came to an end before patience did."""
        return self.seconds <= PATIENCE * self.ideal + AT_LEAST

    @property
    def lost(self) -> int:
        return self.terms.resets - self.done


@cache
def clairvoyant(terms: Terms, seed: int = 0, decides_after: float = 0.0) -> float:
    """Seconds for a client of as many workers whose every call comes just when it is admitted.

    The moments of changes are shares of the very time that is sought, so it is narrowed down.
    """
    if not terms.changes:
        return _clairvoyant(terms, 0.0, seed, decides_after)
    low, high = 0.0, 5 * terms.resets / min(terms.rate, *(rate for _, rate in terms.changes))
    while high - low > 0.002 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _clairvoyant(terms, middle, seed, decides_after) > middle else (low, middle)
    return high


def _clairvoyant(terms: Terms, duration: float, seed: int, decides_after: float) -> float:
    server, durations = Server(terms, duration), _Durations(seed)
    calls = [durations.draw() for _ in range(min(WORKERS, terms.resets))]
    arrivals = [(decides_after * call, call) for call in calls]
    heapq.heapify(arrivals)
    now = end = 0.0
    for number in range(terms.resets):
        arrival, call = arrivals[0]
        now = max(now, arrival)
        while (wait := server.wait(now)) > 0:
            now += wait
        server.spend(now)
        answered = now + (1 - decides_after) * call
        end = max(end, answered)
        if number + len(arrivals) < terms.resets:
            call = durations.draw()
            heapq.heapreplace(arrivals, (answered + decides_after * call, call))
        else:
            heapq.heappop(arrivals)
    return end


class _Durations:
    """How long calls take, in seconds."""

    def __init__(self, seed: int) -> None:
        self._normal = random.Random(seed).gauss

    def draw(self) -> float:
        return MEDIAN * math.exp(SIGMA * self._normal(0, 1))


class _Event(Enum):
    LOOK = 0
    ARRIVAL = 1
    ANSWER = 2
    BACK = 3


class Run:
    """A client's run against a server, an event at a time.

    `decides_after` is the share of a call's duration after which the server decides. A client with `sleeps_alone`
    has each worker sleep its own Retry-After before it queues again.
    """

    def __init__(self, client: Client, terms: Terms, seed: int = 0, decides_after: float = 0.0) -> None:
        self.ideal = clairvoyant(terms, seed, decides_after)
        self._client, self._terms, self._decides_after = client, terms, decides_after
        self._server, self._durations = Server(terms, self.ideal), _Durations(seed + 1)
        self._events: list[tuple[float, int, _Event, Any]] = []
        self._numbers = 0
        self._queue = min(WORKERS, terms.resets)
        self._unsent = terms.resets - self._queue
        self._is_asleep = False
        self._sent = self._refused = self._done = 0

    def finish(self) -> Outcome:
        """Go on until all resets are done, or patience ends."""
        now = 0.0
        self._let_through(now)
        while self._done < self._terms.resets and now <= PATIENCE * self.ideal + AT_LEAST:
            now, _, event, data = heapq.heappop(self._events)
            self._happen(now, event, data)
            self._let_through(now)
        return Outcome(self._terms, now, self.ideal, self._sent, self._refused, self._done)

    def _happen(self, now: float, event: _Event, data: Any) -> None:
        match event:
            case _Event.LOOK:
                self._is_asleep = False
            case _Event.ARRIVAL:
                stamp, rest = data
                self._plan(now + rest, _Event.ANSWER, (stamp, *self._server.ask(now)))
            case _Event.ANSWER:
                self._answer(now, *data)
            case _Event.BACK:
                self._queue += 1

    def _answer(self, now: float, stamp: Any, is_accepted: bool, hint: float | None) -> None:  # noqa: FBT001  a call's answer
        if is_accepted:
            self._client.accepted(BEGINNING + now, stamp)
            self._done += 1
            self._queue += self._unsent > 0
            self._unsent -= self._unsent > 0
            return
        self._refused += 1
        self._client.throttled(BEGINNING + now, hint, stamp)
        if getattr(self._client, "sleeps_alone", False):
            self._plan(now + (1.0 if hint is None else hint), _Event.BACK)
        else:
            self._queue += 1

    def _let_through(self, now: float) -> None:
        """Let those in the queue leave, as the turnstile does."""
        while self._queue and not self._is_asleep:
            opens_at = self._client.opens_at() - BEGINNING
            if opens_at > now:
                self._is_asleep = True
                self._plan(opens_at, _Event.LOOK)
                return
            self._queue -= 1
            self._sent += 1
            stamp, call = self._client.sent(BEGINNING + now), self._durations.draw()
            rest = (1 - self._decides_after) * call
            self._plan(now + self._decides_after * call, _Event.ARRIVAL, (stamp, rest))

    def _plan(self, at: float, event: _Event, data: Any = None) -> None:
        self._numbers += 1
        heapq.heappush(self._events, (at, self._numbers, event, data))


def simulate(client: Client, terms: Terms, seed: int = 0, decides_after: float = 0.0) -> Outcome:
    """Carry out a run."""
    return Run(client, terms, seed, decides_after).finish()
