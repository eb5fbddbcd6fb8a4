"""Workbooks and tables that are larger than they look: each is refused soon, in little memory, in one sentence."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from batchreset.cohort import inspect
from tests.support.cohorts import identifiers_in, refusal, workbook
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
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
    sheet(path, b'<row r="1"/>' + b" " * (48 << 20))
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


BEYOND = b'<row r="1"><c r="XFE1"><v>1</v></c></row>'
BOMBS: dict[str, Callable[[Path], Path]] = {
    "zeros": lambda path: sheet(path, b" " * (200 << 20)),
    "texts": lambda path: rewritten(path, lambda name, old: b"0" * (64 << 20) if "sharedStrings" in name else old),
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
