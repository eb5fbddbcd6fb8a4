"""What a row's sends have come to, and on which of its candidates it is settled. Candidates go by their ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from batchreset.policy.verdict import has_succeeded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, slots=True)
class Send:
    """One write, as the status table has it; `verdict` is None where no answer came to disk.

    `operation_ended_at` is the operation's own word, None where it did not tell.
    """

    client_request_id: str
    candidate_id: int
    intent_at: str
    answered_at: str | None = None
    verdict: str | None = None
    operation_url: str | None = None
    operation_status: str | None = None
    operation_ended_at: str | None = None
    polls: int = 0


class Landed(NamedTuple):
    """A candidate that took effect, and when, by its operation's own word."""

    candidate_id: int
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a row's sends.

    `lost` counts those whose answer is not known, `unended` are the accepted ones whose end was not seen, in the order
    in which they were sent, and `landed` the candidates whose operation succeeded.
    """

    lost: int = 0
    #: When the last of the lost ones was about to be sent, and the candidates of them all.
    lost_at: str | None = None
    doubted: frozenset[int] = frozenset()
    unended: tuple[Send, ...] = ()
    landed: tuple[Landed, ...] = ()


NOTHING = Past()


def past_of(sends: Iterable[Send]) -> Past:
    """Fold a row's sends, in the order in which they were sent, into what is known of them."""
    lost_at, lost, unended, landed = None, [], [], []
    for send in sends:
        is_good = has_succeeded(send.operation_status or "")
        if send.verdict in {None, "ambiguous"}:
            lost_at = send.intent_at
            lost.append(send.candidate_id)
        elif send.verdict == "accepted" and is_good is None:
            unended.append(send)
        elif is_good:
            landed.append(Landed(send.candidate_id, send.operation_ended_at))
    return Past(len(lost), lost_at, frozenset(lost), tuple(unended), tuple(landed))


def in_force(landed: Collection[Landed], doubted: AbstractSet[int]) -> int | None:
    """Return the candidate in force, of those that took effect and those that may have; None where nobody knows.

    It is the one that took effect last, unless another is in doubt: an earlier send may land after a later one.
    """
    possible = {each.candidate_id for each in landed} | doubted
    if len(possible) < 2:  # noqa: PLR2004  where there is but one, no order is needed
        return next(iter(possible), None)
    moments = [(_moment(each.at), each.candidate_id) for each in landed]
    if not moments or any(moment is None for moment, _ in moments):
        return None
    latest = max(moment for moment, _ in moments if moment)
    last = {candidate for moment, candidate in moments if moment == latest}
    return next(iter(last)) if len(last | doubted) == 1 else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
