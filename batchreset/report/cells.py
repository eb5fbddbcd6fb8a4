"""Cells of a workbook: each written as what it is, and every write looked after."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from batchreset.errors import BatchResetError
from batchreset.model import Outcome
from batchreset.report.guard import guard

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

Cell: TypeAlias = str | int | float

#: Excel's limit, in units of UTF-16.
CELL_UNITS = 32_767
#: Each outcome's background, text, and colour in charts and tabs.
COLOURS = {
    Outcome.SUCCEEDED: ("#E3F4EA", "#17603C", "#2E9E6B"),
    Outcome.FAILED: ("#FCE4E4", "#9B1C2C", "#D64550"),
    Outcome.UNRESOLVED: ("#FDF0D5", "#7A4B00", "#E0A030"),
    Outcome.EXCLUDED: ("#ECEFF3", "#46525F", "#8794A3"),
    Outcome.NOT_ATTEMPTED: ("#F5F6F8", "#5B6670", "#C3CAD2"),
}

#: What XML cannot hold, and halves of characters.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
#: Day 0 of a workbook's calendar, for any day from March 1900 on.
_DAY_0 = datetime(1899, 12, 30, tzinfo=UTC)
_DAY = timedelta(days=1)


class Pen:
    """Writes cells in the styles of one workbook."""

    def __init__(self, book: Workbook) -> None:
        """Add the styles to the workbook."""
        self.head = book.add_format({"bold": True, "bottom": 1, "bg_color": "#ECEFF3"})
        self.title = book.add_format({"bold": True, "font_size": 16, "text_wrap": True, "valign": "top"})
        self.label = book.add_format({"font_color": "#5B6670"})
        self.number = book.add_format({"num_format": "#,##0"})
        #: To the second; the cell keeps the milliseconds.
        self.time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss", "align": "left"})
        self.outcomes: dict[str, Format] = {
            outcome: book.add_format({"bg_color": back, "font_color": front})
            for outcome, (back, front, _) in COLOURS.items()
        }
        self._plain = book.add_format()
        #: What would become a formula once somebody goes through the cell by hand does not.
        self._quoted = book.add_format({"quote_prefix": True})

    def write(self, sheet: Worksheet, row: int, column: int, cell: Cell, style: Format | None = None) -> None:
        """Write one cell: text never becomes a formula, a number or a link; fractions are taken for times (`in_days`).

        Raises `BatchResetError` where the cell is dropped. XlsxWriter says so by its return value only: for rows behind
        the one it is at, and beyond a sheet's limits.
        """
        if not isinstance(cell, str):
            fault = sheet.write_number(row, column, cell, style or (self.time if isinstance(cell, float) else None))
        elif cell.startswith("<r>") and cell.endswith("</r>"):  # would be taken for markup of XlsxWriter's own
            fault = sheet.write_rich_string(row, column, cell[:1], self._plain, cell[1:])
        else:
            fault = sheet.write_string(row, column, cell, style or (self._quoted if guard(cell) != cell else None))
        if fault:
            raise BatchResetError(f"reconciliation.xlsx: row {row + 1}, column {column + 1} does not fit into a sheet.")


def storable(text: str) -> str:
    """Replace what a workbook cannot hold, and cut what is too long for a cell."""
    text = text if text.isprintable() else _ILLEGAL.sub("\ufffd", text)
    if len(text) <= CELL_UNITS // 2:  # even if each character takes two units of UTF-16
        return text
    units = text.encode("utf-16-le")
    if len(units) <= 2 * CELL_UNITS:
        return text
    return units[: 2 * (CELL_UNITS - 1)].decode("utf-16-le", "ignore") + "…"


def in_days(time: str) -> Cell:
    """Turn a time (ISO 8601, UTC) into a workbook's days, which a format shows as a date; other text is returned."""
    try:
        return (datetime.fromisoformat(time) - _DAY_0) / _DAY
    except (ValueError, TypeError):  # the latter where no time zone is named
        return time
