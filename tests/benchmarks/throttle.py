"""How near a pacer comes to a client that knows the quota, and how little it is refused, beside simpler clients.

Run it as `python -m tests.benchmarks.throttle [RANDOM SERVERS]`. It runs in virtual time: the figures depend on
nothing but the code. Each is efficiency / waste: the time of a clairvoyant client of as many workers by the time
taken, and the share of the writes answered 429. Figures are printed, never asserted.
"""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, Any

from batchreset.policy.pace import Pacer
from tests.support.quotas import FALLING_AND_RISING, NAMED, SHORT_WINDOWS, SMALL_COHORTS, random_server
from tests.support.servers import Client, Outcome, Terms, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Alone:
    """Each call sleeps its own Retry-After; nobody tells anybody."""

    sleeps_alone = True

    def opens_at(self) -> float:
        return 0.0

    def sent(self, now: float) -> Any:
        return now

    def accepted(self, now: float, stamp: Any) -> None:
        """Learn nothing."""

    def throttled(self, now: float, retry_after: float | None, stamp: Any) -> None:
        """Learn nothing."""


class Gate(Alone):
    """All wait together, for the longest Retry-After that anybody was given."""

    sleeps_alone = False

    def __init__(self) -> None:
        self._gate = 0.0

    def opens_at(self) -> float:
        return self._gate

    def throttled(self, now: float, retry_after: float | None, stamp: Any) -> None:  # noqa: ARG002  a client's signature
        self._gate = max(self._gate, now + (1.0 if retry_after is None else retry_after))


class Aimd(Gate):
    """A gate and a rate that grows by one a second in each second, and is halved once for each burst of refusals."""

    def __init__(self) -> None:
        super().__init__()
        self._rate, self._slot, self._grown_at, self._halved_at = 5.0, 0.0, 0.0, 0.0

    def opens_at(self) -> float:
        return max(self._gate, self._slot)

    def sent(self, now: float) -> Any:
        self._slot = now + 1 / self._rate
        return now

    def accepted(self, now: float, stamp: Any) -> None:  # noqa: ARG002  a client's signature
        self._rate += min(max(now - self._grown_at, 0.0), 1.0)
        self._grown_at = now

    def throttled(self, now: float, retry_after: float | None, stamp: Any) -> None:
        super().throttled(now, retry_after, stamp)
        if stamp >= self._halved_at:
            self._rate, self._halved_at = max(self._rate / 2, 0.1), now


#: The simpler clients meet so many servers of each family.
ENOUGH = 20
CLIENTS: tuple[tuple[str, Callable[[], Client]], ...] = (
    ("each call alone", Alone),
    ("one gate", Gate),
    ("AIMD and gate", Aimd),
    ("batchreset", Pacer),
)


def told(outcome: Outcome) -> str:
    """Write an outcome as efficiency / waste."""
    return f"{outcome.efficiency:.2f}/{outcome.waste:.1%}"


def tenth(figures: Iterable[float]) -> float:
    """Return the tenth percentile."""
    ordered = sorted(figures)
    return ordered[len(ordered) // 10]


def summed_up(outcomes: Sequence[Outcome]) -> str:
    """Write what matters of many outcomes, in one line."""
    efficiencies = [outcome.efficiency for outcome in outcomes]
    short = [outcome.refused for outcome in outcomes if outcome.terms.resets < 2000]
    long = [outcome.waste for outcome in outcomes if outcome.terms.resets >= 2000]
    return (
        f"efficiency median {statistics.median(efficiencies):.2f}, tenth {tenth(efficiencies):.2f}, "
        f"least {min(efficiencies):.2f}; waste median {statistics.median(o.waste for o in outcomes):.2%}"
        + (f"; at most {max(short)} refused in short runs" if short else "")
        + (f", at most {max(long):.1%} in long ones" if long else "")
        + f"; lost {sum(outcome.lost for outcome in outcomes if outcome.is_over):,}"
        + f"; broken off {sum(not outcome.is_over for outcome in outcomes)} of {len(outcomes)}"
    )


def main() -> None:
    """Print the table of the named servers, then a line per client for each family."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{'':<16}" + "".join(f"{terms.name:>13}" for terms in (*NAMED, *SMALL_COHORTS)))
    for name, client in CLIENTS:
        cells = (told(simulate(client(), terms)) for terms in (*NAMED, *SMALL_COHORTS))
        print(f"{name:<16}" + "".join(f"{cell:>13}" for cell in cells))
    families: tuple[tuple[str, tuple[Terms, ...]], ...] = (
        ("quotas that fall and rise", FALLING_AND_RISING),
        ("fixed windows of 5 to 30 s", SHORT_WINDOWS),
        (f"{count} random servers", tuple(random_server(seed) for seed in range(count))),
        # What was chosen by looking at the ones above has to hold for these.
        (f"{count} others", tuple(random_server(seed) for seed in range(1000, 1000 + count))),
    )
    for title, family in families:
        print(f"\n{title}")
        for name, client in CLIENTS:
            # Tens of thousands of refused calls a run take their time in virtual time, too.
            met = family if client is Pacer else family[:ENOUGH]
            print(f"  {name:<16}" + summed_up([simulate(client(), terms) for terms in met]))


if __name__ == "__main__":
    main()
