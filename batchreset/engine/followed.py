"""What is followed: a row whose reset was sent, with the operations and candidates that are open of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchreset.model import Reason, State
from batchreset.policy.attempts import Tally, is_replaced

if TYPE_CHECKING:
    from batchreset.policy.settling import Landed
    from batchreset.policy.verdict import Ended
    from batchreset.status.rows import Work

#: Why the directory is asked about a reset that was accepted without an operation to follow.
UNNAMED = (Reason.OPERATION_UNREADABLE, "the answer named no operation to follow")


@dataclass(slots=True)
class Operation:
    """An operation to be followed: by which send and for which candidate, its URL, and the looks so far."""

    send: str
    candidate_id: int
    url: str
    polls: int = 0


@dataclass(slots=True, kw_only=True)
class Followed:
    """A row whose reset was sent and has not ended. Times are the event loop's.

    A row that has `succeeded` already is only looked for in the directory, to say when that shows the change.

    The last of its `operations` is followed. Where there is none left, or they do not tell, the directory is asked,
    and `reason` and `detail` say why. `running_at` is the age at which the operation was last seen running; None where
    its age is unknown, since an earlier start sent it.
    """

    work: Work
    state: State
    sent_at: float
    #: How many sends may have been taken, and how many of this start's nobody knows the effect of.
    sends: int = 1
    tries: int = 0
    #: The candidates of sends that no operation tells of (any more), and those whose operation succeeded.
    doubted: set[int] = field(default_factory=set)
    landed: list[Landed] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    #: Whether it is to be sent again, with another password, where the directory shows no change.
    is_sent_again: bool = False
    #: Whether the passwords in doubt were made by the service, and not told.
    is_untold: bool = False
    #: Whether another password is tried where the service refuses the one that was sent.
    may_be_replaced: bool = False
    running_at: float | None = 0.0
    looks: int = 0
    faults: int = 0
    reason: Reason | None = None
    detail: str | None = None

    @property
    def may_come_back(self) -> bool:
        """Whether the pool may get it back."""
        return self.is_sent_again or (bool(self.operations) and (self.may_be_replaced or self.state is State.DOUBTFUL))

    def is_replaced(self, look: Ended) -> bool:
        """Say whether another password is tried, now that the operation of this one has failed."""
        is_settled = not self.doubted and not self.operations
        is_refused = look.reason is Reason.PASSWORD_REJECTED
        return self.may_be_replaced and is_settled and is_refused and is_replaced(Tally(rejected=self.work.rejected))

    @property
    def possible(self) -> set[int]:
        """The candidates that may take effect yet, or may have, besides those that have landed."""
        return self.doubted | {operation.candidate_id for operation in self.operations}

    @property
    def tried(self) -> str:
        """What was tried, for a person."""
        times = "once" if self.sends == 1 else f"{self.sends} times"
        return f"sent {times}" + (f", with {len(self.doubted)} passwords" if len(self.doubted) > 1 else "")
