"""What a run shows of itself while it works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.model import State

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a run stands. `rate` is rows sent a second of late."""

    counts: Mapping[State, int]
    seconds: float
    rate: float
    throttled: int
    #: The pace the service allows, as learned; None while nothing limits.
    pace: float | None
    note: str | None = None

    @property
    def rows(self) -> int:
        """All rows of the cohort."""
        return sum(self.counts.values())

    @property
    def in_flight(self) -> int:
        """Rows sent and not ended."""
        return sum(self.counts[state] for state in (State.SENDING, State.ACCEPTED, State.DOUBTFUL))

    @property
    def done(self) -> int:
        """Rows ended, those left out not counted."""
        return sum(self.counts[state] for state in (State.SUCCEEDED, State.FAILED, State.UNRESOLVED))

    @property
    def left(self) -> int:
        """Rows not sent yet."""
        return self.counts[State.READY]

    @property
    def eta(self) -> float | None:
        """Seconds until all is sent, at the present rate; None when nothing was sent of late."""
        return self.left / self.rate if self.rate > 0 else None
