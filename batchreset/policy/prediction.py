"""How long sending will take: by the quota that was learned in the tenant, else the documented one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.policy.evidence import Learned

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
    """How long sending will take, in seconds, and by what."""

    seconds: float
    because: str


def predicted(resets: int, settings: Settings, known: Known | None = None) -> Prediction:
    """Predict by the slowest of workers, quota and --rate; say which that is, and which quota was reckoned with."""
    quota, called = _DOCUMENTED, "Graph's documented quota of 20 writes a second"
    if known is not None:
        quota, called = known.learned, f"the {known.learned.rate:.1f} writes a second learned here {_ago(known.days)}"
    a_second = settings.workers / _CALL_SECONDS
    at_once = min(resets, quota.allowance)
    bounds = [
        Prediction(resets / a_second, f"with --workers {settings.workers}"),
        Prediction((resets - at_once) / quota.rate, f"by {called}"),
    ]
    if settings.rate:
        bounds.append(Prediction(resets / settings.rate, f"by --rate {settings.rate:g}"))
    slowest = max(bounds, key=lambda bound: bound.seconds)
    if slowest is bounds[1]:
        return slowest
    return Prediction(slowest.seconds, f"{slowest.because} ({called} would allow more)")


def _ago(days: int) -> str:
    match days:
        case 0:
            return "today"
        case 1:
            return "yesterday"
        case _:
            return f"{days} days ago"
