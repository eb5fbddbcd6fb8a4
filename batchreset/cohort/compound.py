"""What an old Excel workbook (.xls) holds, looked through before calamine reads it.

It lies in a compound file: sectors chained by a table, in which a ring would be read for ever. Readers make room for
all cells between a sheet's corners, of every sheet at once. Sources: Microsoft's [MS-CFB] and [MS-XLS].
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.cohort.unpacking import Extent, Limit, TooLargeError, damaged, protected, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: Sectors have 512 or 4096 bytes.
_SHIFTS = (_SHORT, _LONG) = (9, 12)
_MINI, _MINI_BELOW = 64, 4096
#: Sector numbers from here on mean something else, such as the end of a chain.
_SPECIAL = 0xFFFFFFFA
_ENTRY = 128
_ENCRYPTED, _END, _SHEET, _DIMENSIONS = 0x2F, 0x0A, 0x85, 0x200
#: Records of cells begin with row and column; those of several cells end with the last column.
_SEVERAL = frozenset({0xBD, 0xBE})
_CELLS = frozenset({0x06, 0x201, 0x203, 0x204, 0x205, 0x206, 0x27E, 0x406, 0xD6, 0xFD}) | _SEVERAL
#: The texts that cells share, what continues a record, and a cell that has such a text.
_SHARED, _CONTINUED, _SHARING = 0xFC, 0x3C, 0xFD
#: How a text is kept: in letters of two bytes, with formats behind it, with readings behind those.
_WIDE, _EXTENDED, _RICH = 1, 4, 8
#: The format's own limits.
_MOST_ROWS, _MOST_COLUMNS = 65_536, 256


class _EncryptedError(Exception):
    """It cannot be read without its password."""


def extent(data: bytes, name: str, limit: Limit) -> Extent:
    """Look a workbook through; memory and time are bounded. Raises as `unpacking.extent` does."""
    try:
        stream = _workbook(data)
        lengths, begins = _texts(stream), _sheets(stream)
        found = [_extent(stream, begin, lengths) for begin in begins]
        unpacked = len(stream) + sum(each.unpacked for each in found)
        limit.check(unpacked, len(data))
        return Extent(unpacked, sum(each.cells for each in found))
    except _EncryptedError:
        raise protected(name) from None
    except TooLargeError as error:
        raise too_large(name, limit, error) from None
    except (struct.error, LookupError, ValueError, StopIteration) as error:
        raise damaged(name) from error


def _workbook(data: bytes) -> bytes:
    """Return the workbook's stream. Raises `ValueError` for what is damaged, `_EncryptedError`."""
    (shift,) = struct.unpack_from("<H", data, 30)
    if shift not in _SHIFTS:
        raise ValueError("sectors of an unknown size")
    entries_at, minis_at = (struct.unpack_from("<I", data, at)[0] for at in (48, 60))
    # How many sectors the file says that it has for its entries and tables: room is made for them unseen.
    if any(struct.unpack_from("<I", data, at)[0] << shift > len(data) for at in (40, 44, 64)):
        raise ValueError("more sectors than there are")
    sectors = _Chained(data[1 << shift :], 1 << shift, _table(data, 1 << shift))
    entries = sectors.stream(entries_at)
    found: dict[str, tuple[int, int]] = {}
    for at in range(0, len(entries), _ENTRY):
        text, start, size = struct.unpack_from("<64s52xIQ", entries, at)
        if shift == _SHORT:  # in which the other half of a size may be anything
            size &= 0xFFFFFFFF
        if size > len(data):
            raise ValueError("a stream that is longer than the file")
        found.setdefault(text.decode("utf-16-le", "replace").partition("\0")[0], (start, size))
    if "EncryptedPackage" in found:
        raise _EncryptedError
    minis = _Chained(sectors.stream(next(iter(found.values()))[0]), _MINI, _numbers(sectors.stream(minis_at)))
    start, size = found.get("Workbook") or found["Book"]
    return (minis if size < _MINI_BELOW else sectors).stream(start)[:size]


@dataclass(frozen=True, slots=True)
class _Chained:
    """Sectors, and for each the number of the one that follows it in its stream."""

    data: bytes
    size: int
    following: Sequence[int]

    def __post_init__(self) -> None:
        """Raise `ValueError` where sectors are chained to a ring, or two to one."""
        chained = [number for number in self.following if number < _SPECIAL]
        if len(set(chained)) < len(chained):
            raise ValueError("two sectors before one")
        # Each sector has one before it at most, so what no beginning leads to is a ring.
        beginnings = set(range(len(self.following))).difference(chained)
        if sum(1 for each in beginnings for _ in self._chain(each)) < len(self.following):
            raise ValueError("a ring of sectors")

    def stream(self, number: int) -> bytes:
        """Return the sectors of a stream, from its first one's number; nothing where it has none."""
        return b"".join(self.data[each * self.size : (each + 1) * self.size] for each in self._chain(number))

    def _chain(self, number: int) -> Iterator[int]:
        while number < _SPECIAL:
            yield number
            number = self.following[number]


def _table(data: bytes, size: int) -> Sequence[int]:
    """Return which sector follows each, from the sectors that the header lists, and those that it chains."""
    listed = list(struct.unpack_from("<109I", data, 76))
    (more,) = struct.unpack_from("<I", data, 68)
    while more < _SPECIAL:
        listed += _numbers(_sector(data, more, size))
        more = listed.pop()
        if len(listed) * 4 > len(data):
            raise ValueError("more sectors than there are")
    found = [number for number in listed if number < _SPECIAL]
    if len(set(found)) < len(found):
        raise ValueError("a sector listed twice")
    return _numbers(b"".join(_sector(data, number, size) for number in found))


def _sector(data: bytes, number: int, size: int) -> bytes:
    return data[(number + 1) * size : (number + 2) * size]


def _numbers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the records from one on to the end of their part, each as its kind and content."""
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        yield kind, stream[at + 4 : at + 4 + length]
        if kind == _END:
            return
        at += 4 + length


def _sheets(stream: bytes) -> list[int]:
    """Return where each sheet begins."""
    begins = []
    for kind, content in _records(stream, 0):
        if kind == _ENCRYPTED:
            raise _EncryptedError
        if kind == _SHEET:
            begins.append(struct.unpack_from("<I", content)[0])
    if len(set(begins)) < len(begins) or max(begins) >= len(stream):
        raise ValueError("no sheet, or one where there is none")
    return begins


def _texts(stream: bytes) -> Sequence[int]:
    """Return how long the texts are that cells share, which lie in one record and those that continue it."""
    parts: list[bytes] = []
    for kind, content in _records(stream, 0):
        if kind == _SHARED or (parts and kind == _CONTINUED):
            parts.append(content)
        elif parts:
            break
    lengths = array("I")
    if parts:
        texts = _Shared(parts)
        for _ in range(struct.unpack_from("<I", parts[0], 4)[0]):
            lengths.append(texts.take())
    return lengths


class _Shared:
    """A place in the records of shared texts. Source: [MS-XLS], SST and XLUnicodeRichExtendedString."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._following = iter(parts)
        self._part, self._at = next(self._following), 8

    def take(self) -> int:
        """Take the next text, and return how many letters it has. Raises `StopIteration` where there is none."""
        if self._at >= len(self._part):
            self._continue(0)
        length, flags = struct.unpack_from("<HB", self._part, self._at)
        self._at += 3
        behind = 0
        if flags & _RICH:
            behind += 4 * self._number("<H")
        if flags & _EXTENDED:
            behind += self._number("<I")
        left = length
        while left:
            width = 2 if flags & _WIDE else 1
            here = min(left, (len(self._part) - self._at) // width)
            left -= here
            self._at += here * width
            if left:  # what follows says anew how wide its letters are
                self._continue(1)
                flags = self._part[0]
        while behind > len(self._part) - self._at:
            behind -= len(self._part) - self._at
            self._continue(0)
        self._at += behind
        return int(length)

    def _number(self, form: str) -> int:
        (number,) = struct.unpack_from(form, self._part, self._at)
        self._at += struct.calcsize(form)
        return int(number)

    def _continue(self, at: int) -> None:
        self._part, self._at = next(self._following), at


def _extent(stream: bytes, begin: int, lengths: Sequence[int]) -> Extent:
    """Return how long the shared texts of a sheet's cells are, each as often as it stands; and its cells.

    These are what lies between its corners, as its cells have them and as it says.
    """
    rows = columns = copied = 0
    for kind, content in _records(stream, begin):
        if kind == _DIMENSIONS:
            # Ends, exclusive; rows are longer numbers in the later version of the format.
            last_row, last_column = struct.unpack_from("<4xI2xH" if len(content) >= 14 else "<2xH2xH", content)  # noqa: PLR2004
        elif kind in _CELLS:
            last_row, last_column = (number + 1 for number in struct.unpack_from("<HH", content))
            if kind == _SHARING:
                copied += lengths[struct.unpack_from("<I", content, 6)[0]]
            if kind in _SEVERAL:
                last_column = struct.unpack_from("<H", content, len(content) - 2)[0] + 1
        else:
            continue
        if last_column > _MOST_COLUMNS or last_row > _MOST_ROWS:
            raise TooLargeError
        rows, columns = max(rows, last_row), max(columns, last_column)
    return Extent(copied, rows * columns)
