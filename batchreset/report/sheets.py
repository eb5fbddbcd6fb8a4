"""Rows of the reconciliation as a sheet of a workbook, and as further ones where one cannot hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlsxwriter.utility import cell_autofit_width

from batchreset.report.cells import COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

    from batchreset.model import Outcome
    from batchreset.report.cells import Cell, Pen

#: Widths in pixels: of a filter's button, and of what is as wide as is of use.
_BUTTON = 22
_WIDEST = 380
#: As wide as any time.
_TIME = "2026-11-21 17:55:02"


class Sheets:
    """Rows under one header, with filters and colours; those of one outcome, or all."""

    def __init__(
        self, book: Workbook, pen: Pen, columns: Sequence[str], outcome: Outcome | None, sheet_rows: int
    ) -> None:
        """Begin the first sheet. One of the columns is `outcome`; `sheet_rows`, header included, fill a sheet."""
        self._book = book
        self._pen = pen
        self._columns = columns
        self._outcome = outcome
        self._sheet_rows = sheet_rows
        self._sheets: list[Worksheet] = []
        self._next = 0
        #: The longest text of each column.
        self._longest = [""] * len(columns)
        self._begin_sheet()

    def add(self, cells: Sequence[Cell]) -> None:
        """Write a row; cells that say nothing are left out."""
        if self._next == self._sheet_rows:
            self._end_sheet()
            self._begin_sheet()
        for column, cell in enumerate(cells):
            if cell == "":
                continue
            self._pen.write(self._sheets[-1], self._next, column, cell)
            text = cell if isinstance(cell, str) else _TIME if isinstance(cell, float) else ""
            if len(text) > len(self._longest[column]):
                self._longest[column] = text
        self._next += 1

    def end(self) -> None:
        """End the last sheet, and make the columns fit what they hold."""
        self._end_sheet()
        for column, (name, longest) in enumerate(zip(self._columns, self._longest, strict=True)):
            width = min(max(cell_autofit_width(name) + _BUTTON, cell_autofit_width(longest)), _WIDEST)
            for sheet in self._sheets:
                sheet.set_column_pixels(column, column, width)

    def _begin_sheet(self) -> None:
        name = self._outcome.replace("_", " ").capitalize() if self._outcome else "Reconciliation"
        sheet = self._book.add_worksheet(f"{name} {len(self._sheets) + 1}" if self._sheets else name)
        sheet.freeze_panes(1, 0)
        if self._outcome:
            sheet.set_tab_color(COLOURS[self._outcome][2])
        for column, title in enumerate(self._columns):
            self._pen.write(sheet, 0, column, title, self._pen.head)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        self._sheets.append(sheet)
        self._next = 1

    def _end_sheet(self) -> None:
        sheet, last, outcome = self._sheets[-1], self._next - 1, self._columns.index("outcome")
        sheet.autofilter(0, 0, last, len(self._columns) - 1)
        for name, style in self._pen.outcomes.items():
            rule = {"type": "cell", "criteria": "==", "value": f'"{name}"', "format": style}
            sheet.conditional_format(1, outcome, max(last, 1), outcome, rule)
