"""Workbooks and tables that are larger than they look: each is refused soon, in little memory, in one sentence."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from batchreset.cohort import inspect, unpacking
from tests.support.cohorts import (
    identifiers_in,
    old_workbook,
    refusal,
    rows_of,
    workbook,
    xls_shared,
    xls_text,
    xls_texts,
)
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ACCOUNTS = [["UPN", "Name"], ["zoe@contoso.example", "Zoë"], ["yui@contoso.example", "Yui"]]
SHEET = "xl/worksheets/sheet1.xml"
HEAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
END = b"</sheetData>"
#: Seconds that a refusal may take; on a machine at rest each takes a tenth of that.
SOON = 2.0


def rewritten(path: Path, rewrite: Callable[[str, bytes], bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a small workbook whose parts are rewritten."""
    workbook(path, {"A": ACCOUNTS})
    with zipfile.ZipFile(path) as package:
        parts = [(part.filename, rewrite(part.filename, package.read(part))) for part in package.infolist()]
    with zipfile.ZipFile(path, "w", method) as package:
        for name, content in parts:
            package.writestr(name, content)
    return path


def sheet(path: Path, content: bytes) -> Path:
    """Write a workbook whose one sheet holds these rows."""
    return rewritten(path, lambda name, usual: HEAD + content + END + b"</worksheet>" if name == SHEET else usual)


def lying(path: Path) -> Path:
    """Write a workbook whose sheet unpacks to far more than it says."""
    sheet(path, b'<row r="1"/>' + b" " * (12 << 20))
    data = path.read_bytes()
    real = next(part for part in zipfile.ZipFile(io.BytesIO(data)).infolist() if part.filename == SHEET)
    path.write_bytes(data.replace(real.file_size.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    return path


def renamed(path: Path, ending: str, content: bytes) -> Path:
    """Write a workbook whose one sheet is a part of another name."""
    other = SHEET.replace(".xml", ending)
    sheet(path, content)
    with zipfile.ZipFile(path) as package:
        parts = {part.filename: package.read(part) for part in package.infolist()}
    parts[other] = parts.pop(SHEET)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, old in parts.items():
            package.writestr(name, old.replace(b"sheet1.xml", f"sheet1{ending}".encode()) if name != other else old)
    return path


def with_part(path: Path, name: str, content: bytes) -> Path:
    """Add a part to a workbook."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as package:
        package.writestr(name, content)
    return path


def shared(*texts: str) -> bytes:
    """Write the table of texts that cells share."""
    items = "".join(f"<si><t>{text}</t></si>" for text in texts)
    return f'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{items}</sst>'.encode()


def refers(path: Path, texts: Sequence[str], rows: int, number: int = 0) -> Path:
    """Write a workbook whose rows all refer to one text, in a column `Note` beside the account."""
    account = b'<row r="%d"><c r="A%d" t="inlineStr"><is><t>%b</t></is></c><c r="B%d" t="s"><v>%d</v></c></row>'
    lines = [account % (1, 1, b"UPN", 1, len(texts) - 1)]
    lines += [account % (row, row, b"u%d@b.example" % row, row, number) for row in range(2, rows + 2)]
    content = HEAD + b"".join(lines) + END + b"</worksheet>"
    parts = {SHEET: content, "xl/sharedStrings.xml": shared(*texts)}
    return rewritten(path, parts.get)


BEYOND = b'<row r="1"><c r="XFE1"><v>1</v></c></row>'
BOMBS: dict[str, Callable[[Path], Path]] = {
    "zeros": lambda path: sheet(path, b" " * (32 << 20)),
    "texts": lambda path: rewritten(path, lambda name, old: b"0" * (24 << 20) if "sharedStrings" in name else old),
    "many columns": lambda path: sheet(path, b'<row r="1">' + b"<c><v>1</v></c>" * 1_000_000 + b"</row>"),
    "a column beyond": lambda path: sheet(path, BEYOND),
    "under another name": lambda path: renamed(path, ".dat", BEYOND),
    "said to be a drawing": lambda path: renamed(path, ".vml", BEYOND),
    "formats": lambda path: rewritten(
        path, lambda name, old: old.replace(b"<fonts", b"<xf/>" * (4 << 20) + b"<fonts") if "styles" in name else old
    ),
    "no column": lambda path: sheet(path, b'<row r="1"><c r="ZZZZZZZZZ1"><v>1</v></c></row>'),
    "a row beyond": lambda path: sheet(path, b'<row r="1048577"><c r="A1048577"><v>1</v></c></row>'),
    "no row": lambda path: sheet(path, b'<row r="4000000000"><c r="A4000000000"><v>1</v></c></row>'),
    "a row that does not end": lambda path: sheet(path, b'<row r="1">' + b"<v/>" * 600_000 + b"</row>"),
    "deep": lambda path: sheet(path, b'<row r="1">' + b"<is>" * 600_000 + b"</is>" * 600_000 + b"</row>"),
}
DAMAGED: dict[str, Callable[[Path], Path]] = {
    "lying": lying,
    "another row": lambda path: sheet(path, b'<row r="1"><c r="A7"><v>1</v></c></row>'),
    "backwards": lambda path: sheet(path, b'<row r="first"><c r="1A"><v>1</v></c></row>'),
    "rows out of order": lambda path: sheet(path, b'<row r="2"/><row r="1"><c r="A1"><v>1</v></c></row>'),
    "cells out of order": lambda path: sheet(path, b'<row r="1"><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row>'),
    "not closed": lambda path: sheet(path, b'<row r="1">'),
    "two tables of texts": lambda path: with_part(workbook(path, {"A": ACCOUNTS}), "xl/more.xml", shared("a")),
    "no such text": lambda path: refers(path, ["x" * (1 << 20)], 600, 7),
    "binary": lambda path: with_part(workbook(path, {"A": ACCOUNTS}), "xl/workbook.bin", b"x"),
    "entities": lambda path: rewritten(
        path, lambda name, old: b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + old if name == SHEET else old
    ),
    "lzma": lambda path: rewritten(path, lambda _name, usual: usual, zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Before anything unpacks it whole; the sentence names the file and says what to do."""
    sentence = quick_refusal(make(tmp_path / "book.xlsx"))
    assert sentence.startswith("book.xlsx is too large when unpacked")
    assert "save the sheet with the accounts as CSV" in sentence


@pytest.mark.parametrize("make", DAMAGED.values(), ids=DAMAGED)
def test_what_says_other_than_it_holds_is_damaged(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """A checksum that does not fit, cells of other rows, entities, methods that Excel does not know."""
    assert "book.xlsx is damaged or no Excel workbook" in quick_refusal(make(tmp_path / "book.xlsx"))


def test_texts_that_cells_share_count_as_often_as_they_are_shared(tmp_path: Path) -> None:
    """A megabyte that a thousand rows refer to is refused before it is read a thousand times; so it is in .xls."""
    sentence = quick_refusal(refers(tmp_path / "book.xlsx", ["x" * (1 << 20), "Note"], 1_000))
    assert sentence == (
        "book.xlsx is too large when unpacked: over 1,024 MiB, or 100 times its own size; allow more with "
        "--max-unpacked, or save the sheet with the accounts as CSV."
    )
    cells = b"".join(xls_text(row, 0, f"u{row}@b.example") + xls_shared(row, 1, 1) for row in range(30_000))
    path = old_workbook(tmp_path / "old.xls", {"A": cells}, first=xls_texts("Note", "x" * 30_000))
    assert quick_refusal(path).startswith("old.xls is too large when unpacked: over 1,024 MiB, or 100 times")


def test_so_many_texts_that_they_are_counted_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they come to less than a workbook may unpack to, they are no reason to refuse it."""
    monkeypatch.setattr(unpacking, "_COUNTED_FROM", 0)
    (source,) = inspect([str(refers(tmp_path / "book.xlsx", ["Büro", "Note"], 50))])
    assert [json.loads(row["cohort"]) for row in rows_of(source)] == [{"Note": "Büro"}] * 50
    data = (tmp_path / "book.xlsx").read_bytes()
    unpacked = sum(part.file_size for part in zipfile.ZipFile(io.BytesIO(data)).infolist())
    assert unpacking.extent(data, "it", unpacking.Limit()).unpacked == unpacked + 51 * 4


def test_the_limit_is_an_option(tmp_path: Path) -> None:
    """It may be lowered and raised; the sentence names it."""
    path = sheet(tmp_path / "book.xlsx", b'<row r="1"><c r="A1" t="inlineStr"><is><t>a@b.example</t></is></c></row>')
    size = sum(part.file_size for part in zipfile.ZipFile(path).infolist())
    assert len(inspect([str(path)], max_unpacked=size)) == 1
    assert refusal(path, max_unpacked=size - 1).startswith("book.xlsx is too large when unpacked: over the 0.0")
    assert "MiB that --max-unpacked allows; raise that, or save the sheet" in refusal(path, max_unpacked=size - 1)
    blanks = sheet(tmp_path / "blanks.xlsx", b" " * (16 << 20) + b'<row r="1"><c r="A1"/></row>')
    assert "or 100 times its own size; allow more with --max-unpacked" in refusal(blanks)
    assert "#A is empty" in refusal(blanks, max_unpacked=1 << 30)


def test_a_workbook_is_read_no_further_than_it_may_unpack_to(tmp_path: Path) -> None:
    """A disk image that was given another ending is not held in memory to find out that it is no workbook."""
    path = tmp_path / "book.xlsx"
    with path.open("wb") as file:
        file.truncate(8 << 20)
    assert "book.xlsx is damaged" in refusal(path)
    assert "over the 1 MiB that --max-unpacked allows; raise that" in refusal(path, max_unpacked=1 << 20)


def test_a_table_of_a_million_columns_is_refused(tmp_path: Path) -> None:
    """In text too, at the record that has them."""
    path = tmp_path / "wide.csv"
    path.write_text("upn,name\nzoe@contoso.example,Zoe\n" + "," * 1_000_000 + "\n", encoding="utf-8")
    assert quick_refusal(path).startswith("wide.csv, row 3: more than 16,384 cells")


def test_a_cell_in_the_last_corner_is_no_bomb(tmp_path: Path) -> None:
    """Somebody's cursor was there: the cells between are not made room for."""
    far = b'<row r="1048576"><c r="A1048576"><v>1</v></c><c r="XFD1048576"><v>1</v></c></row>'
    path = rewritten(tmp_path / "book.xlsx", lambda name, old: old.replace(END, far + END) if name == SHEET else old)
    (source,) = inspect([str(path)])
    assert (source.name, source.records) == ("book.xlsx#A", 1_048_575)


def test_a_sheet_of_other_peoples_is_read(tmp_path: Path) -> None:
    """Rows and cells without places, as other programs write them."""
    plain = b'<row><c t="inlineStr"><is><t>%b</t></is></c></row>'
    path = sheet(tmp_path / "plain.xlsx", plain % b"UPN" + plain % b"a@b.example")
    assert identifiers_in(path) == [(2, "a@b.example")]


@pytest.mark.skipif(sys.platform != "linux", reason="there a process can be kept from taking more memory")
def test_all_of_them_fit_into_little_memory(tmp_path: Path) -> None:
    """One process refuses each of them with 256 MB of address space beyond what the program takes by itself."""
    paths = [make(tmp_path / f"{number}.xlsx") for number, make in enumerate((*BOMBS.values(), *DAMAGED.values()))]
    done = subprocess.run(  # noqa: S603  our own words
        [sys.executable, "-c", _REFUSING, *map(str, paths)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["CohortError"] * len(paths), done.stderr


_REFUSING = """
import re, resource, sys
from batchreset.cohort import inspect, workbook
from batchreset.errors import CohortError
taken = int(re.search(r"VmSize:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + (256 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        inspect([path])
    except CohortError:
        print("CohortError")
"""


def quick_refusal(path: Path) -> str:
    """Return the refusal, which takes little time."""
    start = time.process_time()
    sentence = refusal(path)
    assert time.process_time() - start < SOON
    return sentence
