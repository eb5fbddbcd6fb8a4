"""What the words mean: the states a reset can be in, the moves between them, outcomes and reasons.

Everything here is a value. The status table is the only place that says which state a row is in;
`MOVES` is the only place that says where it may go from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """Where one row of the cohort stands. Each comment says what a crash in that state leaves behind."""

    #: Waiting for its turn. A crash leaves nothing in the tenant; the next start takes it up.
    READY = "ready"
    #: The intent to send is on disk, the answer is not. A crash leaves a reset that may have been applied:
    #: the next start finds it `doubtful`.
    SENDING = "sending"
    #: The service took the reset and gave an operation to follow. A crash leaves its Location in the table,
    #: and the next start follows it on.
    ACCEPTED = "accepted"
    #: Sent, and nobody can say whether it was applied. The next start settles it; it is never sent again blindly.
    DOUBTFUL = "doubtful"
    #: Left out by screening, with its reason. Nothing is ever sent.
    EXCLUDED = "excluded"
    #: The operation ended `succeeded`, or the directory shows the change.
    SUCCEEDED = "succeeded"
    #: Known not to have been reset.
    FAILED = "failed"
    #: Nobody knows, and everything there was to ask has been asked.
    UNRESOLVED = "unresolved"


#: The moves a reset may make. Everything else is a fault of the program and is refused by the writer.
MOVES: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.READY: frozenset({State.SENDING, State.EXCLUDED}),
        State.SENDING: frozenset({State.ACCEPTED, State.DOUBTFUL, State.FAILED, State.READY}),
        State.ACCEPTED: frozenset({State.SUCCEEDED, State.FAILED, State.DOUBTFUL, State.READY}),
        State.DOUBTFUL: frozenset({State.SUCCEEDED, State.READY, State.UNRESOLVED}),
        State.EXCLUDED: frozenset(),
        State.SUCCEEDED: frozenset(),
        # Taken up again only when the operator asks for it (--retry-failed).
        State.FAILED: frozenset({State.READY}),
        State.UNRESOLVED: frozenset({State.DOUBTFUL}),
    }
)

#: States in which a reset has left, or may have, and has not ended.
IN_FLIGHT = frozenset({State.SENDING, State.ACCEPTED, State.DOUBTFUL})

#: States with nothing left to do in this run.
ENDED = frozenset({State.EXCLUDED, State.SUCCEEDED, State.FAILED, State.UNRESOLVED})


class Outcome(StrEnum):
    """How a row is accounted for in the reconciliation."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNRESOLVED = "unresolved"
    EXCLUDED = "excluded"
    #: The run ended before the row's turn; no state of its own, but what a `ready` row is called in a report.
    NOT_ATTEMPTED = "not_attempted"


class Reason(StrEnum):
    """Why a row did not simply succeed. Names are promises; new ones may be added."""

    DUPLICATE = "duplicate"
    BLANK = "blank"
    INVALID_IDENTIFIER = "invalid_identifier"
    #: Left out by `--where`.
    NOT_SELECTED = "not_selected"
    NOT_FOUND = "not_found"
    AMBIGUOUS = "ambiguous"
    PROTECTED = "protected"
    SELF = "self"
    PRIVILEGED = "privileged"
    RESTRICTED = "restricted"
    SYNC_ACCOUNT = "sync_account"
    SYNCHRONISED = "synchronised"
    GUEST = "guest"
    FEDERATED = "federated"
    DISABLED = "disabled"
    CHANGED_SINCE = "changed_since"
    PASSWORD_MISSING = "password_missing"  # noqa: S105  a reason, no password
    PASSWORD_REJECTED = "password_rejected"  # noqa: S105  a reason, no password
    FORBIDDEN = "forbidden"
    REQUEST_REFUSED = "request_refused"
    OPERATION_FAILED = "operation_failed"
    OPERATION_TIMEOUT = "operation_timeout"
    OPERATION_UNREADABLE = "operation_unreadable"
    ANSWER_LOST = "answer_lost"
    SERVICE_UNAVAILABLE = "service_unavailable"
    WRITEBACK = "writeback"
    HALTED = "halted"
    INTERRUPTED = "interrupted"


#: Exclusions that nobody needs to look at.
AS_INTENDED = frozenset({Reason.DUPLICATE, Reason.BLANK, Reason.NOT_SELECTED, Reason.PROTECTED})

#: For what screening leaves an account out, which it can find out later too, when an account has changed.
LEFT_OUT = frozenset(
    {
        Reason.NOT_FOUND,
        Reason.AMBIGUOUS,
        Reason.PROTECTED,
        Reason.SELF,
        Reason.SYNC_ACCOUNT,
        Reason.PRIVILEGED,
        Reason.RESTRICTED,
        Reason.SYNCHRONISED,
        Reason.GUEST,
        Reason.FEDERATED,
        Reason.DISABLED,
        Reason.CHANGED_SINCE,
    }
)


class Kind(StrEnum):
    """Where an account's password is held."""

    CLOUD = "cloud"
    SYNCHRONISED = "synchronised"
    GUEST = "guest"


class Mark(StrEnum):
    """What is worth knowing of an account before it is reset, though it need not be left out for it."""

    #: It holds a directory role, or may activate one, itself or through a group.
    PRIVILEGED = "privileged"
    #: It is a member of a restricted management administrative unit.
    RESTRICTED = "restricted"
    #: Sign-in is blocked already.
    DISABLED = "disabled"
    #: A cloud account whose password never expires: programs may be signing in with it.
    SERVICE = "likely service account"
    #: The roles of whoever is signed in do not reach it.
    OUT_OF_REACH = "out of reach"


class RevokeSessions(StrEnum):
    """When the sessions of an account are revoked, seen from its reset."""

    NEVER = "never"
    AFTER = "after"
    BOTH = "both"


class Risk(StrEnum):
    """How likely it is that an account was taken over, the lowest first, as Identity Protection has it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Method(StrEnum):
    """By which route of Graph a password is reset."""

    #: Whichever of the others the sign-in allows; a run's plan names that one.
    AUTO = "auto"
    RESET_PASSWORD = "reset-password"  # noqa: S105  a route, no password
    PASSWORD_PROFILE = "password-profile"  # noqa: S105  a route, no password


class PasswordSource(StrEnum):
    """Who makes the new passwords."""

    GENERATED = "generated"
    SYSTEM = "system"
    COLUMN = "column"


class PasswordStyle(StrEnum):
    """How passwords that are made here look."""

    RANDOM = "random"
    PASSPHRASE = "passphrase"  # noqa: S105  a style, no password


class PasswordPolicy(StrEnum):
    """What happens to a given password that the cloud's rules do not allow."""

    #: Its row is left out.
    CLOUD = "cloud"
    #: The plan says so, and it is sent all the same: on-premises rules may be others.
    WARN = "warn"
    #: It is not looked at.
    NONE = "none"


class Fate(StrEnum):
    """What became of one password that was tried for a row."""

    #: Sealed, and no send of it has left.
    UNSENT = "unsent"
    #: Sent; it may be the account's password.
    POSSIBLE = "possible"
    #: The service proved that it was not applied.
    REFUSED = "refused"
    #: The row was settled on it: it is the account's password.
    IN_FORCE = "in_force"
    #: Another candidate took its place before it could be in force.
    REPLACED = "replaced"


class Step(StrEnum):
    """What a write was for, in the order in which an account goes through them.

    All but the reset may be repeated as often as one likes.
    """

    DISABLE = "disable"
    REVOKE_BEFORE = "revoke-before"
    RESET = "reset"
    REVOKE = "revoke"
    ENABLE = "enable"


class RunState(StrEnum):
    """Where a whole run stands, as `summary.json` says it."""

    PLANNED = "planned"
    RUNNING = "running"
    HALTED = "halted"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Account:
    """What the directory says of one account before anything is sent.

    `password_changed_at` is `lastPasswordChangeDateTime` to the letter: it is only ever compared with a later
    value of its own, never with a clock of ours.
    """

    object_id: str
    user: str
    display_name: str
    kind: Kind
    enabled: bool | None
    password_changed_at: str | None
    #: Its own mail addresses, in lower case.
    mailboxes: tuple[str, ...] = ()
    #: The on-premises domain that it comes from, in lower case; empty for all others.
    domain: str = ""
    is_restricted: bool = False
    #: Its password never expires.
    is_lasting: bool = False
    #: All the keys by which look-ups know it, as `policy.lookups` has them.
    names: frozenset[str] = frozenset()
    #: The directory's own words: JSON text of the properties that were asked for.
    said: str = field(default="{}", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Operator:
    """Who is signed in, and to which tenant.

    `object_id` is None for an application; `tenant` is empty where the tenant's name may not be read. `roles` are the
    directory roles held when that was last looked at, by name; None where they may not be read.
    """

    object_id: str | None
    user: str
    tenant_id: str
    tenant: str
    roles: frozenset[str] | None = None

    @property
    def is_application(self) -> bool:
        """Whether an application signed in as itself, with no person behind it."""
        return self.object_id is None

    @property
    def tenant_text(self) -> str:
        """The tenant as people read it, by its name where that is known."""
        return f"{self.tenant} ({self.tenant_id})" if self.tenant else self.tenant_id


def outcome_of(state: State) -> Outcome:
    """Say how a row in `state` is accounted for when the run has ended.

    A row still between intent and answer, or with an operation nobody followed to its end, is `unresolved`:
    that is what is known of it.
    """
    match state:
        case State.READY:
            return Outcome.NOT_ATTEMPTED
        case State.SENDING | State.ACCEPTED | State.DOUBTFUL:
            return Outcome.UNRESOLVED
        case _:
            return Outcome(state.value)
