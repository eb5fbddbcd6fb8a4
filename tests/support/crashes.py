"""Runs whose processes die, one after the other, and what is to be true of each when it has come to its end.

The tenant is a process of its own, and outlives them all; what it remembers is held against the status table, the
report and the opened passwords.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sqlalchemy import select

from batchreset.auth.token import GivenToken
from batchreset.cli.rehearse import claims_of
from batchreset.engine.keys import key_needed
from batchreset.engine.passwords import opened
from batchreset.engine.plan import Inputs, make
from batchreset.engine.result import FINISHED, WITH_FAILURES, reconciled
from batchreset.model import ENDED, Method, PasswordSource, RevokeSessions, State, Step
from batchreset.rehearsal.behaviour import Behaviour, Fault, Spread
from batchreset.rehearsal.check import disagreements
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant, What
from batchreset.secret import Secret
from batchreset.settings import Settings
from batchreset.status import database, schema
from tests.support.desk import user
from tests.support.victim import Life, Moment, begin, ended, pipe, victim

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from batchreset.engine.passwords import OpenedPassword
    from batchreset.rehearsal.population import User
    from batchreset.rehearsal.tenant import Account

Record: TypeAlias = "Mapping[str, Account]"

#: No quota, and operations that overtake each other.
BEHAVIOUR = Behaviour(
    writes=None,
    units=None,
    latency=Spread(0.005, 0.5),
    cloud_operation=Spread(0.1, 0.8),
    synchronised_operation=Spread(0.1, 0.8),
)
#: What may go wrong besides, without minutes passing.
FAULTS = (
    *(Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.SERVER_ERROR, Fault.TIMEOUT_AFTER, Fault.CONCURRENCY),
    *(Fault.HTML_PAGE, Fault.NO_LOCATION, Fault.REJECTED, Fault.OPERATION_FAILS, Fault.OPERATION_UNREADABLE),
)
#: The share of accounts that have each of them.
_FAULT_RATE = 0.04
KILLED = "at any time"
_PATIENCE = 120.0
_CHANGES = frozenset({What.APPLIED, What.REVOKED, What.DISABLED, What.ENABLED})
_ENDS = {FINISHED, WITH_FAILURES}


@dataclass(frozen=True)
class Story:
    """One run: its accounts, its settings, and the deaths of its processes.

    A whole number is the moment at which a process dies by its own hand, a broken one the seconds after which it is
    killed.
    """

    name: str
    accounts: tuple[User, ...]
    deaths: tuple[float, ...]
    has_key: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Told:
    """What a story's run said in the end, and at which moments its processes died."""

    story: Story
    deaths: Counter[str]
    rows: list[dict[str, str]]
    passwords: list[OpenedPassword]
    sends: list[Any]
    candidates: list[Any]
    states: Counter[str]
    faults: list[str] = field(default_factory=list)


@dataclass
class Beside:
    """The tenant in its process; it gives out its record when all is over."""

    url: str
    token: str
    line: Any

    def remember(self) -> Record:
        """End it, and return what it remembers of each account by its id; what was under way has come to its end."""
        self.line.send("end")
        record: Record = self.line.recv()
        return record


@contextmanager
def tenant_beside(accounts: Iterable[User], behaviour: Behaviour = BEHAVIOUR) -> Iterator[Beside]:
    """Run a tenant of these accounts in a process of its own."""
    ours, theirs = pipe()
    process = begin(_serve, theirs, list(accounts), behaviour)
    theirs.close()  # so that its end is noticed here
    try:
        url, token = ours.recv()
        yield Beside(url, token, ours)
    finally:
        process.kill()
        ended(process, _PATIENCE)


def _serve(line: Any, accounts: list[User], behaviour: Behaviour) -> None:
    tenant = Tenant(accounts, behaviour)

    async def until_told() -> None:
        async with serve(tenant) as url:
            line.send((url, tenant.token))
            await asyncio.to_thread(line.recv)

    asyncio.run(until_told())
    tenant.settle()
    line.send(tenant.accounts)


def live(story: Story, out: Path, beside: Beside) -> Told:
    """Let a run's processes die as the story has it, let the last one finish it, and read what is there."""
    folder = asyncio.run(planned(story, out, beside))
    deaths: Counter[str] = Counter()
    for death in story.deaths:
        status = _end_of(Life(folder, beside.token, _moment(death), story.has_key), death)
        if status in _ENDS:
            break
        deaths[Moment(status).name.lower().replace("_", " ") if status > 0 else KILLED] += 1
    return finish(story, folder, beside, deaths)


def finish(story: Story, folder: Path, beside: Beside, deaths: Counter[str] | None = None) -> Told:
    """Let a process finish a run, and read what is there."""
    status = _end_of(Life(folder, beside.token, has_key=story.has_key), math.inf)
    told = _read(story, folder, deaths or Counter())
    if status not in _ENDS:
        told.faults.append(f"the last process ended with status {status}")
    return told


def _moment(death: float) -> float:
    return death if isinstance(death, int) else math.inf


def _end_of(life: Life, death: float) -> int:
    """Run a process to its end, or to its death."""
    with victim(life) as process:
        status = ended(process, _PATIENCE if isinstance(death, int) or math.isinf(death) else death)
        if status is None:
            process.kill()
            status = ended(process, _PATIENCE)
        return status or 0


async def planned(story: Story, out: Path, beside: Beside) -> Path:
    """Plan a story's run; return its folder."""
    out.mkdir(parents=True)  # noqa: ASYNC240  nothing else goes on here
    cohort = out / "cohort.csv"
    cohort.write_text("\n".join(["upn", *(each.user_principal_name for each in story.accounts)]), encoding="utf-8")
    usual: dict[str, Any] = {"workers": 1, "deadline": "2s", "directory_lag": "1s", "max_failures": "100%"}
    usual |= {"revoke_sessions": RevokeSessions.NEVER, "canary": 0}
    settings = Settings(out=out, graph_url=beside.url, **(usual | dict(story.settings)))
    return (await make(Inputs([str(cohort)], GivenToken(Secret(beside.token))), settings)).folder


def _read(story: Story, folder: Path, deaths: Counter[str]) -> Told:
    engine = database.connect(folder)
    try:
        with engine.connect() as connection:
            mine = schema.resets.c.object_id
            query = select(mine, schema.sends).join(schema.sends).order_by(schema.sends.c.intent_at)
            sends = list(connection.execute(query).all())
            candidates = list(connection.execute(select(mine, schema.candidates.c.fate).join(schema.candidates)))
            states = Counter(connection.execute(select(schema.resets.c.state)).scalars())
        passwords = list(opened(engine, key_needed(folder)))
    finally:
        engine.dispose()
    return Told(story, deaths, list(reconciled(folder)), passwords, sends, candidates, states)


def faults_of(told: Told, record: Record) -> list[str]:
    """Hold all that was told against what the tenant remembers: one sentence for each disagreement."""
    tenant = Tenant()
    tenant.accounts = {account.id: record[account.id] for account in told.story.accounts}
    found = [*told.faults, *_of_run(told, record), *disagreements(tenant, claims_of(told.rows, told.passwords))]
    return [f"{told.story.name}: {fault}" for fault in found]


def _of_run(told: Told, record: Record) -> Iterator[str]:
    rows = Counter(row["object_id"] for row in told.rows)
    if rows != Counter(account.id for account in told.story.accounts):
        yield "the report does not have one row for each account"
    if open_ := {state for state in told.states if State(state) not in ENDED}:
        yield f"rows were left {', '.join(sorted(open_))}"
    outcomes = {row["object_id"]: row for row in told.rows}
    for account in told.story.accounts:
        row, remembered = outcomes.get(account.id), record[account.id]
        if row is not None:
            who = account.user_principal_name
            wrong = (*_of_row(told, row, remembered), *_of_steps(told, row, remembered))
            yield from (f"{who} ({row['outcome']}: {row['detail']}): {fault}" for fault in wrong)


def _of_row(told: Told, row: dict[str, str], account: Account) -> Iterator[str]:
    """Yield what is wrong with one row."""
    user, story = account.user, told.story
    applied = any(event.what is What.APPLIED for event in account.events)
    writes = [send for send in told.sends if send.object_id == user.id]
    sends = [send for send in writes if send.step == Step.RESET]
    passwords = [each for each in told.passwords if each.object_id == user.id]
    arrived = [event.client_request_id for event in account.events if event.what is What.RECEIVED]
    if not set(arrived) <= {send.client_request_id for send in writes}:
        yield "a write arrived whose intent is not on disk"
    if len(arrived) > len(set(arrived)):
        yield "a write arrived twice"
    if any(send.verdict == "accepted" for send in sends[:-1]):
        yield "it was sent again although it had been accepted"
    if user.synchronised and sum(send.verdict in {None, "ambiguous", "accepted"} for send in sends) > 1:
        yield "it was sent again in doubt"
    if not user.faults and not user.synchronised and row["outcome"] != "succeeded":
        yield "it was to be reset"
    if row["outcome"] == "unresolved" and applied and not user.faults:
        yield "the directory knew"
    is_told = story.settings.get("password_source") is not PasswordSource.SYSTEM
    if applied and is_told and account.password not in {each.password.reveal() for each in passwords}:
        yield "no password handed out is the one in force"
    in_force = sum(each.object_id == user.id and each.fate == "in_force" for each in told.candidates)
    if in_force > 1 or (in_force < 1 and any(each.certainty == "sure" for each in passwords)):
        yield f"{in_force} candidates are said to be in force"
    if (
        is_told
        and story.has_key
        and row["outcome"] == "succeeded"
        and [each.certainty for each in passwords] != ["sure"]
    ):
        yield "its password is not sure"


def _of_steps(told: Told, row: dict[str, str], account: Account) -> Iterator[str]:
    """Yield what is wrong with what went with a reset, in a story that blocks, revokes before and after, and opens."""
    if "disable" not in told.story.settings:
        return
    his = [send for send in told.sends if send.object_id == account.user.id]
    accepted = {send.step for send in his if send.verdict == "accepted"}
    done = [event.what for event in account.events if event.what in _CHANGES]
    if What.ENABLED in done and not account.user.enabled:
        yield "it was blocked before, and was opened"
    if What.DISABLED in done and not account.user.enabled:
        yield "it was blocked before, and was blocked again"
    if row["outcome"] == "succeeded":
        # A reset in doubt that was sent again may take effect once more.
        if What.APPLIED in done and What.REVOKED not in done[done.index(What.APPLIED) :]:
            yield "its sessions were not revoked after the password took effect"
        if account.user.enabled != account.enabled or not {Step.REVOKE_BEFORE, Step.REVOKE} <= accepted:
            yield "it was not left as it was to be"
    elif account.user.enabled and account.enabled and Step.DISABLE in accepted:
        yield "it was not reset, and is open"
    if account.user.enabled and not account.enabled and Step.DISABLE not in accepted:
        yield "it was left blocked, and nothing says so"


class Way(NamedTuple):
    """A way to reset: the moments there are in it, of which `every` so many are taken in one turn."""

    moments: int
    every: int
    has_key: bool = True
    settings: Mapping[str, Any] = MappingProxyType({})


WAYS: Mapping[str, Way] = MappingProxyType(
    {
        "with-key": Way(36, 1),
        "keyless": Way(36, 3, has_key=False),
        "system": Way(36, 4, settings={"password_source": PasswordSource.SYSTEM}),
        "profile": Way(30, 3, settings={"method": Method.PASSWORD_PROFILE}),
        "steps": Way(
            60, 4, settings={"revoke_sessions": RevokeSessions.BOTH, "disable": True, "enable": True, "workers": 2}
        ),
    }
)


def in_turn(seed: int = 0) -> Iterator[Story]:
    """Make stories without end that die at each moment in turn, then a few times soon after they were taken up."""
    rng = random.Random(seed)
    for turn in itertools.count():
        stories = [
            (way, last)
            for way, each in WAYS.items()
            for last in range(1 + turn % each.every, each.moments + 1, each.every)
        ]
        rng.shuffle(stories)
        for way, last in stories:
            deaths = (last, *(rng.randint(1, 10) for _ in range(5)))
            yield story_of(f"{way}-{turn}-{last}", way, deaths)


def story_of(name: str, way: str, deaths: tuple[int, ...]) -> Story:
    """Make a story of four accounts, one of them synchronised where that can be reset this way."""
    has_key, settings = WAYS[way].has_key, WAYS[way].settings
    has_synchronised = not {"method", "password_source"} & settings.keys()
    accounts = tuple(
        user(f"{name}-{number}", synchronised=number == 1 and has_synchronised, enabled=number != 2 or way != "steps")
        for number in range(4)
    )
    return Story(name, accounts, deaths, has_key, settings)


def at_random(number: int, kills: int, seed: int = 0) -> Iterator[Story]:
    """Make stories of more accounts, with faults, whose processes are killed at any time, every other one keyless."""
    rng = random.Random(seed)
    for index in range(number):
        name = f"random-{seed}-{index}"
        accounts = tuple(
            user(
                f"{name}-{number}",
                *(fault for fault in FAULTS if rng.random() < _FAULT_RATE),
                synchronised=number % 4 == 1,
                on_premises_domain=f"d{number}",  # its own: it waits for nobody to show that writeback works
            )
            for number in range(24)
        )
        deaths = tuple(rng.uniform(0.2, 1.5) for _ in range(kills))
        yield Story(name, accounts, deaths, index % 2 == 0, {"workers": 4})
