"""The servers that a pacer is measured against: named ones, families of short runs, and random ones."""

from __future__ import annotations

import math
import random
from itertools import product

from tests.support.servers import Hint, Kind, Terms

NAMED = (
    Terms(name="S1", rate=20, depth=20),
    Terms(name="S2", rate=20, depth=3000),
    Terms(name="S3", kind=Kind.FIXED, rate=20, window=150),
    Terms(name="S4", kind=Kind.SLIDING, rate=20, window=10, hint=10.0),
    Terms(name="S5", rate=20, depth=200, hint=2.128, charges_refused=True),
    Terms(name="S6", rate=20, depth=20, changes=((1 / 3, 10), (2 / 3, 30))),
    Terms(name="S7", rate=5, depth=10),
    Terms(name="S8", rate=100, depth=100),
)

_SHORT = ((500, Hint.EXACT), (1000, Hint.ROUNDED_UP))

#: Quotas that fall at a third of the run and rise again at two thirds.
FALLING_AND_RISING = tuple(
    Terms(
        name=f"{rate:g}/s to {share:g} of it and back, depth {depth:g}, {resets}, {hint.value}",
        rate=rate,
        depth=depth,
        hint=hint,
        changes=((1 / 3, rate * share), (2 / 3, rate)),
        resets=resets,
    )
    for rate, share, depth, (resets, hint) in product((10.0, 20.0, 40.0), (0.25, 0.5), (10.0, 100.0), _SHORT)
)

SHORT_WINDOWS = tuple(
    Terms(
        name=f"{rate:g}/s in windows of {window:g} s, {resets}, {hint.value}",
        kind=Kind.FIXED,
        rate=rate,
        window=window,
        hint=hint,
        resets=resets,
    )
    for window, rate, (resets, hint) in product((5.0, 10.0, 20.0, 30.0), (5.0, 10.0, 20.0, 40.0), _SHORT)
)

SMALL_COHORTS = tuple(Terms(name=f"{resets} accounts", rate=20, depth=3000, resets=resets) for resets in (50, 300))


def random_server(seed: int) -> Terms:
    """Draw a server.

    In this order: kind, window (of windows only), rate, depth, hint, its constant (where it is one), whether refused
    calls are charged, the number of changes, their moments, their factors, the resets.
    """
    rng = random.Random(seed)

    def between(low: float, high: float) -> float:
        return math.exp(rng.uniform(math.log(low), math.log(high)))

    kind = rng.choices((Kind.BUCKET, Kind.FIXED, Kind.SLIDING), (2, 1, 1))[0]
    window = 10.0 if kind is Kind.BUCKET else between(5, 150)
    rate, depth = between(0.5, 200), between(1, 3000)
    hint: Hint | float | None = rng.choices((Hint.EXACT, Hint.ROUNDED_UP, None, Hint.ABSENT), (3, 4, 2, 1))[0]
    if hint is None:
        hint = rng.uniform(1, 30)
    charges_refused = rng.random() < 0.2
    moments = sorted(rng.random() for _ in range(rng.randint(0, 3)))
    changes, changed = [], rate
    for moment in moments:
        changed *= between(0.25, 4)
        changes.append((moment, changed))
    return Terms(
        name=f"random {seed}",
        kind=kind,
        rate=rate,
        depth=depth,
        window=window,
        hint=hint,
        charges_refused=charges_refused,
        changes=tuple(changes),
        resets=round(between(200, 10_000)),
    )
