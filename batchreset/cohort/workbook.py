"""Tables in workbooks: calamine reads them, and holds them whole; the largest of .xlsx are streamed instead."""

from __future__ import annotations

import datetime as dt
import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from batchreset.cohort import compound, opendocument, unpacking
from batchreset.cohort.reading import Unlike
from batchreset.cohort.unpacking import Limit, UnpacksTooFarError, damaged, too_large
from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchreset.cohort.origin import HashedStream

    Cell = float | int | str | bool | dt.date | dt.time | dt.timedelta

#: Excel keeps 15 digits of a number; above them a whole number is written as it was read.
_EXACT = 1e15
#: Bytes of XML up to which a workbook is held: about 200,000 rows of ten columns. It takes nearly twice the memory.
_HELD = 128 * 1024 * 1024
#: Cells between a sheet's corners up to which it is held: calamine makes room for each, empty ones too.
_HELD_CELLS = 20_000_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a workbook, by its name, and whether such a workbook is held in memory."""

    sheet: str
    is_held: bool
    is_headed: ClassVar[bool] = False
    guessed: ClassVar[str] = ""

    def records(self, stream: HashedStream, name: str) -> Iterator[list[str]]:
        """Yield each record's cells as text, from the first row of a sheet that was found fit to be read."""
        return _opened(stream.read() or b"", name, is_held=self.is_held).records(self)


class Workbook(Protocol):
    """An opened workbook."""

    def visible_sheets(self) -> list[Sheet]:
        """Return the sheets of cells that are not hidden, in the workbook's order."""

    def records(self, sheet: Sheet) -> Iterator[list[str]]:
        """Yield each record's cells as text, from the sheet's first row. Raises `CohortError` where it is damaged."""


def open_workbook(stream: HashedStream, name: str, most: int | None = None) -> Workbook:
    """Open a workbook. Raises `CohortError` naming it when it cannot be read, or is larger than any should be.

    `most` is how many bytes it may unpack to, where somebody says so.
    """
    limit = Limit(most)
    data = _whole(stream, name, limit)
    is_xlsx = False
    if data.startswith(compound.MAGIC):
        found = compound.extent(data, name, limit)
    elif opendocument.is_one(data):
        found = opendocument.extent(data, name, limit)
    else:
        found, is_xlsx = unpacking.extent(data, name, limit), True
    is_held = found.unpacked <= _HELD and found.cells <= _HELD_CELLS
    if not is_held and not is_xlsx:
        raise CohortError(
            f"{name} is too large when unpacked, for a workbook that is no .xlsx: save the sheet with the accounts as "
            "CSV, or the workbook as .xlsx."
        )
    return _opened(data, name, is_held=is_held)


def _whole(stream: HashedStream, name: str, limit: Limit) -> bytes:
    """Read a workbook, no further than it may unpack to: packed it is not larger."""
    content = io.BytesIO()
    try:
        while chunk := stream.read(_CHUNK):
            content.write(chunk)
            limit.check(content.tell(), content.tell())
    except UnpacksTooFarError as error:
        raise too_large(name, limit, error) from None
    return content.getvalue()


def _opened(data: bytes, name: str, *, is_held: bool) -> Workbook:
    if is_held:
        return _HeldWorkbook(data, name)
    from batchreset.cohort.streamed import StreamedWorkbook  # noqa: PLC0415  slow to import, and seldom needed

    return StreamedWorkbook(data, name)


class _HeldWorkbook:
    """A workbook that is held in memory."""

    def __init__(self, data: bytes, name: str) -> None:
        self._name = name
        with _readable(name):
            self._book = CalamineWorkbook.from_filelike(io.BytesIO(data))

    def visible_sheets(self) -> list[Sheet]:
        return [
            Sheet(each.name, is_held=True)
            for each in self._book.sheets_metadata
            if each.typ == SheetTypeEnum.WorkSheet and each.visible == SheetVisibleEnum.Visible
        ]

    def records(self, sheet: Sheet) -> Iterator[list[str]]:
        with _readable(self._name):
            cells = self._book.get_sheet_by_name(sheet.sheet)
            if cells.start is None:  # calamine before 0.9 panics at the rows of an empty sheet
                return
            for record in cells.iter_rows():
                yield [text_of(cell) for cell in record]


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (CalamineError, OverflowError) as error:  # calamine: a time beyond any calendar
        raise damaged(name) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # it cannot be imported, and is no Exception
            raise
        raise damaged(name) from error


def text_of(cell: Cell) -> str:
    """Return a cell as text: numbers without a needless `.0`, dates in ISO 8601, booleans as Excel shows them."""
    match cell:
        case str():
            return cell
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() if cell.is_integer() and abs(cell) < _EXACT:
            return str(int(cell))
        case dt.date() | dt.time():
            return Unlike(cell.isoformat())
        case float() if "e" not in str(cell):
            return str(cell)
        case _:
            return Unlike(cell)
