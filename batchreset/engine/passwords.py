"""Opening the sealed passwords of a run, and saying how sure each is."""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from batchreset.model import Fate, Outcome, State, outcome_of
from batchreset.status.changes import logged
from batchreset.status.schema import audit, candidates, resets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Engine

    from batchreset.secret import Secret
    from batchreset.vault.sealing import RunKey

#: States in which a candidate may be the account's password.
_SENT = (State.SENDING, State.ACCEPTED, State.DOUBTFUL, State.SUCCEEDED, State.UNRESOLVED)


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

    With `only`, those of rows of that outcome; with `user`, those of one account, by its UPN or object id.
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
        name = user.strip().lower()
        query = query.where((func.lower(resets.c.user) == name) | (func.lower(resets.c.object_id) == name))
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


def note_opening(engine: Engine, where: str) -> None:
    """Write to the audit trail that the passwords are being opened, by whom and where to."""
    change = logged("passwords opened", by=getpass.getuser(), to=where)
    with engine.begin() as connection:
        connection.execute(audit.insert(), change.values)
