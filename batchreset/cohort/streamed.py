"""Excel workbooks too large to be held in memory: openpyxl reads them a row at a time, to the same texts as calamine's.

It keeps the table of texts, and something of every row: a million rows of four columns take 400 MB.
"""

from __future__ import annotations

import datetime as dt
import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from batchreset.cohort.unpacking import damaged
from batchreset.cohort.workbook import Sheet, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class StreamedWorkbook:
    """A workbook of which only the table of texts is held."""

    def __init__(self, data: bytes, name: str) -> None:
        """Open it. Raises `CohortError` naming it when it cannot be read."""
        self._name = name
        # It tells of extensions that it passes over. For good, since undoing that is not safe beside other threads.
        warnings.filterwarnings("ignore", module=r"openpyxl\.")
        with _readable(name):
            self._book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)

    def visible_sheets(self) -> list[Sheet]:
        """Return the sheets of cells that are not hidden, in the workbook's order."""
        return [Sheet(each.title, is_held=False) for each in self._book.worksheets if each.sheet_state == "visible"]

    def records(self, sheet: Sheet) -> Iterator[list[str]]:
        """Yield each record's cells as text, from the sheet's first row. Raises `CohortError` where it is damaged."""
        with _readable(self._name):
            cells = self._book[sheet.sheet]
            cells.reset_dimensions()  # some programs write that a sheet ends before it does
            for row in cells.iter_rows():
                yield [_text(cell) for cell in row]


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # openpyxl has no error of its own for what is damaged: any kind may come
        raise damaged(name) from error


def _text(cell: Any) -> str:
    """Return a cell as text: an error is none, a moment at midnight a date, and characters are no longer escaped."""
    match cell.value:
        case None:
            return ""
        case str() as text:
            return "" if cell.data_type == "e" else unescape(text)
        case int() as number if cell.data_type == "n":  # more digits than Excel keeps
            return text_of(float(number))
        case dt.datetime() as moment if moment.time() == dt.time.min:
            return text_of(moment.date())
        case value:
            return text_of(value)
