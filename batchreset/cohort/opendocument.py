"""What an OpenDocument spreadsheet (.ods) unpacks to, looked through before calamine reads it.

One element may stand for a million rows of cells, and readers make each of them.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.parsers import expat

from batchreset.cohort.unpacking import (
    MOST_COLUMNS,
    MOST_ROWS,
    Extent,
    Limit,
    TooLargeError,
    chunks,
    damaged,
    protected,
    refuse,
    too_large,
    unpacked_size,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.errors import CohortError

_TYPE, _CONTENT, _MANIFEST = "mimetype", "content.xml", "META-INF/manifest.xml"
_MOST_MANIFEST = 1 << 20
#: How much smaller it may be packed: its XML has more words a cell than Excel's.
_MOST_RATIO = 400
#: Attributes that every cell may have, an empty one too.
_SHAPE = ("table:number-", "table:style-name", "table:content-validation-name", "table:protect")


def is_one(data: bytes) -> bool:
    """Say whether a package is such a spreadsheet, and could be read as one."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            return {_TYPE, _CONTENT} <= set(package.namelist())
    except zipfile.BadZipFile:
        return False


def extent(data: bytes, name: str, limit: Limit) -> Extent:
    """Look a spreadsheet through; memory and time are bounded. Raises as `unpacking.extent` does."""
    cells, limit = _Repeats(), replace(limit, ratio=_MOST_RATIO)
    parser = expat.ParserCreate()
    parser.StartElementHandler = cells.begin
    parser.EndElementHandler = cells.end
    parser.CharacterDataHandler = cells.text
    parser.StartDoctypeDeclHandler = refuse
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            unpacked_size(package.infolist(), limit)
            if refused := _encrypted(package, name):
                raise refused
            if any(part.startswith("xl/") for part in package.namelist()):
                raise damaged(name)  # two workbooks in one: nobody knows which is meant
            for chunk in chunks(package, package.getinfo(_CONTENT)):
                parser.Parse(chunk)
            parser.Parse(b"", True)
    except TooLargeError as error:
        raise too_large(name, limit, error) from None
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, OSError, ValueError, LookupError) as error:
        raise damaged(name) from error
    return Extent(cells.texts, cells.cells)


def _encrypted(package: zipfile.ZipFile, name: str) -> CohortError | None:
    with package.open(_MANIFEST) as manifest:
        return protected(name) if b"encryption-data" in manifest.read(_MOST_MANIFEST) else None


class _Repeats:
    """How many cells the tables reach over, and how long their texts are, each as often as it is repeated."""

    def __init__(self) -> None:
        self.cells = self.texts = 0
        #: Of this table: its rows, its rows and columns up to the last that hold something.
        self._row = self._last_row = self._last_column = 0
        #: Of this row: how often it stands, its columns, those up to the last that holds something.
        self._times = self._column = self._filled = 0
        #: Of this cell: how often it stands, and whether it is one.
        self._copies, self._in_cell = 1, False

    def begin(self, element: str, attributes: Mapping[str, str]) -> None:
        """Follow the beginning of an element. Raises `TooLargeError`, and `ValueError` for what is damaged."""
        match element:
            case "table:table":
                self._row = self._last_row = self._last_column = 0
            case "table:table-row":
                self._times = _number(attributes, "table:number-rows-repeated")
                self._column = self._filled = 0
            case "table:table-cell" | "table:covered-table-cell":
                self._copies, self._in_cell = _number(attributes, "table:number-columns-repeated"), True
                self._column += self._copies
                if not all(key.startswith(_SHAPE) for key in attributes):
                    self._fill(sum(map(len, attributes.values())))
            case _ if self._in_cell:
                self._fill(0)

    def end(self, element: str) -> None:
        """Follow the end of an element."""
        match element:
            case "table:table-cell" | "table:covered-table-cell":
                self._in_cell = False
            case "table:table-row":
                self._row += self._times
                if self._filled:
                    self._last_row = self._row
                    self._last_column = max(self._last_column, self._filled)
                if self._last_row > MOST_ROWS or self._last_column > MOST_COLUMNS:
                    raise TooLargeError
            case "table:table":
                self.cells += self._last_row * self._last_column

    def text(self, text: str) -> None:
        """Follow a piece of text."""
        if self._in_cell:
            self._fill(len(text))

    def _fill(self, length: int) -> None:
        self._filled = self._column
        self.texts += length * self._copies * self._times


def _number(attributes: Mapping[str, str], name: str) -> int:
    number = int(attributes.get(name, "1"))
    if number < 0:
        raise ValueError(name)
    return number
