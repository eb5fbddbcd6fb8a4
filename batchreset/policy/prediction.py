"""How long sending will take: by the quota that was learned in the tenant, else the documented one."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from batchreset.policy.evidence import Learned
from batchreset.policy.steps import after, before, carers, writes_each

if TYPE_CHECKING:
    from batchreset.settings import Settings

#: 3,000 writes in 150 seconds for one application in one tenant, all of them at once if it likes.
#: Source: "Identity and access service limits" in Microsoft's "Microsoft Graph service-specific throttling limits".
_DOCUMENTED = Learned(rate=20.0, allowance=3000, trust=0.0)
_CALL_SECONDS = 0.35


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier runs learned of a tenant's quota for a route, faded by its age, and how many days ago that was."""

    learned: Learned
    days: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """How many writes a start sends, how long that will take, in seconds, and by what."""

    seconds: float
    because: str
    writes: int


def predicted(resets: int, settings: Settings, known: Known | None = None, *, due: int = 0) -> Prediction:
    """Predict by the slowest of workers, quota and --rate; say which that is, and which quota was reckoned with.

    What was learned is of resets alone; the documented quota, and --rate, are of what goes with them as well, and of
    the writes that are `due` for earlier ones. No more is counted than --limit lets through.
    """
    resets = min(resets, settings.limit or resets)
    writes = resets * writes_each(settings) + due
    quotas = [(_seconds(writes, _DOCUMENTED), "Graph's documented quota of 20 writes a second")]
    if known is not None:
        called = f"the {known.learned.rate:.1f} writes a second learned here {_ago(known.days)}"
        quotas = [(_seconds(resets, known.learned), called), *(quotas if writes > resets else ())]
    # The workers who reset do what comes before that, too.
    calls = max(
        resets * (1 + len(before(settings))) / settings.workers,
        (resets * len(after(settings)) + due) / carers(settings.workers),
    )
    bounds = [(calls * _CALL_SECONDS, f"with --workers {settings.workers}")]
    if settings.rate:
        bounds.append((writes / settings.rate, f"by --rate {settings.rate:g}"))
    slowest, bound = max(bounds, key=itemgetter(0))
    seconds, quota = max(quotas, key=itemgetter(0))
    if seconds > slowest:
        return Prediction(seconds, f"by {quota}", writes)
    return Prediction(slowest, f"{bound} ({quota} would allow more)", writes)


def _seconds(writes: int, quota: Learned) -> float:
    """Return how long a bucket of that quota takes for so many writes, full as it is at first."""
    return max(writes - quota.allowance, 0) / quota.rate


def _ago(days: int) -> str:
    match days:
        case 0:
            return "today"
        case 1:
            return "yesterday"
        case _:
            return f"{days} days ago"
