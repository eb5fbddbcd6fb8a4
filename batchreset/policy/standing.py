"""Whether a refusal (403) is the row's own, or the role of whoever signed in has come to its end."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from batchreset.policy.verdict import Answer

if TYPE_CHECKING:
    from batchreset.policy.verdict import Result

#: Seconds after another token was fetched for a refusal, until that is tried again.
RENEWAL_HOLDS = 60.0
#: Seconds that a refused row waits where nothing speaks for the role: time for the writes of others to do so.
OTHERS_MAY_SPEAK = 5.0


def is_role_held(witness: Result | None, before: frozenset[str] | None, now: frozenset[str] | None) -> bool | None:
    """Say whether the role is still there; None where nothing speaks for or against it.

    `witness` is what came of reading again what could be read earlier in the run; `before` and `now` are the roles
    held at its start and now. Whichever speaks against it is believed: a right to read may outlast the right to reset.
    """
    status = witness.status if isinstance(witness, Answer) else None
    if status == HTTPStatus.FORBIDDEN:
        return False
    if before is not None and now is not None and not before <= now:
        return False
    return True if status == HTTPStatus.OK or (before and now) else None
