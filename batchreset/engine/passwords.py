"""Opening the sealed passwords of a run, and saying how sure each is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from batchreset.engine.trail import noted
from batchreset.errors import SettingsError
from batchreset.model import IN_FLIGHT, Fate, Outcome, State, outcome_of
from batchreset.policy.lookups import spelt
from batchreset.status import record
from batchreset.status.schema import candidates, resets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Engine

    from batchreset.secret import Secret
    from batchreset.vault.sealing import RunKey

#: States in which a candidate may be the account's password.
_SENT = IN_FLIGHT | {State.SUCCEEDED, State.UNRESOLVED}


@dataclass(frozen=True, slots=True)
class OpenedPassword:
    """One password. `certainty` is `sure` when it took effect and no other can have, else `candidate`."""

    source: str
    row: int
    user: str
    object_id: str
    password: Secret
    certainty: str
    outcome: str
    reset_id: int
    candidate_id: int
    display_name: str
    #: The account's own addresses, in lower case.
    mailboxes: tuple[str, ...]
    handed_over_at: str | None
    #: The cohort's own columns.
    cohort: Mapping[str, str] = field(repr=False)


def opened(
    engine: Engine, key: RunKey, *, only: Outcome | None = None, user: str | None = None
) -> Iterator[OpenedPassword]:
    """Yield every password that is, or may be, in force, in input order.

    With `only`, those of rows of that outcome; with `user`, those of one account, by its UPN or object id, or as the
    cohort names it.
    """
    query = (
        select(
            resets.c.source,
            resets.c.row,
            resets.c.user,
            resets.c.object_id,
            resets.c.state,
            resets.c.display_name,
            resets.c.mailboxes,
            resets.c.cohort,
            candidates.c.reset_id,
            candidates.c.id.label("candidate_id"),
            candidates.c.sealed,
            candidates.c.fate,
            candidates.c.handed_over_at,
        )
        .join(candidates, candidates.c.reset_id == resets.c.id)
        .where(resets.c.state.in_(_SENT), candidates.c.fate.in_((Fate.POSSIBLE, Fate.IN_FORCE)))
        .order_by(resets.c.id, candidates.c.id)
    )
    if user is not None:
        query = query.where(_names(user))
    possible = select(candidates.c.reset_id).where(candidates.c.fate == Fate.POSSIBLE).distinct()
    with engine.connect() as connection:
        unsure = set(connection.execute(possible).scalars())
        for line in connection.execute(query):
            outcome = outcome_of(State(line.state))
            if line.sealed is None or only not in {None, outcome}:
                continue
            is_sure = line.fate == Fate.IN_FORCE and line.reset_id not in unsure
            yield OpenedPassword(
                source=line.source,
                row=line.row,
                user=line.user,
                object_id=line.object_id,
                password=key.unseal(line.sealed),
                certainty="sure" if is_sure else "candidate",
                outcome=outcome.value,
                reset_id=line.reset_id,
                candidate_id=line.candidate_id,
                display_name=line.display_name or "",
                mailboxes=tuple(json.loads(line.mailboxes)),
                handed_over_at=line.handed_over_at,
                cohort=json.loads(line.cohort),
            )


def why_none(engine: Engine, user: str, only: Outcome | None) -> str:
    """Say in a sentence why there is no password of this account to open."""
    query = (
        select(resets.c.source, resets.c.row, resets.c.state, resets.c.reason)
        .where(_names(user))
        # What became of an account stands in its first row; those that repeat it are left out.
        .order_by(resets.c.id)
    )
    with engine.connect() as connection:
        found = connection.execute(query).first()
    if found is None:
        return f"--user {user}: this run has no such account; give its UPN or its object id."
    outcome = outcome_of(State(found.state))
    told = f"{outcome.value} ({found.reason})" if found.reason else outcome.value
    left_out = f", and --only asks for {only.value}" if only not in {None, outcome} else ""
    where = f"row {found.row} of {found.source} is {told}{left_out}"
    return f"--user {user}: there is no password of this account to open: {where}."


def cohort_column(engine: Engine, name: str, option: str) -> str:
    """Find one of the cohort's own columns, whatever the case of its letters.

    Raises `SettingsError` naming those there are.
    """
    columns = record.load(engine).cohort_columns
    if name in columns:
        return name
    found = [column for column in columns if column.casefold() == name.strip().casefold()]
    if len(found) == 1:
        return found[0]
    there = f"it has {', '.join(columns)}" if columns else "it has none besides the account's"
    raise SettingsError(f"{option} {name}: this run's cohort has no such column; {there}.")


def note_opening(engine: Engine, where: str, passwords: Sequence[OpenedPassword]) -> None:
    """Write to the audit trail by whom these passwords are opened, and where to: before they are.

    `rows` has row numbers by source, and `candidates` the numbers of the passwords, both as `2-40,43`.
    """
    rows: dict[str, list[int]] = {}
    for each in passwords:
        rows.setdefault(each.source, []).append(each.row)
    told = {source: ranges(numbers) for source, numbers in rows.items()}
    candidate_ids = ranges(each.candidate_id for each in passwords)
    with noted(engine, "passwords opened", to=where, count=len(passwords), rows=told, candidates=candidate_ids):
        pass


def ranges(numbers: Iterable[int]) -> str:
    """Write numbers in order, and those that follow each other as one: `2-40,43`."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(sorted(set(numbers))), key=lambda each: each[1] - each[0])
    ]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _names(user: str) -> ColumnElement[bool]:
    name = user.strip().lower()
    return or_(func.lower(resets.c.user) == name, func.lower(resets.c.object_id) == name, resets.c.key.in_(spelt(user)))
