"""reconciliation.xlsx: the reconciliation for people."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Self

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from batchreset.model import Outcome
from batchreset.report.cells import Pen, in_days, storable
from batchreset.report.overview import Overview
from batchreset.report.reconciliation import COLUMNS
from batchreset.report.sheets import Sheets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from batchreset.report.cells import Cell
    from batchreset.report.summary import Summary

#: Excel's limits. Further columns are in reconciliation.csv alone; further rows are on a further sheet.
SHEET_ROWS, SHEET_COLUMNS = 1_048_576, 16_384
#: Up to so many rows a sheet has them all, in input order, beside those by outcome. Beyond, the workbook would take
#: twice as long to write and to open: 100,000 rows once are half a minute and 12 MB.
ALL_ROWS_UP_TO = 20_000

_TIMES = frozenset(name for name in COLUMNS if name.endswith("_at"))
#: The order of the sheets, the most urgent first.
_ORDER = (Outcome.FAILED, Outcome.UNRESOLVED, Outcome.EXCLUDED, Outcome.NOT_ATTEMPTED, Outcome.SUCCEEDED)


class Workbook:
    """An Excel workbook written row by row, with its memory constant: a summary with charts, then the rows.

    `sheet_rows` is where a sheet is full, its header included, and the next one begins.
    """

    def __init__(self, file: BinaryIO, scratch: Path, created: str, *, sheet_rows: int = SHEET_ROWS) -> None:
        """Write to `file`, with temporary files in `scratch`; `created` (ISO 8601) is the date in its properties."""
        self._file = file
        self._book = xlsxwriter.Workbook(file, {"constant_memory": True, "tmpdir": str(scratch)})
        self._book.use_zip64()  # takes effect only where a sheet is too large without
        self._book.set_properties(
            {"title": "Password reset reconciliation", "created": datetime.fromisoformat(created)}
        )
        self._pen = Pen(self._book)
        self._overview = Overview(self._book, self._pen)
        self._sheet_rows = sheet_rows
        self._outcome = 0
        self._times: Sequence[int] = ()
        self._all: Sheets | None = None
        self._by_outcome: dict[str, Sheets] = {}

    def __enter__(self) -> Self:
        """Return the workbook itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Write the file out, and let go of the temporary ones. Raises `OSError` where there is no room for it."""
        try:
            self._book.close()
        except FileCreateError as error:
            (refusal,) = error.args
            # What was begun writes its end when it is let go of: here, where it goes nowhere and cannot complain.
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device
                os.dup2(nowhere.fileno(), self._file.fileno())
            refusal.__context__ = None
            raise refusal.with_traceback(None) from None

    def begin(self, columns: Sequence[str], counts: Mapping[Outcome, int]) -> None:
        """Begin the rows with their header; `counts` says how many there will be of each outcome."""
        self._outcome = columns.index("outcome")
        self._times = [place for place, name in enumerate(columns) if name in _TIMES]

        titles = [storable(name) for name in columns[:SHEET_COLUMNS]]

        def begin(outcome: Outcome | None) -> Sheets:
            return Sheets(self._book, self._pen, titles, outcome, self._sheet_rows)

        if sum(counts.values()) <= ALL_ROWS_UP_TO:
            self._all = begin(None)
        self._by_outcome = {outcome: begin(outcome) for outcome in _ORDER if counts.get(outcome)}

    def add(self, lines: Iterable[Sequence[str | int]]) -> None:
        """Write lines of the reconciliation."""
        for line in lines:
            cells: list[Cell] = [storable(cell) if isinstance(cell, str) else cell for cell in line[:SHEET_COLUMNS]]
            for place in self._times:
                if time := line[place]:
                    cells[place] = in_days(str(time))
            for sheets in filter(None, (self._all, self._by_outcome[str(line[self._outcome])])):
                sheets.add(cells)

    def finish(self, summary: Summary, verdict: str, by_second: Mapping[str, Mapping[str, float]]) -> None:
        """End the rows and fill in the summary; `by_second` counts what was sent, accepted and refused in each."""
        for sheets in filter(None, (self._all, *self._by_outcome.values())):
            sheets.end()
        self._overview.write(summary, verdict, by_second)
