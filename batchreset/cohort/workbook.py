"""Tables in Excel workbooks, read by calamine: a whole workbook is held in memory."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchreset.cohort.origin import HashedStream

    Cell = float | str | bool | dt.date | dt.time | dt.timedelta

#: How OLE containers begin: what Excel wraps an encrypted workbook in, and what .xls files are.
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Excel keeps 15 digits of a number; above them a whole number is written as it was read.
_EXACT = 1e15


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a workbook, by its name."""

    sheet: str

    def records(self, stream: HashedStream, name: str) -> Iterator[list[str]]:
        """Yield each record's cells as text, from the sheet's first row."""
        return Workbook(stream, name).records(self)


class Workbook:
    """An opened workbook."""

    def __init__(self, stream: HashedStream, name: str) -> None:
        """Open it. Raises `CohortError` naming it when it cannot be read."""
        self._name = name
        data = stream.read() or b""
        if data.startswith(_OLE):
            raise CohortError(
                f"{name} is password-protected, or an old .xls under another ending: "
                "save it as .xlsx without a password."
            )
        try:
            self._book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        except CalamineError as error:
            raise self._damaged() from error

    def visible_sheets(self) -> list[Sheet]:
        """Return the sheets of cells that are not hidden, in the workbook's order."""
        return [
            Sheet(each.name)
            for each in self._book.sheets_metadata
            if each.typ == SheetTypeEnum.WorkSheet and each.visible == SheetVisibleEnum.Visible
        ]

    def records(self, sheet: Sheet) -> Iterator[list[str]]:
        """Yield each record's cells as text, from the sheet's first row."""
        try:
            cells = self._book.get_sheet_by_name(sheet.sheet)
            if cells.start is None:  # calamine before 0.9 panics at the rows of an empty sheet
                return
            for record in cells.iter_rows():
                yield [_text(cell) for cell in record]
        except CalamineError as error:
            raise self._damaged() from error

    def _damaged(self) -> CohortError:
        return CohortError(
            f"{self._name} is damaged or no Excel workbook: open it in Excel and save it again as .xlsx."
        )


def _text(cell: Cell) -> str:
    """Return a cell as text: numbers without a needless `.0`, dates in ISO 8601, booleans as Excel shows them."""
    match cell:
        case str():
            return cell
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() if cell.is_integer() and abs(cell) < _EXACT:
            return str(int(cell))
        case dt.date() | dt.time():
            return cell.isoformat()
        case _:
            return str(cell)
