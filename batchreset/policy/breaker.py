"""When a run must stop: too many failures, or one cause that fails everybody."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from batchreset.model import Method, Reason
from batchreset.policy.permissions import PERMISSION_OF, resetting_roles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.model import Operator

#: Without --max-failures: so many of a hundred rows ended, once at least so many have failed.
_DEFAULT_PERCENT, _DEFAULT_LEAST = 20.0, 10
#: So many failures in a row for one reason are no accident.
_IN_A_ROW = 25
#: Where so many are refused and nothing else has happened, everybody will be.
_FROM_THE_START = 20
_REFUSALS = frozenset({Reason.FORBIDDEN, Reason.REQUEST_REFUSED})
_TOO_MANY = "more than --max-failures allows"
NO_ADVICE: Mapping[str, str] = MappingProxyType({})


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

    def __init__(self, limit: Limit, advice: Mapping[str, str] = NO_ADVICE) -> None:
        """Start with nothing ended; `advice` says what to do about causes that fail everybody."""
        self._limit = limit
        self._advice = advice
        self._ended = self._failed = self._in_a_row = 0
        self._cause: str | None = None
        self._is_any_accepted = False

    def accepted(self) -> None:
        """Note that a reset was accepted: refusals are not everybody's then, though they end sooner than it does."""
        self._is_any_accepted = True

    def trip(self, cause: str | None, said: str | None = None) -> str | None:
        """Note a row that ended, with the reason it failed for or None, and what was `said` of it.

        Says why the run must halt, if it must.
        """
        self._ended += 1
        if cause is None:
            self._in_a_row, self._cause = 0, None
            return None
        self._failed += 1
        self._in_a_row = self._in_a_row + 1 if cause == self._cause else 1
        self._cause = cause
        is_exceeded = self._limit.is_exceeded(self._failed, self._ended)
        if self._in_a_row == self._ended > 1:
            is_refused = cause in _REFUSALS and self._ended >= _FROM_THE_START and not self._is_any_accepted
            if is_exceeded or is_refused or self._in_a_row >= _IN_A_ROW:
                return self._one_cause(f"all {self._ended} resets that ended", cause, said)
        if self._in_a_row >= _IN_A_ROW:
            return self._one_cause(f"{self._in_a_row} resets in a row", cause, said)
        return f"{self._failed} of {self._ended} resets failed, {_TOO_MANY}" if is_exceeded else None

    def _one_cause(self, who: str, cause: str, said: str | None) -> str:
        told = f"{who} failed for one cause ({cause}{f'; the last: {said}' if said else ''})"
        if self._limit.is_exceeded(self._failed, self._ended):
            told += f", {_TOO_MANY}"
        return f"{told}; {self._advice[cause]}" if cause in self._advice else told


def advice(method: Method, operator: Operator) -> Mapping[str, str]:
    """Say what to do where everybody is refused, by why: what whoever is signed in may lack, or the other route."""
    roles = ", ".join(resetting_roles(is_app_only=operator.is_application))
    forbidden = f"{method} takes the permission {PERMISSION_OF[method]} and one of the directory roles {roles}"
    if operator.roles is not None:
        forbidden += f"; whoever is signed in holds: {', '.join(sorted(operator.roles)) or 'none'}"
    refused = f"{method} may be the wrong route for these accounts"
    if not operator.is_application:  # it has no other route
        other = Method.PASSWORD_PROFILE if method is Method.RESET_PASSWORD else Method.RESET_PASSWORD
        refused += f": plan them again with --method {other}"
    return {Reason.FORBIDDEN: forbidden, Reason.REQUEST_REFUSED: refused}
