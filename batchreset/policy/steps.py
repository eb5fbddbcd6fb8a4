"""What goes with a reset: the writes before it and after it, which of them are due, and when one is given up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.model import Reason, RevokeSessions, Step
from batchreset.policy.attempts import MOST_TRANSIENT, backoff
from batchreset.policy.verdict import Accepted, Ambiguous, Demoted, Refused, SignedOut, Throttled, Transient

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Set as AbstractSet

    from batchreset.policy.verdict import Verdict
    from batchreset.settings import Settings

#: So many accounts refused (403) before anything was accepted: whoever is signed in may not do this to anybody.
_MOST_DENIED = 20
_OF_SESSIONS = frozenset({Step.REVOKE_BEFORE, Step.REVOKE})


def before(settings: Settings) -> tuple[Step, ...]:
    """Return the steps before a reset, in order. None of them keeps it from being sent."""
    blocked = (Step.DISABLE,) if settings.disable else ()
    revoked = (Step.REVOKE_BEFORE,) if settings.revoke_sessions is RevokeSessions.BOTH else ()
    return (*blocked, *revoked)


def after(settings: Settings) -> tuple[Step, ...]:
    """Return the steps after a reset that has succeeded, in order."""
    revoked = (Step.REVOKE,) if settings.revoke_sessions is not RevokeSessions.NEVER else ()
    opened = (Step.ENABLE,) if settings.enable else ()
    return (*revoked, *opened)


def writes_each(settings: Settings) -> int:
    """Count the writes that one account takes, its reset among them."""
    return len(before(settings)) + 1 + len(after(settings))


@dataclass(frozen=True, slots=True)
class Rates:
    """What --rate leaves to the resets and to the steps beside them, in writes a second; None where it is not given."""

    resets: float | None
    steps: float | None


def rates(settings: Settings) -> Rates:
    """Share --rate out, so that all writes together keep within it."""
    if settings.rate is None:
        return Rates(None, None)
    resets = settings.rate / writes_each(settings)
    return Rates(resets, settings.rate - resets or None)


def due_before(wanted: Collection[Step], done: AbstractSet[Step], *, enabled: bool | None) -> list[Step]:
    """Return the steps that are yet to be taken before a reset.

    Only accounts that are not known to be blocked (`enabled` is not False) are.
    """
    return [step for step in wanted if step not in done and (step is not Step.DISABLE or enabled is not False)]


def due_after(wanted: Collection[Step], done: AbstractSet[Step], *, is_blocked_here: bool) -> list[Step]:
    """Return the steps that are yet to be taken after a reset.

    Only accounts that were open before, and that this run blocked or may have, are opened.
    """
    return [step for step in wanted if step not in done and (step is not Step.ENABLE or is_blocked_here)]


@dataclass(frozen=True, slots=True)
class Next:
    """Whether a step is sent again, and how often it has come to naught by now.

    Before that it waits `at_least` seconds, as the service asked, and up to `backoff` on top.
    """

    again: bool = False
    backoff: float = 0.0
    at_least: float = 0.0
    tried: int = 0


def decide(verdict: Verdict, tried: int) -> Next:
    """Decide whether a step is sent again that came to naught `tried` times before. A repeat harms nothing."""
    match verdict:
        case Throttled():
            return Next(again=True, tried=tried)
        case Demoted(wait):
            return Next(again=True, at_least=wait, tried=tried)
        case Transient() | Ambiguous():
            wait = verdict.retry_after or 0.0 if isinstance(verdict, Transient) else 0.0
            tried += 1
            return Next(tried < MOST_TRANSIENT, backoff(tried), wait, tried)
        case Accepted() | Refused() | SignedOut():
            return Next(tried=tried)


class Denials:
    """Counts how often each step was refused for want of a permission or a role, until it was once accepted."""

    def __init__(self) -> None:
        """Start with nothing refused."""
        self._denied: Counter[Step] = Counter()
        self._accepted: set[Step] = set()

    def note(self, step: Step, verdict: Verdict) -> bool:
        """Note what the service said of a step; True where it is given up for that."""
        if isinstance(verdict, Accepted):
            self._accepted.add(step)
        elif isinstance(verdict, Refused) and verdict.reason is Reason.FORBIDDEN and step not in self._accepted:
            self._denied[step] += 1
            return self._denied[step] == _MOST_DENIED
        return False

    def is_given_up(self, step: Step) -> bool:
        """Say whether a step is not worth trying."""
        return step not in self._accepted and self._denied[step] >= _MOST_DENIED


def why_given_up(step: Step) -> str:
    """Say why a step is given up, and what it takes. Source: "Permissions" of Graph's pages on these two writes."""
    what, permission = (
        ("Revoking sessions", "User.RevokeSessions.All")
        if step in _OF_SESSIONS
        else (
            "Blocking sign-in" if step is Step.DISABLE else "Opening sign-in again",
            "User.EnableDisableAccount.All",
        )
    )
    return (
        f"{what} was refused (403) for the first {_MOST_DENIED} accounts and was not tried any further. It takes the "
        f"permission {permission}, and a role such as Authentication Administrator or User Administrator; "
        "`batchreset resume` then tries again."
    )
