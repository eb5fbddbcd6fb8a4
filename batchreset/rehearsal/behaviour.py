"""How the simulated tenant behaves: its quotas, its pace, and everything that can go wrong, each by its name."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from batchreset.rehearsal.quota import DOCUMENTED_UNITS, DOCUMENTED_WRITES, Limit
from batchreset.rehearsal.signin import SignIn

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


#: The password method has this id in every tenant.
PASSWORD_METHOD = "28c10230-6103-485e-b985-444c60001490"  # noqa: S105  an id, no password


class Fault(StrEnum):
    """What can go wrong with one account's reset: at the request, or with the operation it began."""

    LOST_BEFORE = "lost-before"
    LOST_AFTER = "lost-after"
    UNAVAILABLE = "unavailable"
    SERVER_ERROR = "server-error"
    TIMEOUT_AFTER = "timeout-after"
    THROTTLED = "throttled"
    CONCURRENCY = "concurrency"
    HTML_PAGE = "html-page"
    SLOW_ANSWER = "slow-answer"
    NO_LOCATION = "no-location"
    REJECTED = "rejected"
    FORBIDDEN = "forbidden"

    OPERATION_FAILS = "operation-fails"
    OPERATION_REJECTS = "operation-rejects"
    OPERATION_NEVER_ENDS = "operation-never-ends"
    OPERATION_SLOW = "operation-slow"
    OPERATION_UNREADABLE = "operation-unreadable"
    OPERATION_LATE = "operation-late"
    OPERATION_ODD = "operation-odd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """What a fault does to a reset request: begin the reset or not, then this answer, to the first `times` requests.

    A `status` of None closes the connection without an answer; 202 is the usual answer. `delay` is in seconds.
    """

    status: int | None
    applied: bool = False
    times: float = 1
    code: str = ""
    retry_after: str | None = None
    html: bool = False
    delay: float = 0.0
    location: bool = True


STRIKES: Mapping[Fault, Strike] = MappingProxyType(
    {
        Fault.LOST_BEFORE: Strike(status=None),
        Fault.LOST_AFTER: Strike(status=None, applied=True),
        Fault.UNAVAILABLE: Strike(status=503, times=2, code="serviceNotAvailable", retry_after="1"),
        Fault.SERVER_ERROR: Strike(status=500, code="generalException"),
        Fault.TIMEOUT_AFTER: Strike(status=504, applied=True, code="gatewayTimeout"),
        Fault.THROTTLED: Strike(status=429, times=3, code="TooManyRequests", retry_after="2.128"),
        Fault.CONCURRENCY: Strike(status=409, code="Directory_ConcurrencyViolation"),
        Fault.HTML_PAGE: Strike(status=502, html=True),
        Fault.SLOW_ANSWER: Strike(status=202, applied=True, delay=120.0),
        Fault.NO_LOCATION: Strike(status=202, applied=True, times=math.inf, location=False),
        Fault.REJECTED: Strike(status=400, times=math.inf, code="PasswordPolicyViolation"),
        Fault.FORBIDDEN: Strike(status=403, times=math.inf, code="Authorization_RequestDenied"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How an operation goes: what it fails with, how much longer it takes, and what is seen of it (seconds)."""

    fails: str | None = None
    stretch: float = 1.0
    readable: bool = True
    hidden_for: float = 0.0
    odd_for: float = 0.0


COURSES: Mapping[Fault, Course] = MappingProxyType(
    {
        Fault.OPERATION_FAILS: Course(fails="ResetFailed"),
        Fault.OPERATION_REJECTS: Course(fails="PasswordPolicyViolation"),
        Fault.OPERATION_NEVER_ENDS: Course(stretch=math.inf),
        Fault.OPERATION_SLOW: Course(stretch=30.0),
        Fault.OPERATION_UNREADABLE: Course(readable=False),
        Fault.OPERATION_LATE: Course(hidden_for=5.0),
        Fault.OPERATION_ODD: Course(odd_for=5.0),
    }
)
ORDINARY_COURSE = Course()


class Route(StrEnum):
    """The kinds of request the tenant knows; requests are counted, and permissions taken away, by these."""

    ME = "me"
    ORGANIZATION = "organization"
    USERS = "users"
    USER = "user"
    ROLES = "roles"
    ELIGIBLE = "eligible"
    OWN_ROLES = "own-roles"
    GROUPS = "groups"
    GROUP = "group"
    MEMBERS = "members"
    OWNERS = "owners"
    RISKY = "risky"
    BATCH = "batch"
    OPERATION = "operation"
    RESET = "reset"
    UPDATE = "update"
    REVOKE = "revoke"
    UNKNOWN = "unknown"


WRITES = frozenset({Route.RESET, Route.UPDATE, Route.REVOKE})


@dataclass(frozen=True, slots=True)
class Spread:
    """A lognormal duration: `median` seconds (0 for none at all), `sigma` of its logarithm."""

    median: float
    sigma: float = 0.0

    def draw(self, rng: random.Random) -> float:
        """Return one duration in seconds."""
        return self.median * math.exp(rng.gauss(0.0, self.sigma)) if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Outage:
    """The whole service away between two times, in seconds of the tenant's life.

    Connections are closed without an answer, or answered 503.
    """

    start: float
    end: float
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Everything about the tenant but its users. A quota of None is no quota.

    `updates` is the quota of PATCH where it has one of its own beside `writes`, and `revokes` that of revoking
    sessions. `fault_rates` strikes that share of the accounts, drawn once from `seed`. `forbidden` are the routes that
    the operator's role does not open: they answer 403, as all that needs a role does from `role_ends_at` on. Unless
    `may_activate_roles`, the tenant has no licence for roles that are activated when needed. Operations of accounts
    that are synchronised from a domain in `dead_writeback` fail. A new password shows in the directory's look-ups
    `directory_lag` later. Passwords shorter than `shortest_password` are refused, also where the rules would take
    them. `look_after` is the Retry-After of every reset that is taken; without it one in four has one. Times are
    seconds of the tenant's life.
    """

    seed: int = 0
    writes: Limit | None = DOCUMENTED_WRITES
    updates: Limit | None = None
    revokes: Limit | None = None
    units: Limit | None = DOCUMENTED_UNITS
    latency: Spread = Spread(0.05, 0.4)
    cloud_operation: Spread = Spread(5.0, 0.6)
    synchronised_operation: Spread = Spread(15.0, 0.3)
    fault_rates: Mapping[Fault, float] = field(default_factory=dict)
    outages: tuple[Outage, ...] = ()
    forbidden: frozenset[Route] = frozenset()
    may_reset_privileged: bool = False
    may_activate_roles: bool = True
    dead_writeback: frozenset[str] = frozenset()
    role_ends_at: float = math.inf
    directory_lag: float = 0.0
    look_after: float | None = None
    shortest_password: int = 0
    sign_in: SignIn = field(default_factory=SignIn)


#: A tenant that answers at once, refuses nothing and ends every operation immediately: for measuring clients.
UNHINDERED = Behaviour(
    writes=None, units=None, latency=Spread(0), cloud_operation=Spread(0), synchronised_operation=Spread(0)
)
