"""Who is in a plan, as the status table has it: who is to be reset, what is worth knowing of them, who is left out."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from batchreset.model import ENDED, Kind, Mark, Reason, State
from batchreset.status.schema import resets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Connection, Engine, Row

    from batchreset.policy.screening import Exclusion

_CHUNK_ROWS = 10_000
_COLUMNS = ("id", "identifier", "key", "object_id", "user", "kind", "marks", "state", "reason")
#: What --retry-failed makes of rows.
_AGAIN: Mapping[State, State] = MappingProxyType({State.FAILED: State.READY, State.UNRESOLVED: State.DOUBTFUL})
#: Left out before anything was asked of the directory.
_NOT_LOOKED_UP = frozenset(
    {Reason.BLANK, Reason.INVALID_IDENTIFIER, Reason.NOT_SELECTED, Reason.PASSWORD_MISSING, Reason.DUPLICATE}
)


@dataclass(slots=True)
class Contents:
    """The rows of a plan: their states, and by name who is to be reset, what is worth knowing of them, who is not.

    `looked_up` counts the accounts that the directory was asked about; `outside` those of them whose domain is none of
    the tenant's own, by that domain.
    """

    counts: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    kinds: Counter[Kind] = field(default_factory=Counter)
    marks: dict[Mark, list[str]] = field(default_factory=lambda: defaultdict(list))
    to_be_reset: list[str] = field(default_factory=list)
    left_out: dict[Reason, list[str]] = field(default_factory=lambda: defaultdict(list))
    looked_up: int = 0
    #: Those whom nobody knows any more, by this look-up.
    gone: list[str] = field(default_factory=list)
    outside: Counter[str] = field(default_factory=Counter)
    #: The object id of whoever is sent first.
    first: str | None = None

    @property
    def excluded(self) -> dict[Reason, int]:
        """How many rows are left out for each reason."""
        return {reason: len(names) for reason, names in self.left_out.items()}


def contents(
    engine: Engine,
    domains: Iterable[str],
    *,
    failed_again: bool = False,
    left_out: Mapping[int, Exclusion] | None = None,
) -> Contents:
    """Read the rows in the order of sending: 1.7 s for 100,000. `domains` are the tenant's verified ones.

    They are told as they would stand once a resumption is agreed to: with `failed_again`, failed rows are ready and
    unresolved ones in doubt; and ready ones that screening leaves out now, by their ids, are excluded.
    """
    found, own = Contents(), {domain.lower() for domain in domains}
    with engine.connect() as connection:
        for row in _rows(connection):
            state, reason = State(row.state), row.reason
            if failed_again:
                state = _AGAIN.get(state, state)
            if left_out and (exclusion := left_out.get(row.id)):
                if state is State.READY:
                    state, reason = State.EXCLUDED, exclusion.reason
                if exclusion.reason is Reason.NOT_FOUND:
                    found.gone.append(row.user or row.identifier)
            _add(found, row, state, reason)
            if own and _was_looked_up(row) and (domain := _domain(row)) and domain not in own:
                found.outside[domain] += 1
    return found


def _add(found: Contents, row: Row[Any], state: State, reason: str) -> None:
    found.counts[state] += 1
    found.looked_up += _was_looked_up(row)
    name = row.user or row.identifier
    if state is State.EXCLUDED:
        found.left_out[Reason(reason)].append(name)
    if state in ENDED:
        return
    if state is State.READY and found.first is None:
        found.first = row.object_id
    found.to_be_reset.append(name)
    found.kinds[Kind(row.kind)] += 1
    if row.marks != "[]":  # most rows have none, and there may be many
        for mark in json.loads(row.marks):
            found.marks[Mark(mark)].append(name)


def _was_looked_up(row: Row[Any]) -> bool:
    return row.object_id is not None or row.reason not in _NOT_LOOKED_UP


def _domain(row: Row[Any]) -> str:
    """Return what stands behind the @; nothing for an object id that nobody has."""
    return str(row.user or row.key).lower().partition("@")[2]


def _rows(connection: Connection) -> Iterator[Row[Any]]:
    query = select(*(resets.c[name] for name in _COLUMNS)).order_by(resets.c.turn, resets.c.id)
    return iter(connection.execution_options(yield_per=_CHUNK_ROWS).execute(query))
