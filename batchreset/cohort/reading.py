"""The second reading: an understood source as rows, in frames of text."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from batchreset.cohort import identifiers
from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from batchreset.cohort.sources import Source

    Row = tuple[int, str, str, str, str, bytes | None]

_COLUMNS = ("row", "identifier", "key", "reason", "cohort", "sealed")
_as_json = json.JSONEncoder(ensure_ascii=False).encode


class Unlike(str):
    """The text of a workbook's cell that shows it otherwise, such as a date: nobody could tell a password from it."""

    __slots__ = ()


def read(
    source: Source, *, seal: Callable[[str], bytes] | None = None, chunk_rows: int = 10_000
) -> Iterator[pd.DataFrame]:
    """Yield the source's rows in input order, up to `chunk_rows` in a frame.

    Columns: `row` (integer: the record's number, header and blank records counted, from 1), `identifier` (the account's
    cell, trimmed), `key` (what accounts are compared by, or nothing), `reason` (nothing, `blank` or
    `invalid_identifier`), `cohort` (a JSON object of the carried columns' text), `sealed` (the password's cell sealed
    by `seal`; None where the cell or the account is missing).
    A record that is too short has empty cells; cells beyond the header's last are left out.

    Raises `CohortError` for a password that a workbook shows otherwise, and at the end, or earlier, when the input is
    not the one that was inspected.
    """
    try:
        with source.table.origin.open() as stream:
            records = islice(
                enumerate(source.table.records(stream), start=1 - source.table.form.is_headed),
                source.layout.header_row,
                source.layout.header_row + source.records,
            )
            rows = (_row(number, cells, source, seal) for number, cells in records)
            while chunk := list(islice(rows, chunk_rows)):
                yield _frame(chunk)
            is_same = stream.finish() == source.sha256
    except UnicodeDecodeError:
        is_same = False
    if not is_same:
        raise CohortError(f"{source.name} changed while it was being read: start again when it is at rest.")


def _row(number: int, cells: list[str], source: Source, seal: Callable[[str], bytes] | None) -> Row:
    layout = source.layout
    cells += [""] * (layout.width - len(cells))
    account = identifiers.parse(cells[layout.account])
    cohort = {column: identifiers.plain(cells[position]) for column, position in layout.carried}
    sealed = None
    if seal and layout.password is not None and account.key and (password := cells[layout.password]).strip():
        if isinstance(password, Unlike):
            raise CohortError(
                f"{source.name}, row {number}: the password is a date, or a number of too many digits, which the sheet "
                "shows otherwise than it keeps it; format the column as text, and write it again."
            )
        sealed = seal(password)
    return number, account.text, account.key, account.reason, _as_json(cohort), sealed


def _frame(rows: Sequence[Row]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  a second to import, and inspecting does without

    # Objects: pandas is to hold the text, and to guess nothing about it.
    return pd.DataFrame(rows, columns=_COLUMNS, dtype=object).astype({"row": "int64"})
