"""What a workbook unpacks to, looked through before anything else reads it: a few kilobytes can hold gigabytes.

A reader that holds a sheet makes room for every cell between its corners, whether or not it is there, and one that
streams holds a row at a time; so corners and rows are kept within what Excel itself can write.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.parsers import expat

from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Excel's own limits. Source: Microsoft's "Excel specifications and limits".
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
#: Bytes that a workbook may unpack to: a sheet filled to its last row takes 50 a cell or so.
_MOST_UNPACKED = 1 << 30
#: How much smaller than that it may be packed (cells of text take a tenth), from so many bytes on.
_MOST_RATIO, _RATIO_COUNTS_FROM = 100, 8 << 20
#: Elements within one row, formatted texts of many runs included.
_MOST_IN_A_ROW = 200_000
_METHODS, _ENCRYPTED = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}), 1
_CHUNK = 1 << 20
#: What may stand before markup, and how it begins in UTF-16.
_BLANKS, _WIDE = b"\xef\xbb\xbf \t\r\n", (b"\xff\xfe", b"\xfe\xff")
#: Bytes of a part without rows, which readers hold whole, but for those that grow with the rows.
_MOST_WITHOUT_ROWS = 16 << 20
_MAY_BE_LARGE = re.compile("sharedStrings|pivotCache", re.IGNORECASE)
_LETTERS = re.compile(r"[A-Z]{1,9}")


class TooLargeError(Exception):
    """It goes beyond a limit."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a workbook is: bytes unpacked, and the cells between the corners of its largest sheet."""

    unpacked: int
    cells: int


def extent(data: bytes, name: str) -> Extent:
    """Look a workbook through; memory and time are bounded. Raises `CohortError` naming it where it is too large.

    What is no workbook at all, or damaged, is refused as that.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            unpacked = unpacked_size(package.infolist())
            sheets = [_looked_through(package, part) for part in package.infolist()]
    except TooLargeError:
        raise too_large(name) from None
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, OSError, ValueError, LookupError) as error:
        raise damaged(name) from error
    return Extent(unpacked, max(sheets, default=0))


def unpacked_size(parts: Sequence[zipfile.ZipInfo], most_ratio: int = _MOST_RATIO) -> int:
    """Return the bytes that a workbook says it unpacks to. Raises `TooLargeError`, and `ValueError` for odd packing."""
    packed, unpacked = sum(part.compress_size for part in parts), sum(part.file_size for part in parts)
    if unpacked > _MOST_UNPACKED or (unpacked > _RATIO_COUNTS_FROM and unpacked > most_ratio * packed):
        raise TooLargeError
    if any(part.compress_type not in _METHODS or part.flag_bits & _ENCRYPTED for part in parts):
        raise ValueError("packed as Excel packs nothing")
    return unpacked


def _looked_through(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """Return how many cells lie between the corners of a part; none for one without rows.

    A sheet may be called anything, so what begins like markup counts as such. Excel's own drawings (.vml) do so, and
    need not be well-formed.
    """
    if not part.filename.endswith(".xml"):
        with package.open(part) as stream:
            begins = stream.read(_CHUNK)
        if not begins.lstrip(_BLANKS).startswith((b"<", *_WIDE)):
            return 0
        if part.filename.endswith(".vml") and part.file_size <= _CHUNK and b"sheetData" not in begins:
            return 0
    cells = _between_corners(chunks(package, part))
    if not cells and part.file_size > _MOST_WITHOUT_ROWS and not _MAY_BE_LARGE.search(part.filename):
        raise TooLargeError
    return cells


def damaged(name: str) -> CohortError:
    """Return the refusal of a workbook that cannot be read."""
    return CohortError(f"{name} is damaged or no Excel workbook: open it in Excel and save it again as .xlsx.")


def too_large(name: str) -> CohortError:
    """Return the refusal of a workbook that goes beyond a limit."""
    return CohortError(
        f"{name} is too large when unpacked, or holds more than Excel's {MOST_ROWS:,} rows or {MOST_COLUMNS:,} "
        "columns: save the sheet with the accounts as CSV."
    )


def protected(name: str) -> CohortError:
    """Return the refusal of a workbook that is encrypted."""
    return CohortError(f"{name} is password-protected: save it as .xlsx without a password.")


def chunks(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """Unpack a part; one that holds more than it says is found out by its checksum, no further than it says."""
    with package.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _between_corners(chunks: Iterator[bytes]) -> int:
    """Follow a part's elements, and return how many cells lie between its corners; none for a part without rows."""
    corners = _Corners()
    parser = expat.ParserCreate()
    parser.StartElementHandler = corners.begin
    parser.StartDoctypeDeclHandler = refuse  # its entities could unfold to anything, and Excel writes none
    for chunk in chunks:
        parser.Parse(chunk)
    parser.Parse(b"", True)
    return corners.cells


class _Corners:
    """How far a sheet reaches, as its elements begin. Rows and cells out of order are damage: readers drop some."""

    def __init__(self) -> None:
        #: The last row and column met; how many elements, and cells that do not say where they are, in that row.
        self._row = self._column = self._elements = self._unnamed = 0
        self._rows = self._most_unnamed = 0
        #: How places in this row end, and the columns met so far with their numbers.
        self._ending, self._columns = "", {"": 0}

    @property
    def cells(self) -> int:
        """The cells between the corners."""
        return self._rows * (max(self._columns.values()) + self._most_unnamed)

    def begin(self, element: str, attributes: Mapping[str, str]) -> None:
        """Follow the beginning of an element. Raises `TooLargeError`, and `ValueError` for what is damaged."""
        self._elements += 1
        match element.rpartition(":")[2]:
            case "c":
                self._cell(attributes.get("r"))
            case "row":
                self._begin_row(int(attributes.get("r", self._row + 1)))
            case "sheetData":  # a part that remembers other workbooks has several
                self._row = 0
        if self._rows and self._elements > _MOST_IN_A_ROW:
            raise TooLargeError

    def _begin_row(self, number: int) -> None:
        if number <= self._row:
            raise ValueError("a row out of order")
        if number > MOST_ROWS:
            raise TooLargeError
        self._row, self._ending = number, str(number)
        self._rows = max(self._rows, number)
        self._column = self._elements = self._unnamed = 0

    def _cell(self, place: str | None) -> None:
        if place is None:
            self._unnamed += 1
            self._most_unnamed = max(self._most_unnamed, self._unnamed)
            if self._unnamed > MOST_COLUMNS:
                raise TooLargeError
            return
        letters = place[: -len(self._ending)] if place.endswith(self._ending) else "?"
        if letters not in self._columns:
            self._columns[letters] = _checked(letters)
        before, self._column = self._column, self._columns[letters]
        if self._column <= before:
            raise ValueError("a cell out of order")


def _checked(letters: str) -> int:
    """Return a column's number: A is 1, Z 26, AA 27. Raises `TooLargeError` beyond Excel's last one."""
    if not _LETTERS.fullmatch(letters):
        raise ValueError("a cell that is not of its row")
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    if number > MOST_COLUMNS:
        raise TooLargeError
    return number


def refuse(*_: object) -> None:
    """Refuse a document type."""
    raise ValueError("a document type")
