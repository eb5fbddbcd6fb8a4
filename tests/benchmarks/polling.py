"""How often operations are looked at until they end, and how late the end is noticed, in virtual time.

Run it as `python -m tests.benchmarks.polling`. Three rules look at the same operations: the one that learns, a fixed
ladder (1 second, half as long again each time, half a minute at most), and the learning one's own rule told the
durations beforehand. A delay is the time from an operation's end to the look that notices it, as a share of the
operation's duration. Figures are printed, never asserted.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from batchreset.model import Kind
from batchreset.policy.durations import FIRST_PATIENCE, PATIENCE, Durations
from batchreset.rehearsal.behaviour import Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

#: An operation that has not ended after so many seconds is given up.
DEADLINE = 600.0


class Rule(Protocol):
    """Says when to look next, and is told what the looks saw."""

    def next_wait(self, age: float, retry_after: float | None, jitter: float) -> float: ...
    def was_running(self, since: float, age: float) -> None: ...
    def had_ended(self, since: float, age: float) -> None: ...


class Unlearning:
    def was_running(self, since: float, age: float) -> None: ...
    def had_ended(self, since: float, age: float) -> None: ...


class Ladder(Unlearning):
    def next_wait(self, age: float, _retry_after: float | None, jitter: float) -> float:
        """Wait half the age and a second: that is half as long again with each look."""
        return min(1 + age / 2, 30.0) * (0.8 + 0.4 * jitter)


class Knowing(Unlearning):
    def __init__(self, durations: Iterable[float]) -> None:
        self._durations = sorted(durations)

    def next_wait(self, age: float, _retry_after: float | None, _jitter: float) -> float:
        ended = bisect_right(self._durations, age)
        still_running = len(self._durations) - ended
        if not still_running:
            return 300.0
        due = ended + int(still_running * -math.expm1(-(PATIENCE if age > 0 else FIRST_PATIENCE)))
        return max(min(self._durations[due] - age, 300.0), 0.5, age / 12)


@dataclass(frozen=True, slots=True)
class Operation:
    """Accepted at `start`; `duration` in seconds, infinite for one that never ends."""

    start: float
    duration: float
    kind: Kind = Kind.CLOUD


Draw: TypeAlias = "Callable[[random.Random, float], Operation]"


@dataclass(slots=True)
class Figures:
    """`delays` are shares of the duration, `waits` seconds from the end to the look that noticed it."""

    operations: int
    polls: int = 0
    delays: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    longest_gap: float = 0.0

    @property
    def polls_each(self) -> float:
        return self.polls / self.operations

    def delay(self, share: float = 0.5) -> float:
        return quantile(self.delays, share)

    def __str__(self) -> str:
        wait = quantile(self.waits, 0.5)
        return f"{self.polls_each:>6.2f} {self.delay():>7.0%} {self.delay(0.9):>7.0%} {wait:>6.1f}s"


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def follow(operations: Sequence[Operation], rules: Mapping[Kind, Rule], seed: int = 0, settled: float = 0.0) -> Figures:
    """Look at every operation until it has ended. What began before `settled` teaches, but is not counted."""
    rng = random.Random(seed)
    figures = Figures(sum(operation.start >= settled for operation in operations))
    due: list[tuple[float, int, float]] = []  # when, which, and the age at which it was last seen running
    for number, operation in enumerate(operations):
        heapq.heappush(due, (operation.start, number, 0.0))
    while due:
        now, number, since = heapq.heappop(due)
        operation = operations[number]
        rule, age, counts = rules[operation.kind], now - operation.start, operation.start >= settled
        if age > 0:
            figures.polls += counts
            if age >= operation.duration:
                rule.had_ended(since, age)
                if counts:
                    figures.waits.append(age - operation.duration)
                    figures.delays.append(figures.waits[-1] / operation.duration)
                continue
            rule.was_running(since, age)
            if age >= DEADLINE:
                continue
        wait = rule.next_wait(age, None, rng.random())
        figures.longest_gap = max(figures.longest_gap, wait)
        heapq.heappush(due, (now + wait, number, age))
    return figures


def pooled(several: Sequence[Figures]) -> Figures:
    """Put the figures of several runs together."""
    return Figures(
        sum(figures.operations for figures in several),
        sum(figures.polls for figures in several),
        [delay for figures in several for delay in figures.delays],
        [wait for figures in several for wait in figures.waits],
        max(figures.longest_gap for figures in several),
    )


def cohort(draw: Draw, count: int, rate: float = 20.0, seed: int = 0) -> list[Operation]:
    """Submit `count` operations at `rate` a second; `draw` is told how far the run has come, from 0 to 1."""
    rng = random.Random(seed)
    drawn = (draw(rng, number / count) for number in range(count))
    return [Operation(number / rate, each.duration, each.kind) for number, each in enumerate(drawn)]


def steady(spread: Spread, never: float = 0.0) -> Draw:
    """Durations of one spread, but for a share that `never` ends."""

    def draw(rng: random.Random, _progress: float) -> Operation:
        return Operation(0.0, math.inf if rng.random() < never else spread.draw(rng))

    return draw


def either(first: Spread, second: Spread, kind: Kind) -> Draw:
    """Three in five of the first spread, the others of the second, which are accounts of this kind."""

    def draw(rng: random.Random, _progress: float) -> Operation:
        is_first = rng.random() < 0.6
        return Operation(0.0, (first if is_first else second).draw(rng), Kind.CLOUD if is_first else kind)

    return draw


def turning(first: Spread, second: Spread) -> Draw:
    """Take the first spread until the middle of the run, then the second."""

    def draw(rng: random.Random, progress: float) -> Operation:
        return Operation(0.0, (first if progress < 0.5 else second).draw(rng))

    return draw


ORDINARY = steady(Spread(5.0, 0.6))
WRITEBACK = steady(Spread(180.0, 0.5))
INSTANT = steady(Spread(0.2, 0.5))
#: Operations, and how many of them are submitted a second.
SIZES = ((5, 20.0), (50, 20.0), (500, 20.0), (5000, 20.0), (5000, 1000.0))
TENANTS = {
    "median 5 s, sigma 0.6": ORDINARY,
    "always 3 s": steady(Spread(3.0, 0.02)),
    "wide: 10 s, sigma 1.2": steady(Spread(10.0, 1.2)),
    "writeback: 180 s": WRITEBACK,
    "instant: 0.2 s": INSTANT,
    "cloud 2 s, synchronised 40 s": either(Spread(2.0, 0.5), Spread(40.0, 0.4), Kind.SYNCHRONISED),
    "two kinds unknown: 2 s, 40 s": either(Spread(2.0, 0.5), Spread(40.0, 0.4), Kind.CLOUD),
    "slower in mid-run: 5 to 60 s": turning(Spread(5.0, 0.6), Spread(60.0, 0.6)),
    "faster in mid-run: 60 to 5 s": turning(Spread(60.0, 0.6), Spread(5.0, 0.6)),
    "3% never end": steady(Spread(5.0, 0.6), never=0.03),
}


def learning() -> dict[Kind, Rule]:
    return {kind: Durations() for kind in Kind}


def ladder() -> dict[Kind, Rule]:
    return dict.fromkeys(Kind, Ladder())


def knowing(operations: Sequence[Operation]) -> dict[Kind, Rule]:
    return {kind: Knowing(each.duration for each in operations if each.kind is kind) for kind in Kind}


def main() -> None:
    """Print the table."""
    heading = f"{'polls':>6} {'median':>7} {'90%':>7} {'median':>7}"
    print(f"{'':<46}{'learning':<33}{'fixed ladder':<33}{'told beforehand'}")
    print(f"{'tenant':<30}{'operations':>14}  " + "   ".join([heading] * 3))
    for name, draw in TENANTS.items():
        told = knowing(cohort(draw, 5000))
        for count, rate in SIZES if draw is ORDINARY else ((50, 20.0), (5000, 20.0)):
            cohorts = [cohort(draw, count, rate, seed) for seed in range(max(1, 2000 // count))]
            row = (
                pooled([follow(each, learning()) for each in cohorts]),
                pooled([follow(each, ladder()) for each in cohorts]),
                pooled([follow(each, told) for each in cohorts]),
            )
            print(f"{name:<30}{count:>6,} {rate:>5,.0f}/s  " + "   ".join(map(str, row)))


if __name__ == "__main__":
    main()
