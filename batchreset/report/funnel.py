"""The way of the rows from the cohort to a confirmed reset, and how many were lost at which station of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from batchreset.model import Outcome, Reason, RunState
from batchreset.report.advice import in_short
from batchreset.report.wording import NAMELESS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

#: The stations in their order, each with the reasons for which screening takes a row out on the way to it.
_READ, _NAMED, _FOUND, _SCREENED, _SENT, _ACCEPTED, _CONFIRMED = range(7)
_NAMES = (
    *("rows read", "accounts, each once", "found in the tenant", "to be reset"),
    *("sent", "accepted by the service", "confirmed as reset"),
)
_TAKEN_OUT: Mapping[str, int] = {
    **dict.fromkeys((*NAMELESS, Reason.NOT_SELECTED), _NAMED),
    **dict.fromkeys((Reason.INVALID_IDENTIFIER, Reason.NOT_FOUND, Reason.AMBIGUOUS), _FOUND),
}


class Station(NamedTuple):
    """A station: how many came through to it, their share of all rows, and why the others did not, most often first."""

    name: str
    rows: int
    share: float
    lost: tuple[str, ...]


class Funnel:
    """Counts the rows by the station that they did not come through to."""

    def __init__(self) -> None:
        """Begin with no rows."""
        self._ends: Counter[tuple[int, str, str]] = Counter()

    def add(self, lines: pd.DataFrame) -> None:
        """Count lines of the reconciliation: each ends at one station only, the last one included."""
        outcome = lines["outcome"]
        end = lines["reason"].map(_TAKEN_OUT).fillna(_SCREENED).where(outcome == Outcome.EXCLUDED, _CONFIRMED)
        is_lost = ~outcome.isin((Outcome.EXCLUDED, Outcome.SUCCEEDED))
        is_sent, is_accepted = lines["attempts"] > 0, lines["accepted_at"] != ""
        end = end.mask(is_lost & ~is_accepted, _ACCEPTED).mask(is_lost & ~is_accepted & ~is_sent, _SENT)
        self._ends.update(zip(end.astype(int), outcome, lines["reason"], strict=True))

    def stations(self, state: RunState, words: Mapping[Outcome, str]) -> Iterator[Station]:
        """Yield the stations that a run in `state` has reached; `words` say the outcomes."""
        left = total = self._ends.total()
        for place, name in enumerate(_NAMES[: _SENT if state is RunState.PLANNED else None]):
            lost: Counter[str] = Counter()
            for (end, outcome, reason), rows in self._ends.items():
                is_through = end == _CONFIRMED and outcome == Outcome.SUCCEEDED
                if end == place and not is_through:
                    lost[in_short(reason) if outcome == Outcome.EXCLUDED else words[Outcome(outcome)]] += rows
            left -= lost.total()
            told = tuple(f"{rows:,} {why}" for why, rows in lost.most_common())
            yield Station(name, left, left / max(total, 1), told)
