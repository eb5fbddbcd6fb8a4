"""What goes with a reset: the writes before it and after it, which of them are due, and what follows from an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.model import RevokeSessions, Step
from batchreset.policy.attempts import MOST_TRANSIENT, backoff
from batchreset.policy.verdict import (
    Accepted,
    Ambiguous,
    Answer,
    Demoted,
    Refused,
    SignedOut,
    Throttled,
    Transient,
    judge,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from batchreset.policy.verdict import Result, Verdict
    from batchreset.settings import Settings


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


def judge_step(step: Step, result: Result, now: datetime) -> Verdict:
    """Say what the answer to a step means: a revocation that is answered with `value: false` was not carried out."""
    verdict = judge(result, now)
    is_revocation = step in {Step.REVOKE_BEFORE, Step.REVOKE}
    body = result.body if isinstance(result, Answer) else None
    if isinstance(verdict, Accepted) and is_revocation and isinstance(body, dict) and body.get("value") is False:
        return Transient("the service says that it revoked nothing")
    return verdict


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


def carers(workers: int) -> int:
    """Return how many workers see to what comes after the resets, beside so many that reset."""
    return max(workers // 4, 1)
