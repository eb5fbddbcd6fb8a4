"""Tables in text files: their encoding, their delimiter, and their records one by one."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from batchreset.cohort import charset, headers, identifiers
from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from batchreset.cohort.origin import HashedStream, Origin

#: Stands for "no delimiter": a list of one account a line, where a comma is a mistake to be shown and not a border.
_NONE = "\x1f"
_DELIMITERS = (_NONE, ",", ";", "\t", "|")
#: Those that in the encodings of East Asia are parts of letters too: where one of these is guessed at, or should have
#: been, cells could be joined or split, and stand under the headers of others.
_PARTS_OF_LETTERS = frozenset("@[\\]^`{|}~")
_MARK = re.compile(r'"?sep=([^\w\s"]|\t)"?\r?\n', re.IGNORECASE)
_SNIFFED_BYTES = 64 * 1024
_SNIFFED_RECORDS = 50
_LONGEST_LINE = 4 * 1024 * 1024
#: As many as a sheet of Excel's has columns.
MOST_CELLS = 16_384
_TEXT_CONTROLS = frozenset("\t\n\v\f\r\x1a")


@dataclass(frozen=True, slots=True)
class Delimited:
    """How a text file is written. `marked` says that its first line is Excel's `sep=`, which is no record."""

    encoding: str
    delimiter: str
    marked: bool
    is_headed: ClassVar[bool] = False

    @property
    def guessed(self) -> str:
        """The encoding, where it was guessed at."""
        return charset.guessed(self.encoding)

    def records(self, stream: HashedStream, name: str) -> Iterator[list[str]]:
        """Yield each record's cells; blank lines are records too.

        Raises `CohortError` for content that is no well-formed table, `UnicodeDecodeError` for another encoding.
        """
        lines = _lines(io.TextIOWrapper(io.BufferedReader(stream), self.encoding, newline=""), name)
        if self.marked:
            next(lines, None)
        row, width = 1, 0
        try:
            # Strict: a stray quotation mark must not swallow the accounts up to the next one.
            for cells in csv.reader(lines, delimiter=self.delimiter, strict=True):
                if len(cells) > MOST_CELLS:
                    raise CohortError(
                        f"{name}, row {row}: more than {MOST_CELLS:,} cells, so this is no table; remove this row, "
                        "or save the sheet with the accounts again."
                    )
                if self.delimiter in _PARTS_OF_LETTERS and self.guessed and cells:
                    width = width or len(cells)
                    if len(cells) != width:
                        raise CohortError(
                            f"{name}, row {row}: {len(cells):,} cells and not {width:,} as above, and the file is not "
                            f"in Unicode, so nobody can be sure which {self.delimiter} parts cells; save it in UTF-8."
                        )
                yield cells if self.delimiter != _NONE else [_listed(cell) for cell in cells]
                row += 1
        except csv.Error as error:
            raise CohortError(
                f"{name}, row {row}: the quotation marks do not pair up, or a cell is longer than "
                f"{csv.field_size_limit():,} characters; correct this row."
            ) from error


def dialects(origin: Origin) -> Iterator[Delimited]:
    """Yield the ways a text file may be written, likeliest first: each one's encoding is to be tried on the whole file.

    Raises `CohortError` when it is no text at all.
    """
    with origin.open() as stream:
        head = stream.read(_SNIFFED_BYTES) or b""
    if _is_binary(head.decode(charset.stated(head), "replace")):
        raise CohortError(
            f"{origin.name} is no text: it holds binary data, or UTF-16 without a byte order mark; "
            "save it as CSV in UTF-8, or name a workbook by its ending .xlsx."
        )
    for encoding in charset.encodings(origin, head):
        text = head.decode(encoding, "replace")
        mark = _MARK.match(text)
        delimiter = mark[1] if mark else "\t" if origin.ending == ".tsv" else _delimiter(text)
        if delimiter not in _PARTS_OF_LETTERS or encoding not in charset.OF_SEVERAL_BYTES:
            yield Delimited(encoding, delimiter, marked=bool(mark))


def _listed(line: str) -> str:
    """Return the account that a list's line names, or the line.

    Of lines of leaks, `address:password` and `url:address:password`, nothing but the account is kept, and of those
    that may be some, three characters to find them by.
    """
    if account := identifiers.leaked(line):
        return account
    if ":" not in line or identifiers.parse(line).key or identifiers.parse(line.partition(": ")[2]).key:
        return line
    return next((part for part in line.split(":") if headers.rank(part) is not None), f"{line.strip()[:3]}…")


def _is_binary(text: str) -> bool:
    """Say whether there is a NUL, or more than one control character in fifty, as in no text."""
    controls = sum(1 for letter in text if letter < " " and letter not in _TEXT_CONTROLS)
    return "\0" in text or 50 * controls > len(text)


def _delimiter(text: str) -> str:
    """Choose the delimiter under which the text's first records look most like one table."""
    lines = [line for line in text.splitlines()[:_SNIFFED_RECORDS] if line.strip()]
    if 2 * sum(1 for line in lines if identifiers.leaked(line)) > len(lines):
        return _NONE  # a password may hold any of them
    return max(_DELIMITERS, key=lambda delimiter: _likeness(text, delimiter))


def _likeness(text: str, delimiter: str) -> tuple[bool, bool, float, int]:
    """Weigh a delimiter: a known header beside others, several columns, how even they are, how many."""
    # The sample may end within a quoted cell, so this reader is lenient.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        records = [record for record in islice(reader, _SNIFFED_RECORDS) if record]
    except csv.Error:
        records = []
    widths = [len(record) for record in records]
    if not widths:
        return False, False, 0.0, 0
    typical = max(widths, key=widths.count)
    has_header = any(len(record) > 1 and any(headers.rank(cell) is not None for cell in record) for record in records)
    return has_header, typical > 1, widths.count(typical) / len(widths), typical


def _lines(text: TextIO, name: str) -> Iterator[str]:
    """Yield the text's lines, each with its end, refusing what is no text."""
    number = 0
    while line := text.readline(_LONGEST_LINE):
        number += 1
        if "\0" in line:
            raise CohortError(f"{name}, line {number}: a NUL byte, so this is no text; save it as CSV in UTF-8.")
        if len(line) == _LONGEST_LINE:
            raise CohortError(f"{name}, line {number}: longer than {_LONGEST_LINE:,} characters, so this is no table.")
        yield line
