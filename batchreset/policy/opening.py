"""The opening of a start: who goes first, who waits, and until when.

A few accounts are risked before the many: the canaries of the run, then one scout of each on-premises domain that has
not shown yet that it takes passwords from the cloud; and until some rows have ended, few are sent without knowing how
that went.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from batchreset.model import Mark, Reason, State
from batchreset.policy.breaker import NO_ADVICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Until so many rows have ended, at most so many may be unconfirmed.
CAUTIOUS_UNTIL, MOST_UNCONFIRMED = 20, 50
#: What an account must not be, to be risked first.
OUT_OF_THE_ORDINARY = (Mark.PRIVILEGED, Mark.RESTRICTED, Mark.DISABLED, Mark.OUT_OF_REACH)
#: Without --canary: so many, where more rows than that are to be sent.
_CANARIES, _CANARIES_ABOVE = 3, 50
#: How the reset of a synchronised account ends where its domain takes no passwords from the cloud.
_WRITEBACK_FAILS = frozenset(
    {Reason.OPERATION_FAILED, Reason.OPERATION_TIMEOUT, Reason.OPERATION_UNREADABLE, Reason.REQUEST_REFUSED}
)
_HOW_IT_ENDED = {State.FAILED: "failed", State.UNRESOLVED: "is unresolved", State.EXCLUDED: "was left out"}


class Waiting(NamedTuple):
    """A row that is to be sent: its id, its account, and the on-premises domain of that, empty where it has none."""

    id: int
    user: str
    domain: str


class Told(NamedTuple):
    """Why a row ended as it did: nothing where it succeeded. An operation told so, or the answer to a send."""

    reason: Reason | None = None
    detail: str | None = None
    by_operation: bool = False


class Halt(NamedTuple):
    """Nobody else is to be sent, and why."""

    why: str


class Closed(NamedTuple):
    """Nobody else of this domain is to be sent, and why."""

    domain: str
    why: str


_WELL = Told()
Consequence: TypeAlias = Halt | Closed | None


def canaries_wanted(asked: int | None, unended: int, succeeded: int) -> int:
    """Say how many canaries a start sends: as `asked`, or by how many rows have not ended; less those that succeeded.

    A run that is resumed does not begin anew once its canaries have passed.
    """
    number = asked if asked is not None else _CANARIES if unended > _CANARIES_ABOVE else 0
    return max(number - succeeded, 0)


class Opening:
    """Says which rows may go, and is told which went and how they ended.

    Rows that are sent once more are not asked about: they are unconfirmed already.
    """

    def __init__(
        self,
        canaries: Iterable[Waiting] = (),
        proven: Iterable[str] = (),
        under_way: Iterable[Waiting] = (),
        unconfirmed: int = 0,
        advice: Mapping[str, str] = NO_ADVICE,
    ) -> None:
        """Begin with the domains `proven` to take passwords; `advice` says what to do where a canary fails, by why.

        `under_way` are rows that an earlier start sent, of the canaries and of the other domains; with the rest of
        those that have not ended they are `unconfirmed`.
        """
        self._advice = advice
        self.closed: dict[str, str] = {}
        self._canaries = {row.id: row for row in canaries}
        self._proven = set(proven)
        #: The canaries and scouts that have gone and not ended.
        self._out = {row.id: row for row in under_way if self._is_waited_for(row)}
        self._unconfirmed = unconfirmed
        self._ended = 0

    def __repr__(self) -> str:
        return f"<Opening canaries={len(self._canaries)} out={len(self._out)} closed={sorted(self.closed)}>"

    @property
    def canaries(self) -> list[Waiting]:
        """The canaries that have yet to go."""
        return [row for row in self._canaries.values() if row.id not in self._out]

    @property
    def waits_for(self) -> str | None:
        """Say what all rows wait for that have not gone; None where some may go."""
        if self._canaries:
            return "the canary"
        return f"the first {CAUTIOUS_UNTIL}" if self._is_held_back else None

    @property
    def _is_held_back(self) -> bool:
        return self._ended < CAUTIOUS_UNTIL and self._unconfirmed >= MOST_UNCONFIRMED

    def wants_scout(self, domain: str) -> bool:
        """Say whether an account of this domain is to go before the rest of it, and none has gone."""
        is_known = not domain or domain in self._proven or domain in self.closed
        return not is_known and all(row.domain != domain for row in self._out.values())

    def may_go(self, domain: str, reset_id: int | None = None) -> bool:
        """Say whether a row of this domain may go, or the one of that id."""
        if self._is_held_back:
            return False
        if self._canaries and reset_id not in self._canaries:
            return False
        return not domain or domain in self._proven or self.wants_scout(domain)

    def goes(self, row: Waiting) -> None:
        """Note that a row goes."""
        self._unconfirmed += 1
        if self._is_waited_for(row):
            self._out[row.id] = row

    def ended(self, reset_id: int, state: State, told: Told = _WELL) -> Consequence:
        """Note how a row ended, and say what follows for those that wait.

        An operation that failed for the password has reached the domain, which judged it; a refusal of the request for
        the same cause may come from the cloud, and proves nothing of the domain.
        """
        self._ended += 1
        self._unconfirmed -= 1
        row = self._out.get(reset_id)
        if row is None:
            return None
        reason, detail = told.reason, f": {told.detail}" if told.detail else ""
        how = f"{_HOW_IT_ENDED.get(state, state)} ({reason}{detail})"
        if row.domain and row.domain not in self._proven and row.domain not in self.closed:
            has_answered = state is State.FAILED and reason is Reason.PASSWORD_REJECTED and told.by_operation
            if state is State.SUCCEEDED or has_answered:
                self._proven.add(row.domain)
            elif state is not State.EXCLUDED and reason in _WRITEBACK_FAILS:
                return self._close(row, f"{row.user} went first and {how}")
        if reset_id in self._canaries and state is not State.SUCCEEDED:
            advice = self._advice.get(reason or "")
            return Halt(f"the canary {row.user} {how}{f'; {advice}' if advice else ''}")
        self._canaries.pop(reset_id, None)
        del self._out[reset_id]
        return None

    def _close(self, scout: Waiting, why: str) -> Closed:
        """Send no more of a domain, its canaries neither."""
        domain = scout.domain
        self.closed[domain] = f"password writeback does not seem to work in {domain}: {why}"
        self._canaries = {row.id: row for row in self._canaries.values() if row.domain != domain}
        del self._out[scout.id]
        return Closed(domain, self.closed[domain])

    def _is_waited_for(self, row: Waiting) -> bool:
        return row.id in self._canaries or bool(row.domain and row.domain not in self._proven)
