"""Screening in the status table: which rows are to be looked up, what the directory said of them, who is left out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import String, bindparam, cast, delete, func, insert, select, update

from batchreset.clock import timestamp
from batchreset.model import Account, Mark, Reason, State, Step
from batchreset.status.changes import refuse_illegal
from batchreset.status.schema import evidence, resets, sends

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection, Engine

    from batchreset.policy.screening import Exclusion

#: Of rows in these states no reset can have been applied.
_UNTOUCHED = (State.READY, State.FAILED)
#: What was answered so, or not at all, may have been applied.
_MAY_BE_APPLIED = sends.c.verdict.is_(None) | sends.c.verdict.in_(("accepted", "ambiguous"))
_KNOWN = (
    *("object_id", "user", "display_name", "kind", "mailboxes", "domain", "marks"),
    *("enabled_before", "password_changed_before"),
)
_BEFORE = "before"


class Unscreened(NamedTuple):
    """A row to be looked up by `key`, and what is known of its account from before this run touched it.

    `is_blocked` says that this run blocked the account or may have, `is_in_doubt` that it may have reset it.
    """

    id: int
    key: str
    is_blocked: bool
    is_in_doubt: bool
    enabled_before: int | None
    password_changed_before: str | None

    def as_it_was(self, account: Account) -> Account:
        """Return what the directory says of the account, but for what this run may have changed."""
        if self.is_blocked:
            account = replace(account, enabled=None if self.enabled_before is None else bool(self.enabled_before))
        return replace(account, password_changed_at=self.password_changed_before) if self.is_in_doubt else account


class Screened(NamedTuple):
    """What the directory said of a row's account, and what is worth knowing of it."""

    id: int
    account: Account
    marks: AbstractSet[Mark] = frozenset()


def exclude_repeats(engine: Engine, *, by_object_id: bool) -> None:
    """Exclude each ready row whose account stands earlier in the cohort: the first one is reset.

    A row that is left out anyway (for want of a password, say) does not count as an earlier one.
    """
    name = resets.c.object_id.name if by_object_id else resets.c.key.name
    earlier = resets.alias("earlier")
    first = (
        select(earlier.c.source + " row " + cast(earlier.c.row, String))
        .where(earlier.c[name] == resets.c[name], earlier.c.id < resets.c.id, earlier.c.state != State.EXCLUDED)
        .order_by(earlier.c.id)
        .limit(1)
        .correlate(resets)
    )
    statement = (
        update(resets)
        .where(resets.c.state == State.READY, resets.c[name] != "", first.exists())
        .values(state=State.EXCLUDED, reason=Reason.DUPLICATE, detail="the same account as " + first.scalar_subquery())
    )
    with engine.begin() as connection:
        connection.execute(statement)


def unscreened(engine: Engine, size: int, also: AbstractSet[State] = frozenset()) -> Iterator[list[Unscreened]]:
    """Yield the ready rows, and those in the states `also`, `size` at a time.

    A row whose account is known already goes by its object id: meanwhile the name may have become somebody else's.
    """
    blocking = select(sends.c.id).where(sends.c.reset_id == resets.c.id, sends.c.step == Step.DISABLE, _MAY_BE_APPLIED)
    columns = (
        resets.c.id,
        func.lower(func.coalesce(resets.c.object_id, resets.c.key)),
        blocking.exists(),
        resets.c.state.not_in(_UNTOUCHED),
        resets.c.enabled_before,
        resets.c.password_changed_before,
    )
    last = 0
    while True:
        query = (
            select(*columns)
            .where(resets.c.state.in_({State.READY, *also}), resets.c.id > last)
            .order_by(resets.c.id)
            .limit(size)
        )
        with engine.connect() as connection:
            chunk = [Unscreened(*line) for line in connection.execute(query)]
        if not chunk:
            return
        yield chunk
        last = chunk[-1].id


def screened(engine: Engine, found: Iterable[Screened]) -> None:
    """Write what was found of each row; none of them is moved."""
    told = list(found)
    if not told:
        return
    know = update(resets).where(resets.c.id == bindparam("reset"))
    with engine.begin() as connection:
        connection.execute(
            know.values({name: bindparam(name) for name in _KNOWN}),
            [{"reset": each.id, **_known(each.account, each.marks)} for each in told],
        )
        _keep(connection, {each.id: each.account.said for each in told})


def leave_out(engine: Engine, left_out: Mapping[int, Exclusion]) -> None:
    """Exclude those of these rows that are ready, each for its reason."""
    refuse_illegal(State.READY, State.EXCLUDED)
    statement = (
        update(resets)
        .where(resets.c.id == bindparam("reset"), resets.c.state == State.READY)
        .values(state=State.EXCLUDED, reason=bindparam("why"), detail=bindparam("because"))
    )
    values = [{"reset": number, "why": each.reason, "because": each.detail} for number, each in left_out.items()]
    if values:
        with engine.begin() as connection:
            connection.execute(statement, values)


def _known(account: Account, marks: AbstractSet[Mark]) -> dict[str, Any]:
    return {
        "object_id": account.object_id,
        "user": account.user,
        "display_name": account.display_name,
        "kind": account.kind,
        "mailboxes": json.dumps(account.mailboxes),
        "domain": account.domain,
        "marks": json.dumps(sorted(marks)),
        "enabled_before": None if account.enabled is None else int(account.enabled),
        "password_changed_before": account.password_changed_at,
    }


def _keep(connection: Connection, said: Mapping[int, str]) -> None:
    """Keep what the directory said of rows as evidence from before, in place of what it said earlier.

    Once anything was sent for a row, what was kept stays: the directory may show it already.
    """
    sent = select(sends.c.reset_id).where(sends.c.reset_id.between(min(said), max(said))).distinct()
    untouched = said.keys() - set(connection.execute(sent).scalars())
    if untouched:
        earlier = delete(evidence).where(evidence.c.reset_id == bindparam("reset"), evidence.c.moment == _BEFORE)
        connection.execute(earlier, [{"reset": number} for number in untouched])
        now = timestamp()
        lines = [
            {"reset_id": number, "moment": _BEFORE, "at": now, "said": said[number]} for number in sorted(untouched)
        ]
        connection.execute(insert(evidence), lines)
