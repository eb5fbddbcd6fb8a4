"""Cohort files written and read back, for tests of the loader."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from xml.sax.saxutils import escape

import pytest
import xlsxwriter

from batchreset.cohort import inspect, read
from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchreset.cohort import Source

_LONGEST_RECORD = 8224
_Place = TypeVar("_Place", Path, io.BytesIO)


def rows_of(source: Source, **options: Any) -> list[dict[str, Any]]:
    return [
        dict(zip(frame.columns, record, strict=True))
        for frame in read(source, **options)
        for record in frame.itertuples(index=False)
    ]


def identifiers_in(path: Path, **options: Any) -> list[tuple[int, str]]:
    """Return number and text of each row of the one source in `path`."""
    (source,) = inspect([str(path)], **options)
    return [(row["row"], row["identifier"]) for row in rows_of(source)]


def refusal(*cohort: Path | str, **options: Any) -> str:
    """Return the one sentence with which an input is refused."""
    with pytest.raises(CohortError) as caught:
        inspect([str(each) for each in cohort], **options)
    sentence = str(caught.value)
    assert caught.value.exit_status == 5
    assert sentence.isprintable()
    return sentence


def workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]], *, hidden: Sequence[str] = ()) -> Path:
    """Write a workbook; None leaves a cell empty."""
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm"}) as book:
        for name, records in sheets.items():
            sheet = book.add_worksheet(name)
            for row, record in enumerate(records):
                sheet.write_row(row, 0, record)
            if name in hidden:
                sheet.hide()
    return path


def open_document(path: _Place, tables: Mapping[str, str], *, hidden: Sequence[str] = (), manifest: str = "") -> _Place:
    """Write an .ods of these tables, each the XML of its rows."""
    style = '<style:style style:name="hid"><style:table-properties table:display="false"/></style:style>'
    sheets = "".join(
        f'<table:table table:name="{name}" table:style-name="{"hid" if name in hidden else ""}">{rows}</table:table>'
        for name, rows in tables.items()
    )
    names = "".join(f' xmlns:{each}="urn:{each}"' for each in ("office", "style", "table", "text", "xlink"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        package.writestr(
            "META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="m">{manifest}</manifest:manifest>'
        )
        package.writestr(
            "content.xml",
            f"<office:document-content{names}><office:automatic-styles>{style}</office:automatic-styles>"
            f"<office:body><office:spreadsheet>{sheets}</office:spreadsheet></office:body></office:document-content>",
        )
    return path


def ods_row(*cells: str | float | None, repeated: int = 1) -> str:
    """Return a row's XML; None leaves a cell empty."""
    written = "".join(map(_ods_cell, cells))
    return f'<table:table-row table:number-rows-repeated="{repeated}">{written}</table:table-row>'


def _ods_cell(cell: str | float | None) -> str:
    match cell:
        case None:
            return "<table:table-cell/>"
        case str():
            text = "</text:p><text:p>".join(map(escape, cell.split("\n")))
            return f'<table:table-cell office:value-type="string"><text:p>{text}</text:p></table:table-cell>'
        case _:
            return f'<table:table-cell office:value-type="float" office:value="{cell}"/>'


def old_workbook(path: Path, sheets: Mapping[str, bytes], *, first: bytes = b"") -> Path:
    """Write an .xls of these sheets, each its records of cells; `first` are records before them."""
    begin, end = _record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)), _record(0x0A)
    listed = [struct.pack("<IBBBB", 0, 0, 0, len(name), 0) + name.encode("latin-1") for name in sheets]
    at = len(begin) + len(first) + sum(4 + len(each) for each in listed) + len(end)
    globals_, parts = begin + first, b""
    for entry, cells in zip(listed, sheets.values(), strict=True):
        globals_ += _record(0x85, struct.pack("<I", at + len(parts)) + entry[4:])
        parts += begin + cells + end
    return compound(path, {"Workbook": globals_ + end + parts})


def xls_text(row: int, column: int, text: str) -> bytes:
    """Return a cell's record."""
    return _record(0x204, struct.pack("<HHHHB", row, column, 0, len(text), 1) + text.encode("utf-16-le"))


def xls_number(row: int, column: int, number: float) -> bytes:
    """Return a cell's record."""
    return _record(0x203, struct.pack("<HHHd", row, column, 0, number))


def xls_shared(row: int, column: int, number: int) -> bytes:
    """Return the record of a cell that has a shared text, by the number of that."""
    return _record(0xFD, struct.pack("<HHHI", row, column, 0, number))


def xls_texts(*texts: str, behind: bytes = b"") -> bytes:
    """Return the records of the texts that cells share, each with so many bytes of formats behind it."""
    parts = [struct.pack("<II", len(texts), len(texts))]
    for text in texts:
        is_wide = not text.isascii()
        letters, width = text.encode("utf-16-le" if is_wide else "ascii"), 1 + is_wide
        if len(parts[-1]) > _LONGEST_RECORD - 100:
            parts.append(b"")
        parts[-1] += struct.pack("<HBH", len(letters) // width, 8 | is_wide, len(behind) // 4)
        while letters:
            room = (_LONGEST_RECORD - len(parts[-1])) // width * width
            parts[-1] += letters[:room]
            letters = letters[room:]
            if letters:
                parts.append(bytes([is_wide]))
        room = _LONGEST_RECORD - len(parts[-1])
        parts[-1] += behind[:room]
        if behind[room:]:
            parts.append(behind[room:])
    return b"".join(_record(0x3C if number else 0xFC, part) for number, part in enumerate(parts))


def _record(kind: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def compound(path: Path, streams: Mapping[str, bytes]) -> Path:
    """Write a compound file; each stream is filled up to whole sectors, and to as many as are not mini ones."""
    free, end, table = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    parts = [data.ljust(4096, b"\0") for data in streams.values()]
    parts = [data + bytes(-len(data) % 512) for data in parts]
    counts = [len(data) // 512 for data in parts]
    tables = -(-(sum(counts) + 1) // 127)
    chained, entries = [table] * tables + [end], _entry("Root Entry", 5, end, 0)
    for name, data in zip(streams, parts, strict=True):
        start, count = len(chained), len(data) // 512
        entries += _entry(name, 2, start, len(data))
        chained += [*range(start + 1, start + count), end]
    entries += bytes(-len(entries) % 512)
    chained += [free] * (tables * 128 - len(chained))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(24, b"\0") + struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<3I4x5I", 0, tables, tables, 4096, end, 0, end, 0)
    head += struct.pack("<109I", *range(tables), *[free] * (109 - tables))
    path.write_bytes(head + struct.pack(f"<{len(chained)}I", *chained) + entries + b"".join(parts))
    return path


def _entry(name: str, kind: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le")
    return text.ljust(64, b"\0") + struct.pack("<HBB12x36xIQ", len(text) + 2, kind, 1, start, size)
