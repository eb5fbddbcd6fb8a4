"""A desk to run batches from: a simulated tenant on loopback, a folder for runs, and all there is to see afterwards."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

import jwt
import pytest

from batchreset.auth.token import GivenToken
from batchreset.cli.rehearse import claims_of
from batchreset.engine.keys import key_at_hand
from batchreset.engine.passwords import opened
from batchreset.engine.plan import Inputs, make
from batchreset.engine.result import exit_status, reconciled
from batchreset.engine.resume import agree, prepare
from batchreset.engine.runner import Means, carry_out
from batchreset.model import RevokeSessions
from batchreset.rehearsal.behaviour import UNHINDERED, Behaviour, Fault, Spread
from batchreset.rehearsal.check import disagreements
from batchreset.rehearsal.population import DOMAIN, TENANT_ID, User
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.signin import Application
from batchreset.rehearsal.tenant import Tenant, What
from batchreset.rehearsal.tokens import Grant
from batchreset.secret import Secret
from batchreset.settings import Settings
from batchreset.status import database, record
from batchreset.status.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

    from batchreset.auth.token import TokenSource
    from batchreset.engine.passwords import OpenedPassword
    from batchreset.engine.plan import Plan
    from batchreset.engine.progress import Snapshot
    from batchreset.rehearsal.population import Group
    from batchreset.report import Summary
    from batchreset.status.changes import Change
    from tests.support.clock import VirtualLoop

#: No quota, no latency, and operations of five seconds to the letter.
STEADY = replace(UNHINDERED, cloud_operation=Spread(5), synchronised_operation=Spread(5))

_COMMIT = Writer.commit


def app_token(lasts: float = 3600.0) -> str:
    """Write an access token as an application has it, which ends in so many seconds of real time."""
    application = Application()
    claims = {"idtyp": "app", "oid": application.object_id, "tid": TENANT_ID, "appid": application.client_id}
    return jwt.encode({**claims, "exp": int(time.time() + lasts)}, "a key that nobody checks, 32 bytes and more")


def user(name: str, *faults: Fault, **changes: Any) -> User:
    """Make an account of that name; `changes` are fields of `User`."""
    account = User(id=object_id(name), user_principal_name=upn(name), display_name=name.title(), faults=faults)
    return replace(account, **changes)


def users(count: int, *faults: Fault, **changes: Any) -> list[User]:
    """Make so many accounts: user000, user001 and on."""
    return [user(f"user{number:03}", *faults, **changes) for number in range(count)]


def upn(name: str) -> str:
    return f"{name}@{DOMAIN}"


def object_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


@dataclass(frozen=True)
class Run:
    """A run that has ended, and the tenant that knows better."""

    folder: Path
    tenant: Tenant
    summary: Summary
    halted_because: str | None
    rows: list[dict[str, str]]
    passwords: list[OpenedPassword]

    @property
    def counts(self) -> dict[str, int]:
        """Rows by outcome, those that occur."""
        return {outcome: count for outcome, count in self.summary.counts.items() if count}

    @property
    def status(self) -> int:
        """The exit status of the command."""
        return exit_status(self.summary, ())

    def row(self, name: str) -> dict[str, str]:
        """Return the one line of the reconciliation for that account."""
        (found,) = (row for row in self.rows if row["user"] == upn(name))
        return found

    def sends(self, name: str) -> int:
        """Count the writes for that account that reached the tenant."""
        return happened(self.tenant, name).count(What.RECEIVED)

    def disagreements(self) -> list[str]:
        """Return what is claimed of rows and passwords that the tenant knows better."""
        return disagreements(self.tenant, claims_of(self.rows, self.passwords))


def happened(tenant: Tenant, name: str) -> list[What]:
    """Return what the tenant remembers of an account."""
    return [event.what for event in tenant.events_of(object_id(name))]


def sent_in_order(tenant: Tenant) -> list[tuple[float, str]]:
    """Return when whose reset came in, in order, in seconds of the tenant's life."""
    received = [
        (event.at, account.user.user_principal_name.partition("@")[0])
        for account in tenant.accounts.values()
        for event in tenant.events_of(account.user.id)
        if event.what is What.RECEIVED
    ]
    return sorted(received, key=itemgetter(0))


def remove(tenant: Tenant, name: str) -> None:
    """Delete an account."""
    del tenant.accounts[object_id(name)], tenant._by_name[upn(name)]


async def _commit_in_no_time(self: Writer, *changes: Change) -> None:
    """Let the clock stand still while an intent is written: what the disk takes must not look like minutes."""
    clock = cast("VirtualLoop", asyncio.get_running_loop())._selector_with_clock
    clock.working += 1
    try:
        await _COMMIT(self, *changes)
    finally:
        clock.working -= 1


class Desk:
    """Plans and carries out runs on a tenant that is being served."""

    def __init__(self, tenant: Tenant, settings: Settings) -> None:
        self.tenant = tenant
        self.settings = settings
        self.tokens: TokenSource = GivenToken(Secret(tenant.token))

    async def plan(self, *lines: str, header: str = "userPrincipalName", **inputs: Any) -> Plan:
        """Plan a cohort of CSV lines; without any, of all the tenant's accounts but the operator."""
        if not lines:
            lines = tuple(each.user.user_principal_name for each in list(self.tenant.accounts.values())[1:])
        cohort = self.settings.out / "cohort.csv"
        cohort.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return await make(Inputs([str(cohort)], self.tokens, **inputs), self.settings)

    async def carry_out(self, plan: Plan, progress: Callable[[Snapshot], None] = lambda _: None) -> Run:
        """Carry a plan out."""
        means = Means(self.tokens, plan.key or key_at_hand(plan.folder), progress)
        return self.look(plan.folder, await carry_out(plan.folder, self.settings, means))

    async def run(self, *lines: str, **more: Any) -> Run:
        """Plan and carry out."""
        return await self.carry_out(await self.plan(*lines, **more))

    def lose_sign_in(self) -> None:
        """Let the token be taken no more."""
        self.tenant.end_sign_in()

    def sign_in_again(self) -> None:
        """Have another token."""
        self.tenant.tokens.admit("renewed", Grant())
        self.tokens = GivenToken(Secret("renewed"))

    def use(self, token: str, grant: Grant) -> None:
        """Have another token, which allows so much."""
        self.tenant.tokens.admit(token, grant)
        self.tokens = GivenToken(Secret(token))

    def be_an_application(self, *permissions: str, lasts: float = 3600.0) -> None:
        """Have the token of an application, which tells who it is; without `permissions` it has them all."""
        self.use(app_token(lasts), Grant(is_app_only=True, permissions=frozenset(permissions) or None))

    async def resume(self, folder: Path, *, retry_failed: bool = False, anyway: bool = False) -> Run:
        """Take a run up again, as another process would: with the key from its folder."""
        plan = await prepare(folder, self.settings, self.tokens, retry_failed=retry_failed, anyway=anyway)
        agree(plan)
        return await self.carry_out(plan)

    def look(self, folder: Path, summary: Summary) -> Run:
        """Read what a run left behind."""
        engine = database.connect(folder)
        try:
            key = key_at_hand(folder)
            why, passwords = record.load(engine).halted_because, list(opened(engine, key)) if key else []
        finally:
            engine.dispose()
        return Run(folder, self.tenant, summary, why, list(reconciled(folder)), passwords)


@asynccontextmanager
async def at_desk(
    out: Path,
    accounts: Iterable[User],
    behaviour: Behaviour = STEADY,
    groups: Iterable[Group] = (),
    domains: Mapping[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[Desk]:
    """Serve a tenant of those accounts and groups, in virtual time.

    The key is a file in `out`, and `settings` are fields of `Settings`: without them nothing is sent but resets, and no
    row waits for a canary.
    """
    tenant = Tenant(accounts, behaviour, groups, domains)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCHRESET_IDENTITY", str(out / "identity.txt"))
        patch.setenv("XDG_STATE_HOME", str(out / "state"))
        patch.setattr(Writer, "commit", _commit_in_no_time)
        async with serve(tenant) as url:
            plain: dict[str, Any] = {"revoke_sessions": RevokeSessions.NEVER, "canary": 0}
            yield Desk(tenant, Settings(out=out, graph_url=url, **(plain | settings)))
