"""Handing opened passwords over to a program, one account after the other, each noted as soon as it is done."""

from __future__ import annotations

import json
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import DatabaseError

from batchreset.clock import timestamp
from batchreset.cohort.contacts import addresses_in, contact_column, is_own
from batchreset.engine.passwords import note_opening, opened
from batchreset.engine.trail import noted
from batchreset.policy.lookups import plain
from batchreset.status import record
from batchreset.status.schema import candidates, resets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from sqlalchemy import Engine

    from batchreset.engine.executables import Executable
    from batchreset.engine.passwords import OpenedPassword
    from batchreset.model import Outcome
    from batchreset.vault.sealing import RunKey

#: How many programs run at once, once the first has done its work.
_AT_ONCE = 4
#: Failures in a row that end it all: before anything has been handed over, and later.
_AT_FIRST, _IN_A_ROW = 3, 25
#: Seconds between two looks at whether to stop: Windows tells a waiting thread of no signal.
_EVERY = 0.2


class Why(StrEnum):
    """Why a password is not handed over, in words."""

    UNSURE = "nobody knows for sure which password is in force"
    NO_CONTACT = "it has no contact"
    OWN_MAILBOX = "its contact is the account's own mailbox or name"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which passwords are to be handed over, by way of which column."""

    contact: str | None = None
    user: str | None = None
    only: Outcome | None = None
    #: Those handed over before, too.
    again: bool = False


@dataclass(frozen=True, slots=True)
class Handover:
    """A password and by way of whom it is to reach the account's owner; None without a contact column."""

    run_id: str
    password: OpenedPassword
    contact: str | None

    @property
    def line(self) -> bytes:
        """What the program is told: a JSON object on a line of its own, in ASCII, which every encoding reads alike."""
        opened_ = self.password
        told: dict[str, Any] = {
            "account": opened_.user,
            "object_id": opened_.object_id,
            "display_name": opened_.display_name,
            "contact": self.contact,
            "password": opened_.password.reveal(),
            "source": opened_.source,
            "row": opened_.row,
            "run_id": self.run_id,
        }
        return json.dumps(told).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be handed over, what is not and why, and how many had been before."""

    column: str | None
    ready: list[Handover]
    left_out: dict[Why, list[OpenedPassword]]
    earlier: int
    #: How many contacts are accounts that this run was about, too.
    contacts_in_run: int


@dataclass(slots=True)
class Result:
    """What became of it: how many were handed over, which failed and why, and why it ended early, if it did."""

    done: int = 0
    failed: list[tuple[Handover, str]] = field(default_factory=list)
    #: Handed over, but the status table did not take it.
    unnoted: list[Handover] = field(default_factory=list)
    halted_because: str | None = None
    is_interrupted: bool = False


def prepare(engine: Engine, key: RunKey, wanted: Wanted) -> Prepared:
    """Open what is wanted and say what can be handed over. Raises `CohortError` where the contact column is not clear.

    Only passwords that are surely in force are; by way of a contact that is not the account itself.
    """
    run = record.load(engine)
    by_row = [list(group) for _, group in groupby(opened(engine, key, only=wanted.only, user=wanted.user), _reset_id)]
    with engine.connect() as connection:
        # Of all rows: who is wanted does not change which column says how to reach people.
        cells = map(json.loads, connection.execute(select(resets.c.cohort)).scalars())
        column = contact_column(run.cohort_columns, cells, wanted.contact)
        keys = {line.id: plain(line.key) for line in connection.execute(select(resets.c.id, resets.c.key))}
    accounts = set().union(*(addresses_in(name) for name in (*keys.values(), *(group[0].user for group in by_row))))
    ready: list[Handover] = []
    left_out: dict[Why, list[OpenedPassword]] = {}
    earlier = contacts_in_run = 0
    for group in by_row:
        first = group[0]
        contact = first.cohort.get(column, "").strip() if column else None
        if any(each.handed_over_at for each in group) and not wanted.again:
            earlier += 1
        elif why := _why_not(group, contact, keys[first.reset_id]):
            left_out.setdefault(why, []).append(first)
        else:
            contacts_in_run += not accounts.isdisjoint(addresses_in(contact or ""))
            ready.append(Handover(run.run_id, first, contact))
    return Prepared(column, ready, left_out, earlier, contacts_in_run)


def hand_over(
    engine: Engine,
    ready: Sequence[Handover],
    executable: Executable,
    stops: Callable[[], int] = lambda: 0,
    progress: Callable[[Result], None] = lambda _: None,
) -> Result:
    """Hand them over, a few at a time; each that the program ends well for is noted in the table and its trail at once.

    The run has to be `locked`. What was handed over before counts as left from now on. The first is handed over alone:
    what fails from the start, or often in a row, ends it. So does `stops`, which counts how often somebody wants it:
    once lets what is in hand end, twice stops that too. `progress` is told of each that has ended.
    """
    note_opening(engine, f"the command {executable.named_for_trail}", [each.password for each in ready])
    _forget_earlier(engine, ready)
    result, waiting, in_a_row = Result(), iter(ready), 0
    in_hand: dict[Future[str | None], Handover] = {}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        while True:
            result.is_interrupted = stops() > 0
            is_ending = result.is_interrupted or result.halted_because or result.unnoted
            while not is_ending and len(in_hand) < (_AT_ONCE if result.done else 1) and (item := next(waiting, None)):
                in_hand[threads.submit(executable.run, item.line, item.password.password)] = item
            if not in_hand:
                return result
            ended, _ = wait(in_hand, timeout=_EVERY, return_when=FIRST_COMPLETED)
            if stops() > 1:
                executable.kill()
            for future in ended:
                item, failure = in_hand.pop(future), future.result()
                in_a_row = in_a_row + 1 if failure else 0
                if failure:
                    result.failed.append((item, failure))
                else:
                    _note(engine, item, executable.named_for_trail, result)
                progress(result)
            if in_a_row >= (_IN_A_ROW if result.done else _AT_FIRST):
                result.halted_because = f"it failed {in_a_row} times in a row"


def _forget_earlier(engine: Engine, ready: Sequence[Handover]) -> None:
    """Count what is about to be handed over once more as left, so that those which fail can be repeated alone."""
    earlier = [{"candidate": each.password.candidate_id} for each in ready if each.password.handed_over_at]
    if earlier:
        statement = update(candidates).where(candidates.c.id == bindparam("candidate")).values(handed_over_at=None)
        with engine.begin() as connection:
            connection.execute(statement, earlier)


def _note(engine: Engine, item: Handover, command: str, result: Result) -> None:
    """Write down that a password was handed over, when, by whom, to what and by way of whom, in one transaction."""
    opened_ = item.password
    told = {"source": opened_.source, "row": opened_.row, "user": opened_.user, "contact": item.contact}
    try:
        with noted(engine, "handed over", reset_id=opened_.reset_id, command=command, **told) as connection:
            connection.execute(
                update(candidates).where(candidates.c.id == opened_.candidate_id).values(handed_over_at=timestamp())
            )
    except DatabaseError:
        result.unnoted.append(item)
    else:
        result.done += 1


def _why_not(group: Sequence[OpenedPassword], contact: str | None, key: str) -> Why | None:
    """Say why a row's password is not handed over; `group` holds all that may be in force, `key` names its account."""
    first = group[0]
    if any(each.certainty != "sure" for each in group):
        return Why.UNSURE
    if contact == "":
        return Why.NO_CONTACT
    own = (first.user, first.object_id, key, *first.mailboxes)
    return Why.OWN_MAILBOX if contact and is_own(contact, own) else None


def _reset_id(each: OpenedPassword) -> int:
    return each.reset_id
