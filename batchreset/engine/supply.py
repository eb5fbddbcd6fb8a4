"""Where a run's passwords come from: made here, made by the service, or given with the cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.clock import utc_now
from batchreset.model import Fate, PasswordSource, Reason
from batchreset.policy.attempts import is_too_young
from batchreset.policy.passwords import parts_of
from batchreset.status.changes import Ending

if TYPE_CHECKING:
    import itertools

    from batchreset.secret import Secret
    from batchreset.status.rows import Work
    from batchreset.vault.making import Maker
    from batchreset.vault.sealing import RunKey, Sealer

_MAY_BE_SENT = frozenset({Fate.UNSENT, Fate.POSSIBLE})


#: Source: Microsoft's "Minimum password age"; Entra's writeback answers for the domain's policy.
_TOO_YOUNG = "; the password changed within a day, and on-premises policy may have a minimum age"


def refusal(work: Work, reason: Reason | None, detail: str | None) -> Ending:
    """End a row that the service refused, with what else may explain it."""
    is_young = is_too_young(work.kind, work.password_changed_before, utc_now())
    return Ending(reason, f"{detail}{_TOO_YOUNG}" if reason is Reason.PASSWORD_REJECTED and is_young else detail)


@dataclass(frozen=True, slots=True)
class Passwords:
    """Makes passwords, seals them, and opens what was sealed earlier.

    `sealer` is None where none is to be kept, `key` where no key at hand opens what was sealed earlier.
    """

    source: PasswordSource
    maker: Maker
    sealer: Sealer | None
    key: RunKey | None
    numbers: itertools.count[int]

    @property
    def are_told(self) -> bool:
        """Whether one that the service makes has to be known."""
        return self.sealer is not None

    def may_replace(self, work: Work) -> bool:
        """Say whether another is tried where the service refuses one for an account."""
        is_made_here = self.source is PasswordSource.GENERATED
        return is_made_here and not is_too_young(work.kind, work.password_changed_before, utc_now())

    def make(self, work: Work, rejected: int) -> Secret | None:
        """Make a password for an account, the stronger the more were `rejected`; None where the service makes it."""
        if self.source is PasswordSource.SYSTEM:
            return None
        return self.maker.make(parts_of(work.user, work.display_name), stronger=rejected)

    def seal(self, password: Secret | None) -> bytes | None:
        """Seal a password; None where there is none to keep."""
        return self.sealer.seal(password) if self.sealer is not None and password is not None else None

    def can_repeat(self, work: Work) -> bool:
        """Say whether the very password that was sent of a row can be had again."""
        is_known = work.sealed is not None and self.key is not None
        return is_known and work.fate is Fate.POSSIBLE and self.source is not PasswordSource.SYSTEM

    def open(self, work: Work) -> Secret | None:
        """Open the password that a row goes on with; None where it needs another."""
        is_given = self.source is PasswordSource.COLUMN
        is_usable = is_given or (self.source is PasswordSource.GENERATED and work.fate in _MAY_BE_SENT)
        if not is_usable or work.sealed is None or self.key is None:
            return None
        return self.key.unseal(work.sealed)
