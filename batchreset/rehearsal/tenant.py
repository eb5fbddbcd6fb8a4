"""The simulated tenant's state: accounts, operations, and its own record of what was done to whom.

Nothing runs by itself: what is due by now is applied whenever somebody looks. Passwords are held in memory only.
"""

from __future__ import annotations

import math
import random
import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import uuid4

from batchreset.rehearsal.behaviour import COURSES, ORDINARY_COURSE, STRIKES, Behaviour, Course, Fault, Route, Strike
from batchreset.rehearsal.population import OPERATOR, Group, User, iso
from batchreset.rehearsal.signin import SignIns
from batchreset.rehearsal.tokens import Grant, Tokens
from batchreset.rehearsal.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: How long an operation can be read.
OPERATION_KEPT = 24 * 3600.0
#: On-premises policy refuses a second change this soon (the minimum password age of a default domain policy).
MINIMUM_AGE = 24 * 3600.0
#: An operation has not started yet for this share of its time, and at most for so many seconds.
NOT_STARTED_SHARE, NOT_STARTED_MOST = 0.2, 2.0
#: `statusDetail` of an operation that succeeded. Source: Microsoft's "Get longRunningOperation".
RESET_SUCCESS = "ResetSuccess"
#: That of one which no on-premises agent took up.
WRITEBACK_AWAY = "OnPremisesConnectivityFailure"


class What(StrEnum):
    """What can happen to an account."""

    #: A write arrived that named it.
    RECEIVED = "received"
    #: The write was answered in a way that proves that nothing was done.
    REFUSED = "refused"
    #: An operation began.
    ACCEPTED = "accepted"
    #: A new password is in force.
    APPLIED = "applied"
    #: An operation ended without effect.
    FAILED = "failed"
    #: Its sessions were revoked.
    REVOKED = "revoked"
    #: It was blocked for sign-in, or opened again.
    DISABLED = "disabled"
    ENABLED = "enabled"


class MustChange(StrEnum):
    """Whether a user has to choose another password at the next sign-in, or only after a second factor."""

    NO = "no"
    YES = "yes"
    WITH_MFA = "with-mfa"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an account, `at` seconds of the tenant's life."""

    at: float
    what: What
    client_request_id: str | None
    #: The password that is in force from here on.
    password: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class Operation:
    """A reset under way, or ended: it takes effect at `ends_at`, which is infinite for one that never ends."""

    id: str
    account: Account
    password: str = field(repr=False)
    client_request_id: str | None
    course: Course
    began_at: float
    ends_at: float
    #: `statusDetail` of its end; None while it is under way.
    detail: str | None = None

    def status(self, now: float) -> str:
        """Return the status that a reader sees at `now`."""
        if self.detail is not None:
            return "succeeded" if self.detail == RESET_SUCCESS else "failed"
        if now < self.began_at + self.course.odd_for:
            return "validating"
        starts_after = min(NOT_STARTED_SHARE * (self.ends_at - self.began_at), NOT_STARTED_MOST)
        return "notStarted" if now < self.began_at + starts_after else "running"


@dataclass(slots=True, eq=False)
class Account:
    """A user, what has become of them, and the events in order."""

    user: User
    enabled: bool
    password_changed_at: str
    sessions_valid_from: str
    faults: tuple[Fault, ...]
    #: None until the first reset: the tenant never knew the old one.
    password: str | None = field(default=None, repr=False)
    reset_at: float | None = None
    must_change: MustChange = MustChange.NO
    #: A change that look-ups do not show yet: when they will, and what.
    unseen: tuple[float, str] | None = None
    under_way: list[Operation] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    #: How often each fault has struck: its resets, and each kind of other write for itself.
    strikes: Counter[Fault | tuple[What, Fault]] = field(default_factory=Counter)

    def struck(self, step: What | None = None) -> Strike | None:
        """Return what goes wrong with the reset, or other `step`, that has just been asked for, if anything does."""
        for fault in self.user.step_faults if step else self.faults:
            strike, counted = STRIKES.get(fault), (step, fault) if step else fault
            if strike is not None and self.strikes[counted] < strike.times:
                self.strikes[counted] += 1
                return strike
        return None

    @property
    def course(self) -> Course:
        """How this account's operations go."""
        return next((COURSES[fault] for fault in self.faults if fault in COURSES), ORDINARY_COURSE)


class Tenant:
    """A directory of `users`, `groups` and the operator, behaving as told, which remembers everything that happened.

    `domains` are the verified ones, each `Managed` or `Federated`; by default those of all users, managed.
    `token` is a bearer token that it takes: the operator's, with every permission. Others are issued by `sign_ins`
    and known to `tokens`. Its time is `now`, in seconds: it passes only while the tenant is served.
    """

    def __init__(
        self,
        users: Iterable[User] = (),
        behaviour: Behaviour | None = None,
        groups: Iterable[Group] = (),
        domains: Mapping[str, str] | None = None,
    ) -> None:
        """Open the tenant's books."""
        self.behaviour = behaviour or Behaviour()
        self.token = secrets.token_urlsafe(32)
        self.tokens = Tokens()
        self.tokens.admit(self.token, Grant())
        self.sign_ins = SignIns(self.behaviour.sign_in)
        #: What happens to answers on their way out.
        self.troubles = Troubles()
        self._role_ends_at = self.behaviour.role_ends_at
        self.started_at = datetime.now(UTC)
        self.clock: Callable[[], float] = lambda: 0.0
        #: Where it is served, without a trailing slash.
        self.url = ""
        self.rng = random.Random(self.behaviour.seed)
        self.requests: Counter[tuple[Route, int | None]] = Counter()
        self.operations: dict[str, Operation] = {}
        self.accounts: dict[str, Account] = {}
        self._by_name: dict[str, Account] = {}
        #: Who goes by a mail address that is not the UPN, or by a name of Active Directory's.
        self._also_named: dict[str, list[Account]] = defaultdict(list)
        for user in (OPERATOR, *users):
            self._admit(user)
        self.groups = {group.id.lower(): group for group in groups}
        found = (account.user.domain for account in self.accounts.values())
        self.domains = dict.fromkeys(found, "Managed") if domains is None else dict(domains)

    @property
    def now(self) -> float:
        """Seconds of the tenant's life."""
        return self.clock()

    def wall(self, at: float) -> str:
        """Write a moment of the tenant's life as a time of day."""
        return iso(self.started_at + timedelta(seconds=at))

    def context(self, path: str) -> str:
        """Return the OData context of an answer."""
        return f"{self.url}/v1.0/$metadata#{path}"

    def find(self, name: str) -> Account | None:
        """Return the account of an object id or UPN, with everything applied that is due."""
        key = name.lower()
        account = self.accounts.get(key) or self._by_name.get(key)
        return self.up_to_date(account) if account else None

    def named(self, name: str) -> list[Account]:
        """Return the accounts that have a name of any kind: object id, UPN, mail address or logon name."""
        key = name.lower()
        others = (account for account in self._also_named.get(key, ()) if account.user.id.lower() in self.accounts)
        first = self.find(name)
        return [*([first] if first else []), *(self.up_to_date(each) for each in others if each is not first)]

    def up_to_date(self, account: Account) -> Account:
        """Return the account with everything applied that is due."""
        if account.under_way:
            self._settle(account, self.now)
        if account.unseen and account.unseen[0] <= self.now:
            account.password_changed_at, account.unseen = account.unseen[1], None
        return account

    def password_of(self, object_id: str) -> str | None:
        """Return the password in force, or None where it was never reset."""
        account = self.find(object_id)
        return account.password if account else None

    def events_of(self, object_id: str) -> list[Event]:
        """Return what happened to an account, in order."""
        account = self.find(object_id)
        return list(account.events) if account else []

    @property
    def has_role(self) -> bool:
        """Whether whoever is signed in holds their directory role now."""
        return self.now < self._role_ends_at

    def end_role(self) -> None:
        """Let the directory role of whoever is signed in come to its end."""
        self._role_ends_at = self.now

    def activate_role(self, seconds: float = math.inf) -> None:
        """Give the directory role back, for a time."""
        self._role_ends_at = self.now + seconds

    def challenge(self) -> None:
        """Answer with a claims challenge until a token is issued for its claims, as after a policy has changed."""
        born = self.started_at + timedelta(seconds=self.now)
        self.tokens.challenge({"nbf": {"essential": True, "value": str(int(born.timestamp()))}})

    def end_sign_in(self) -> None:
        """Take no token, and refresh none, that was issued so far."""
        self.tokens.revoke()
        self.sign_ins.revoke()

    def note(self, account: Account, what: What, client_request_id: str | None) -> None:
        """Remember what has just happened to an account."""
        account.events.append(Event(self.now, what, client_request_id, account.password))

    def accept(self, account: Account, password: str, client_request_id: str | None) -> Operation:
        """Begin a reset, which takes effect when its operation ends."""
        behaviour = self.behaviour
        spread = behaviour.synchronised_operation if account.user.synchronised else behaviour.cloud_operation
        course, now = account.course, self.now
        # A course that never ends does not end where operations take no time either.
        seconds = course.stretch if course.stretch == math.inf else spread.draw(self.rng) * course.stretch
        operation = Operation(str(uuid4()), account, password, client_request_id, course, now, now + seconds)
        self.operations[operation.id] = operation
        account.under_way.append(operation)
        self.note(account, What.ACCEPTED, client_request_id)
        return operation

    def operation(self, operation_id: str) -> Operation | None:
        """Return an operation that can be read now."""
        operation = self.operations.get(operation_id)
        if operation is None or not operation.course.hidden_for <= self.now - operation.began_at < OPERATION_KEPT:
            return None
        self.up_to_date(operation.account)
        return operation

    def put_in_force(self, account: Account, password: str, client_request_id: str | None, at: float) -> None:
        """Give an account its new password, which has to be changed at the next sign-in."""
        account.password, account.reset_at, account.must_change = password, at, MustChange.YES
        account.unseen = at + self.behaviour.directory_lag, self.wall(at)
        account.events.append(Event(at, What.APPLIED, client_request_id, password))

    def settle(self) -> None:
        """Let every operation that will ever end come to its end, to judge what was done when all is over."""
        for account in self.accounts.values():
            self._settle(account, OPERATION_KEPT + self.now)

    def _settle(self, account: Account, now: float) -> None:
        """Apply what is due by `now`, in the order in which it fell due."""
        due = sorted((one for one in account.under_way if one.ends_at <= now), key=lambda one: one.ends_at)
        for operation in due:
            account.under_way.remove(operation)
            operation.detail = operation.course.fails or self._on_premises(account, operation)
            if operation.detail == RESET_SUCCESS:
                self.put_in_force(account, operation.password, operation.client_request_id, operation.ends_at)
            else:
                failed = Event(operation.ends_at, What.FAILED, operation.client_request_id, account.password)
                account.events.append(failed)

    def _on_premises(self, account: Account, operation: Operation) -> str:
        if account.user.synchronised and account.user.on_premises_domain in self.behaviour.dead_writeback:
            return WRITEBACK_AWAY
        too_soon = account.reset_at is not None and operation.ends_at - account.reset_at < MINIMUM_AGE
        too_short = len(operation.password) < self.behaviour.shortest_password
        refused = account.user.synchronised and (too_soon or too_short)
        return "OnPremisesPolicyViolation" if refused else RESET_SUCCESS

    def _admit(self, user: User) -> None:
        drawn = (fault for fault, rate in self.behaviour.fault_rates.items() if self.rng.random() < rate)
        account = Account(
            user, user.enabled, user.password_changed_at, user.password_changed_at, (*user.faults, *drawn)
        )
        self.accounts[user.id.lower()] = account
        self._by_name[user.user_principal_name.lower()] = account
        for name in filter(None, (user.mail, *user.aliases, user.logon_name)):
            self._also_named[name.lower()].append(account)
