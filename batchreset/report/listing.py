"""The rows that ride in the page for its table: the most urgent first, as many as fit into so many bytes."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from batchreset.model import Kind, Outcome, RunState
from batchreset.report.wording import cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

#: A page that people send each other.
PAGE_BYTES = 1_000_000
#: Outcomes, the most urgent first; an exclusion as it was intended comes after all of them.
URGENCY = (Outcome.FAILED, Outcome.UNRESOLVED, Outcome.EXCLUDED, Outcome.NOT_ATTEMPTED, Outcome.SUCCEEDED)
#: The longest texts, in bytes as they are written.
_LONGEST_NAME, _LONGEST_DETAIL, _LONGEST_ID = 200, 400, 100
#: As long as the cohort may have it: accounts are copied from the page.
_LONGEST_ACCOUNT = 320
_COLUMNS = (
    *("row", "source", "identifier", "user", "display_name", "kind", "outcome", "reason", "detail", "finished_at"),
    *("object_id", "client_request_id", "request_id"),
)
_SECOND = len("2026-11-21T17:55:02")
_SHORTEST_ROW = len('[1,0,"","",0,0,0,0]')
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Line(NamedTuple):
    """A row as the table shows it. What only support asks for is told of rows that were not reset."""

    row: int
    source: str
    account: str
    name: str
    kind: str
    outcome: str
    reason: str
    detail: str
    finished_at: str
    #: As the cohort named it, where that is another name.
    given: str
    object_id: str
    client_request_id: str
    request_id: str


class Packed(NamedTuple):
    """Rows as JSON text, how many they are, and how many by outcome and reason."""

    text: str
    rows: int
    groups: Counter[tuple[str, str]]


class Listing:
    """Keeps of each urgency what could fit, and no more: 100,000 rows are never held."""

    def __init__(self, quiet: frozenset[str]) -> None:
        """Begin with no rows; `quiet` are the reasons of exclusion that are as intended."""
        self._quiet = list(quiet)
        self._kept: list[list[Line]] = [[] for _ in (*URGENCY, "quiet")]
        self._room = [PAGE_BYTES] * len(self._kept)

    def add(self, lines: pd.DataFrame) -> None:
        """Look through lines of the reconciliation."""
        urgency = lines["outcome"].map(URGENCY.index)
        urgency = urgency.mask((lines["outcome"] == Outcome.EXCLUDED) & lines["reason"].isin(self._quiet), len(URGENCY))
        for place, kept in enumerate(self._kept):
            found = lines.loc[urgency == place, list(_COLUMNS)] if self._room[place] > 0 else lines[:0]
            for values in found.itertuples(index=False):
                line = _line(values)
                kept.append(line)
                self._room[place] -= _SHORTEST_ROW + len(line.account) + len(line.name)
                if self._room[place] <= 0:
                    break

    def __iter__(self) -> Iterator[Line]:
        """Yield the rows that are kept: the most urgent first, those of one urgency in input order."""
        return (line for kept in self._kept for line in kept)

    def urgent(self, most: int, state: RunState) -> list[Line]:
        """Return the first rows that need attention."""
        *urgent, not_attempted, _, _ = self._kept
        if state is not RunState.PLANNED:  # there it is as it should be
            urgent.append(not_attempted)
        return [line for kept in urgent for line in kept][:most]

    def packed(self, most: int) -> Packed:
        """Pack as many rows as fit into so many bytes.

        `rows` are lists of what `Line` has, without the empty texts at their end; texts that repeat, the domains of
        accounts among them, are numbers of `texts`, and times are seconds since `since`, UTC.
        """
        since = min((line.finished_at for line in self if line.finished_at), default="")[:_SECOND]
        texts: dict[str, int] = {}
        groups: Counter[tuple[str, str]] = Counter()
        rows: list[str] = []
        for line in self:
            known = len(texts)
            row = as_json(_told(line, texts, since))
            new = islice(reversed(texts), len(texts) - known)
            most -= _size(row) + sum(_size(as_json(text)) for text in new)
            if most < 0:
                break
            rows.append(row)
            groups[line.outcome, line.reason] += 1
        told = f'"since":{as_json(since)},"texts":{as_json(list(texts))},"rows":[{",".join(rows)}]'
        return Packed(f"{{{told}}}", len(rows), groups)


def _line(values: Any) -> Line:
    is_reset = values.outcome == Outcome.SUCCEEDED
    return Line(
        row=values.row,
        source=cut(values.source, _LONGEST_NAME),
        account=cut(values.user or values.identifier, _LONGEST_ACCOUNT),
        name=cut(values.display_name, _LONGEST_NAME),
        kind=values.kind if values.kind != Kind.CLOUD else "",
        outcome=values.outcome,
        reason=values.reason,
        detail=cut(values.detail, _LONGEST_DETAIL),
        finished_at=values.finished_at,
        given=cut(values.identifier, _LONGEST_NAME) if _is_renamed(values.user, values.identifier) else "",
        object_id="" if is_reset else cut(values.object_id, _LONGEST_ID),
        client_request_id="" if is_reset else values.client_request_id,
        request_id="" if is_reset else cut(values.request_id, _LONGEST_ID),
    )


def _is_renamed(user: str, identifier: str) -> bool:
    return bool(user) and identifier.casefold() != user.casefold()


def _told(line: Line, texts: dict[str, int], since: str) -> list[Any]:
    """Return a row as it is packed; `texts` gives out the numbers of those that repeat."""
    source, *others = (
        texts.setdefault(text, len(texts)) for text in (line.source, line.kind, line.outcome, line.reason, line.detail)
    )
    seconds: Any = ""
    if line.finished_at:
        seconds = int((_second(line.finished_at) - _second(since)).total_seconds())
    local, at, domain = line.account.rpartition("@")
    account = f"{local}@{texts.setdefault(domain, len(texts))}" if at else line.account
    told = [line.row, source, account, line.name, *others, seconds, *line[9:]]
    while told[-1] == "":
        del told[-1]
    return told


def _second(time: str) -> datetime:
    return datetime.fromisoformat(time[:_SECOND])


def as_json(value: Any) -> str:
    """Write JSON that cannot end the element it stands in."""
    return _encode(value).replace("<", "\\u003c")


def _size(text: str) -> int:
    """Count the bytes of an element of a JSON list."""
    return len(text.encode(errors="replace")) + 1
