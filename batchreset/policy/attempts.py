"""What follows from a verdict: the row's next state, and whether to try again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from batchreset.model import Kind, Reason, State
from batchreset.policy.verdict import (
    Accepted,
    Ambiguous,
    Demoted,
    Refused,
    SignedOut,
    Throttled,
    Transient,
    Verdict,
    time_of,
)

if TYPE_CHECKING:
    from datetime import datetime

#: How often a row is tried while the answers prove that nothing was applied.
MOST_TRANSIENT = 6
#: How often a row is sent while nobody knows whether an earlier send was applied.
MOST_DOUBTFUL = 3
#: Backoff in seconds, before jitter: doubles from the first to the last.
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 30.0
#: How often a password that the service refuses is replaced by a stronger one.
MOST_REPLACED = 2
#: Active Directory's default domain policy refuses a second change of a password this soon.
_MINIMUM_AGE = timedelta(days=1)
_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Tally:
    """What a row has been through: answers that proved nothing was applied, sends in doubt, passwords refused."""

    transient: int = 0
    doubtful: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Next:
    """The state the row moves to, and whether it is sent once more.

    Before that it waits `at_least` seconds, as the service asked, and up to `backoff` on top.
    """

    state: State
    tally: Tally
    again: bool = False
    backoff: float = 0.0
    at_least: float = 0.0
    reason: Reason | None = None
    detail: str | None = None


def decide(verdict: Verdict, tally: Tally, kind: Kind, *, may_replace: bool = False) -> Next:
    """Decide what becomes of a row that was being sent; `may_replace` says that another password can be tried.

    A send in doubt taints the row: what proves that *this* send was not applied says nothing of the earlier one, so
    such a row never simply fails. Only a cloud account is sent again in doubt (the same password converges there);
    on-premises history and minimum age may refuse the repeat.
    """
    back = State.DOUBTFUL if tally.doubtful else State.READY
    match verdict:
        case Accepted():
            return Next(State.ACCEPTED, tally)
        case Throttled():
            return Next(back, tally, again=True)
        case SignedOut(why):
            return Next(back, tally, detail=why)
        case Demoted(wait):
            return Next(back, tally, again=True, at_least=wait)
        case Transient(why, retry_after):
            after = replace(tally, transient=tally.transient + 1)
            if after.transient < MOST_TRANSIENT:
                return Next(back, after, again=True, backoff=backoff(after.transient), at_least=retry_after or 0.0)
            return _given_up(after, Reason.SERVICE_UNAVAILABLE, why)
        case Ambiguous(why):
            after = replace(tally, doubtful=tally.doubtful + 1)
            again = kind is Kind.CLOUD and after.doubtful < MOST_DOUBTFUL
            wait = backoff(after.doubtful)
            return Next(State.DOUBTFUL, after, again, wait, reason=Reason.ANSWER_LOST, detail=why)
        case Refused(Reason.PASSWORD_REJECTED, _) if may_replace and is_replaced(tally):
            return Next(State.READY, replace(tally, rejected=tally.rejected + 1), again=True)
        case Refused(reason, why):
            return _given_up(tally, reason, why)


def is_replaced(tally: Tally) -> bool:
    """Say whether a password that the service refused gives way to another: never while a send is in doubt."""
    return not tally.doubtful and tally.rejected < MOST_REPLACED


def is_too_young(kind: Kind, changed_at: str | None, now: datetime) -> bool:
    """Say whether a password, last changed at that time of the directory's, may be refused for its minimum age."""
    changed = time_of(changed_at)
    return kind is Kind.SYNCHRONISED and changed is not None and now - changed < _MINIMUM_AGE


def _given_up(tally: Tally, reason: Reason, why: str) -> Next:
    if tally.doubtful:
        return Next(State.DOUBTFUL, tally, reason=Reason.ANSWER_LOST, detail=f"an earlier answer was lost; then {why}")
    return Next(State.FAILED, tally, reason=reason, detail=why)


def backoff(tried: int) -> float:
    """Say how many seconds to wait at the most before the next try, after `tried` of them (1 or more)."""
    return min(FIRST_BACKOFF * 2.0 ** min(tried - 1, _MOST_DOUBLINGS), LONGEST_BACKOFF)
