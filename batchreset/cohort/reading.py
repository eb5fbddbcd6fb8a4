"""The second reading: an understood source as rows, in frames of text."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from batchreset.cohort import identifiers
from batchreset.errors import CohortError
from batchreset.model import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from batchreset.cohort.selecting import Where
    from batchreset.cohort.sources import Source

    Row = tuple[int, str, str, str, str, bytes | None]

_COLUMNS = ("row", "identifier", "key", "reason", "cohort", "sealed")
_as_json = json.JSONEncoder(ensure_ascii=False).encode


class Unlike(str):
    """The text of a workbook's cell that shows it otherwise, such as a date: nobody could tell a password from it."""

    __slots__ = ()


def read(
    source: Source,
    *,
    seal: Callable[[str], bytes] | None = None,
    where: Where | None = None,
    chunk_rows: int = 10_000,
) -> Iterator[pd.DataFrame]:
    """Yield the source's rows in input order, up to `chunk_rows` in a frame.

    Columns: `row` (integer: the record's number, header and blank records counted, from 1), `identifier` (the account's
    cell, trimmed), `key` (what accounts are compared by, or nothing), `reason` (nothing, `blank`, `invalid_identifier`,
    or `not_selected` for rows that `where` does not mean), `cohort` (a JSON object of the carried columns' text),
    `sealed` (the password's cell sealed by `seal`; None where the cell or the account is missing, or is not meant).
    A record that is too short has empty cells; cells beyond the header's last are left out.

    Raises `CohortError` for a password that a workbook shows otherwise or whose letters are not sure, where `where`
    does not fit, and at the end, or earlier, when the input is not the one that was inspected.
    """
    width = source.layout.width
    try:
        with source.table.origin.open() as stream:
            records = islice(
                enumerate(source.table.records(stream), start=1 - source.table.form.is_headed),
                source.layout.header_row,
                source.layout.header_row + source.records,
            )
            numbered = ((number, cells + [""] * (width - len(cells))) for number, cells in records)
            while chunk := list(islice(numbered, chunk_rows)):
                is_meant = _mask(source, where, [cells for _, cells in chunk]) if where else [True] * len(chunk)
                yield _frame(
                    [
                        _row(number, cells, source, seal) if meant else _unmeant(number, cells, source)
                        for (number, cells), meant in zip(chunk, is_meant, strict=True)
                    ]
                )
            is_same = stream.finish() == source.sha256
    except UnicodeDecodeError:
        is_same = False
    if not is_same:
        raise CohortError(f"{source.name} changed while it was being read: start again when it is at rest.")


def _mask(source: Source, where: Where, records: Sequence[list[str]]) -> list[bool]:
    """Say of each record whether it is meant; blanks around a cell are seen by nobody, and tell nothing."""
    layout = source.layout
    places = {layout.account_column: layout.account, **dict(layout.carried)}
    cells = {name: [identifiers.plain(record[places[name]]).strip() for record in records] for name in where.columns}
    return where.mask(source.name, cells)


def _row(number: int, cells: list[str], source: Source, seal: Callable[[str], bytes] | None) -> Row:
    layout = source.layout
    account = layout.account_in(cells)
    cohort = {column: identifiers.plain(cells[position]) for column, position in layout.carried}
    sealed = None
    if seal and layout.password is not None and account.key and (password := cells[layout.password]).strip():
        if isinstance(password, Unlike):
            raise CohortError(
                f"{source.name}, row {number}: the password is a date, or a number of too many digits, which the sheet "
                "shows otherwise than it keeps it; format the column as text, and write it again."
            )
        if source.table.form.guessed and not password.isascii():
            raise CohortError(
                f"{source.name}, row {number}: the password has letters beyond ASCII, and the file is not in Unicode, "
                "so nobody can be sure which letters they are; save the file in UTF-8."
            )
        sealed = seal(password)
    return number, account.text, account.key, account.reason, _as_json(cohort), sealed


def _unmeant(number: int, cells: list[str], source: Source) -> Row:
    """Return a row that is left out; one that names nobody is blank all the same."""
    row, text, key, reason, cohort, _ = _row(number, cells, source, None)
    return row, text, key, str(Reason.NOT_SELECTED) if text else reason, cohort, None


def _frame(rows: Sequence[Row]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415  a second to import, and inspecting does without

    # Objects: pandas is to hold the text, and to guess nothing about it.
    frame = pd.DataFrame(dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True)), dtype=object)
    frame["row"] = frame["row"].astype("int64")
    return frame
