"""When a run must stop: too many failures, or one cause that fails everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

#: Without --max-failures: so many of a hundred rows ended, once at least so many have failed.
_DEFAULT_PERCENT, _DEFAULT_LEAST = 20.0, 10
#: So many failures in a row for one reason are no accident.
_IN_A_ROW = 25


@dataclass(frozen=True, slots=True)
class Limit:
    """How many failures are too many: above `count`, or above `percent` of the ended rows once `least` have failed."""

    count: int | None = None
    percent: float | None = None
    least: int = 0

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read `25` or `5%`; None is the default."""
        if text is None:
            return cls(percent=_DEFAULT_PERCENT, least=_DEFAULT_LEAST)
        if text.endswith("%"):
            return cls(percent=float(text[:-1]))
        return cls(count=int(text))

    def is_exceeded(self, failed: int, ended: int) -> bool:
        """Say whether so many failures of so many ended rows are too many."""
        if self.count is not None:
            return failed > self.count
        return self.percent is not None and failed >= self.least and 100 * failed > self.percent * ended


class Breaker:
    """Counts how the rows of this start ended. `trip` is asked after each and says why to halt, or None."""

    def __init__(self, limit: Limit) -> None:
        """Start with nothing ended."""
        self._limit = limit
        self._ended = self._failed = self._in_a_row = 0
        self._cause: str | None = None

    def trip(self, cause: str | None) -> str | None:
        """Note a row that ended, with the reason it failed for or None, and say why the run must halt, if it must."""
        self._ended += 1
        if cause is None:
            self._in_a_row, self._cause = 0, None
            return None
        self._failed += 1
        self._in_a_row = self._in_a_row + 1 if cause == self._cause else 1
        self._cause = cause
        if self._in_a_row >= _IN_A_ROW:
            return f"{self._in_a_row} resets in a row failed for one cause ({cause})"
        if self._limit.is_exceeded(self._failed, self._ended):
            return f"{self._failed} of {self._ended} resets failed, more than --max-failures allows"
        return None
