"""What a workbook unpacks to, looked through before anything else reads it: a few kilobytes can hold gigabytes.

A reader that holds a sheet makes room for every cell between its corners, whether or not it is there, and one that
streams holds a row at a time; so corners and rows are kept within what Excel itself can write.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.parsers import expat

from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Excel's own limits. Source: Microsoft's "Excel specifications and limits".
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
#: Bytes that a workbook may unpack to where nobody says: a sheet filled to its last row takes 50 a cell or so.
_MOST_UNPACKED = 1 << 30
#: How much smaller than that it may be packed then (cells of text take a tenth), from so many bytes on.
_MOST_RATIO, _RATIO_COUNTS_FROM = 100, 8 << 20
#: Texts that cells share. They are counted out, as often as cells refer to them, where they could come to so much.
_MOST_TEXTS, _COUNTED_FROM = 1 << 24, 512 << 20
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
    """It goes beyond what Excel can write."""


class UnpacksTooFarError(TooLargeError):
    """It unpacks to more than it may."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a workbook is: bytes unpacked, and the cells between the corners of its largest sheet.

    A text that cells share counts as often as they refer to it, where that could be much.
    """

    unpacked: int
    cells: int


@dataclass(frozen=True, slots=True)
class Limit:
    """What a workbook may unpack to: so many bytes, or where nobody says, 1 GiB and so many times its own size."""

    most: int | None = None
    ratio: int = _MOST_RATIO

    def check(self, unpacked: int, packed: int) -> None:
        """Raise `UnpacksTooFarError` where it is exceeded."""
        if self.most is not None:
            is_too_far = unpacked > self.most
        else:
            is_too_far = unpacked > _MOST_UNPACKED or unpacked > max(_RATIO_COUNTS_FROM, self.ratio * packed)
        if is_too_far:
            raise UnpacksTooFarError

    @property
    def described(self) -> str:
        """The limit in words."""
        if self.most is not None:
            return f"over the {self.most / (1 << 20):,.4g} MiB that --max-unpacked allows; raise that"
        return f"over {_MOST_UNPACKED >> 20:,} MiB, or {self.ratio} times its own size; allow more with --max-unpacked"


def extent(data: bytes, name: str, limit: Limit) -> Extent:
    """Look a workbook through; memory and time are bounded. Raises `CohortError` naming it where it is too large.

    What is no workbook at all, or damaged, is refused as that.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            parts = package.infolist()
            unpacked = unpacked_size(parts, limit)
            if "xl/workbook.bin" in package.namelist():
                raise damaged(name)  # Excel's binary form, in which nothing can be looked through
            found = {part.filename: _looked_through(package, part) for part in parts}
            unpacked += _copied(package, found)
            limit.check(unpacked, len(data))
    except TooLargeError as error:
        raise too_large(name, limit, error) from None
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, OSError, ValueError, LookupError) as error:
        raise damaged(name) from error
    return Extent(unpacked, max((part.cells for part in found.values()), default=0))


def unpacked_size(parts: Sequence[zipfile.ZipInfo], limit: Limit) -> int:
    """Return the bytes that a workbook says it unpacks to. Raises `TooLargeError`, and `ValueError` for odd packing."""
    packed, unpacked = sum(part.compress_size for part in parts), sum(part.file_size for part in parts)
    limit.check(unpacked, packed)
    if any(part.compress_type not in _METHODS or part.flag_bits & _ENCRYPTED for part in parts):
        raise ValueError("packed as Excel packs nothing")
    return unpacked


def _looked_through(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> _Part:
    """Follow the elements of a part.

    A sheet may be called anything, so what begins like markup counts as such. Excel's own drawings (.vml) do so, and
    need not be well-formed.
    """
    if not part.filename.endswith(".xml"):
        with package.open(part) as stream:
            begins = stream.read(_CHUNK)
        if not begins.lstrip(_BLANKS).startswith((b"<", *_WIDE)):
            return _Part()
        if part.filename.endswith(".vml") and part.file_size <= _CHUNK and b"sheetData" not in begins:
            return _Part()
    found = _followed(chunks(package, part))
    if not found.cells and part.file_size > _MOST_WITHOUT_ROWS and not _MAY_BE_LARGE.search(part.filename):
        raise TooLargeError
    return found


def _copied(package: zipfile.ZipFile, parts: Mapping[str, _Part]) -> int:
    """Return how long the texts are that cells share, each as often as one does; 0 where that cannot be much."""
    with_texts = [part.lengths for part in parts.values() if part.lengths]
    if len(with_texts) > 1:
        raise ValueError("two tables of texts: nobody knows which is meant")
    if not with_texts or sum(part.references for part in parts.values()) * max(with_texts[0]) <= _COUNTED_FROM:
        return 0
    references = _References(with_texts[0])
    for name, part in parts.items():
        if part.references:
            parser = expat.ParserCreate()
            parser.StartElementHandler = references.begin
            parser.CharacterDataHandler = references.text
            parser.EndElementHandler = references.end
            for chunk in chunks(package, package.getinfo(name)):
                parser.Parse(chunk)
    return references.copied


def damaged(name: str) -> CohortError:
    """Return the refusal of a workbook that cannot be read."""
    return CohortError(f"{name} is damaged or no Excel workbook: open it in Excel and save it again as .xlsx.")


def too_large(name: str, limit: Limit, error: TooLargeError) -> CohortError:
    """Return the refusal of a workbook that goes beyond a limit."""
    if isinstance(error, UnpacksTooFarError):
        why = f"{limit.described}, or"
    else:
        why = (
            f"it holds more than Excel's {MOST_ROWS:,} rows or {MOST_COLUMNS:,} columns, or parts as Excel writes none;"
        )
    return CohortError(f"{name} is too large when unpacked: {why} save the sheet with the accounts as CSV.")


def protected(name: str) -> CohortError:
    """Return the refusal of a workbook that is encrypted."""
    return CohortError(f"{name} is password-protected: save it as .xlsx without a password.")


def chunks(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """Unpack a part; one that holds more than it says is found out by its checksum, no further than it says."""
    with package.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _followed(chunks: Iterator[bytes]) -> _Part:
    """Follow a part's elements to the end."""
    parser = expat.ParserCreate()
    part = _Part(parser)
    parser.StartElementHandler = part.begin
    parser.StartDoctypeDeclHandler = refuse  # its entities could unfold to anything, and Excel writes none
    for chunk in chunks:
        parser.Parse(chunk)
    parser.Parse(b"", True)
    return part


class _Part:
    """How far a sheet reaches, as its elements begin. Rows and cells out of order are damage: readers drop some."""

    def __init__(self, parser: expat.XMLParserType | None = None) -> None:
        self._parser = parser
        #: How many of its cells refer to a text that is kept elsewhere; how long each text is that is kept here.
        self.references = 0
        self.lengths = array("I")
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
                self.references += attributes.get("t") == "s"
            case "row":
                self._begin_row(int(attributes.get("r", self._row + 1)))
            case "sheetData":  # a part that remembers other workbooks has several
                self._row = 0
            case "sst" if self._parser:  # in that part alone, since it takes time
                self._parser.CharacterDataHandler = self._text
            case "si":
                self.lengths.append(0)
                if len(self.lengths) > _MOST_TEXTS:
                    raise TooLargeError
        if self._rows and self._elements > _MOST_IN_A_ROW:
            raise TooLargeError

    def _text(self, text: str) -> None:
        if self.lengths:
            self.lengths[-1] += len(text)

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


class _References:
    """The texts that cells refer to, each as long as it is, as often as one does."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._lengths = lengths
        self._is_one, self._number = False, ""
        self.copied = 0

    def begin(self, element: str, attributes: Mapping[str, str]) -> None:
        """Follow the beginning of an element."""
        match element.rpartition(":")[2]:
            case "c":
                self._is_one = attributes.get("t") == "s"
            case "v":
                self._number = ""

    def text(self, text: str) -> None:
        """Follow a piece of text."""
        if self._is_one:
            self._number += text

    def end(self, element: str) -> None:
        """Follow the end of an element. Raises `LookupError` and `ValueError` where no such text is kept."""
        if self._is_one and element.rpartition(":")[2] == "v":
            self.copied += self._lengths[int(self._number)]
            self._is_one = False
