"""OpenDocument spreadsheets (.ods) and Excel's old workbooks (.xls)."""

from __future__ import annotations

import io
import json
import struct
import time
import zipfile
from typing import TYPE_CHECKING

import msoffcrypto.format.ooxml
import pytest

from batchreset.cohort import compound as compound_reader
from batchreset.cohort import inspect
from tests.support.cohorts import (
    compound,
    identifiers_in,
    ods_row,
    old_workbook,
    open_document,
    refusal,
    rows_of,
    workbook,
    xls_number,
    xls_shared,
    xls_text,
    xls_texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = ods_row("UPN", "Name", "Ticket") + ods_row("zoe@contoso.example", "Zoë", 7) + ods_row("yui@contoso.example")
CELLS = xls_text(0, 0, "UPN") + xls_text(1, 0, "zoe@contoso.example") + xls_text(2, 0, "yui@contoso.example")
CELL = "<table:table-cell table:number-columns-repeated='9999999' office:value='1'/>"


def test_an_open_document_is_read(tmp_path: Path) -> None:
    """Titles, empty columns, repeated empty rows and hidden tables are passed over; rows keep their numbers."""
    rows = (
        ods_row("Incident 7: reset these")
        + ods_row(repeated=2)
        + ods_row(None, "UPN", "Note", "N")
        + ods_row(None, "zoe@contoso.example", "a\nb", 12)
        + ods_row(None, repeated=3)
        + ods_row(None, "yui@contoso.example", "Łódź", 0.5)
        + ods_row(None, repeated=1_048_500)
    )
    path = open_document(tmp_path / "book.ods", {"Old": ROWS, "People": rows}, hidden=["Old"])
    (source,) = inspect([str(path)])
    assert (source.name, source.columns) == ("book.ods#People", ("Note", "N"))
    found = [(row["row"], row["identifier"], json.loads(row["cohort"])) for row in rows_of(source)]
    assert found[0] == (5, "zoe@contoso.example", {"Note": "a\nb", "N": "12"})
    assert found[-1] == (9, "yui@contoso.example", {"Note": "Łódź", "N": "0.5"})
    assert [row for row, *_ in found] == [5, 6, 7, 8, 9]


def test_an_old_workbook_is_read(tmp_path: Path) -> None:
    """The one sheet with accounts, wherever its table starts; numbers lose no digit and gain none."""
    cells = [(1, 1, "User principal name"), (1, 2, "Büro"), (2, 1, "zoe@contoso.example"), (2, 2, "Kraków")]
    written = b"".join(xls_text(*cell) for cell in cells) + xls_text(4, 1, "yui@contoso.example") + xls_number(4, 2, 17)
    path = old_workbook(tmp_path / "book.xls", {"Notes": xls_text(0, 0, "x"), "People": written})
    (source,) = inspect([str(path)])
    assert source.name == "book.xls#People"
    assert [(row["row"], row["identifier"], json.loads(row["cohort"])) for row in rows_of(source)] == [
        (3, "zoe@contoso.example", {"Büro": "Kraków"}),
        (4, "", {"Büro": ""}),
        (5, "yui@contoso.example", {"Büro": "17"}),
    ]


def test_texts_that_cells_share_are_measured_in_an_old_workbook(tmp_path: Path) -> None:
    """Narrow and wide ones, continued in another record, with formats behind them: as calamine reads them."""
    texts = ["UPN", "Note", "zoe@contoso.example", "Kraków" * 3_000, "x" * 9_000, "", "Łódź", "end"]
    for behind in (b"", bytes(400), bytes(9_000)):
        first = xls_texts(*texts, behind=behind)
        cells = [(0, 0, 0), (0, 1, 1), *((row, 0, 2) for row in range(1, 7)), *((n - 2, 1, n) for n in range(3, 8))]
        path = old_workbook(tmp_path / "book.xls", {"A": b"".join(xls_shared(*cell) for cell in cells)}, first=first)
        (source,) = inspect([str(path)])
        assert [json.loads(row["cohort"])["Note"] for row in rows_of(source)][:5] == texts[3:]
        stream = compound_reader._workbook(path.read_bytes())
        assert list(compound_reader._texts(stream)) == [len(text) for text in texts]


@pytest.mark.parametrize("ending", [".xlsx", ".xls", ".ods"])
def test_content_counts_and_not_the_ending(tmp_path: Path, ending: str) -> None:
    """A workbook under another's ending is read, and one without any: from standard input."""
    for path in (
        old_workbook(tmp_path / f"a{ending}", {"A": CELLS}),
        open_document(tmp_path / f"b{ending}", {"A": ROWS}),
    ):
        assert [text for _, text in identifiers_in(path)] == ["zoe@contoso.example", "yui@contoso.example"]
        (source,) = inspect(["-"], stdin=io.BytesIO(path.read_bytes()))
        assert source.name == "standard input#A"


TOO_LARGE: dict[str, Callable[[Path], Path]] = {
    "rows repeated": lambda path: open_document(path, {"A": ROWS + ods_row("x", repeated=1_048_576)}),
    "many tables": lambda path: open_document(
        path, {name: ods_row("x", repeated=10**6) + ods_row(*["x"] * 99) for name in "AB"}
    ),
    "columns repeated": lambda path: open_document(path, {"A": f"<table:table-row>{CELL}</table:table-row>"}),
    "texts repeated": lambda path: open_document(path, {"A": ROWS + ods_row("x" * 10_000, repeated=20_000)}),
    "a column beyond": lambda path: old_workbook(path, {"A": CELLS + xls_text(3, 256, "x")}),
    "columns said": lambda path: old_workbook(
        path, {"A": struct.pack("<HHIIHHH", 0x200, 14, 0, 2**32 - 1, 0, 9, 0) + CELLS}
    ),
    "all corners": lambda path: old_workbook(path, {name: CELLS + xls_text(65_535, 255, "x") for name in "AB"}),
}


@pytest.mark.parametrize("make", TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Before a reader makes room for it: repeated cells and texts, corners of all sheets, sizes that are only said."""
    path, start = make(tmp_path / "book.ods"), time.process_time()
    assert refusal(path).startswith("book.ods is too large when unpacked")
    assert time.process_time() - start < 2


def patched(path: Path, at: int, *numbers: int) -> Path:
    """Write an old workbook in which the numbers from one place on are others."""
    data = bytearray(old_workbook(path, {"A": CELLS}).read_bytes())
    struct.pack_into(f"<{len(numbers)}I", data, at, *numbers)
    path.write_bytes(data)
    return path


#: Calamine panics at it: five hundred bytes of a formula that has two.
FORMULA = struct.pack("<HHHHHdHIH", 0x06, 24, 3, 0, 0, 0, 0, 0, 500) + b"\x17\xf0"
DAMAGED: dict[str, Callable[[Path], Path]] = {
    "a ring of sectors": lambda path: patched(path, 512 + 4 * 9, 2),
    "a ring apart": lambda path: patched(path, 512 + 4 * 100, 101, 100),
    "a ring of tables": lambda path: patched(path, 68, 0),
    "a table twice": lambda path: patched(path, 76, 0, 0),
    "more entries than fit": lambda path: patched(path, 40, 2**31),
    "a stream longer than the file": lambda path: patched(path, 1024 + 128 + 120, 2**31),
    "no sector": lambda path: patched(path, 1024 + 128 + 116, 5000),
    "sectors of another size": lambda path: patched(path, 30, 20),
    "a formula that does not end": lambda path: old_workbook(path, {"A": CELLS + FORMULA}),
    "no workbook": lambda path: compound(path, {"WordDocument": b"x"}),
    "no sheet": lambda path: old_workbook(path, {}),
    "cut": lambda path: patched(path, 76 + 8, 77),
    "entities": lambda path: open_document(path, {"A": "&a;"}),
    "a number of rows": lambda path: open_document(path, {"A": "<table:table-row table:number-rows-repeated='-1'/>"}),
}


def both(path: Path) -> Path:
    """Write a package that is an Excel workbook and an OpenDocument spreadsheet at once."""
    workbook(path.with_suffix(".xlsx"), {"A": [["UPN"], ["zoe@contoso.example"]]})
    open_document(path, {"A": ROWS})
    with zipfile.ZipFile(path.with_suffix(".xlsx")) as source, zipfile.ZipFile(path, "a") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return path


DAMAGED["two in one"] = both


@pytest.mark.parametrize("make", DAMAGED.values(), ids=DAMAGED)
def test_what_is_damaged_is_refused(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """A ring of sectors is not read for ever, and no room is made for what a file only says."""
    path, start = make(tmp_path / "book.xls"), time.process_time()
    assert refusal(path).startswith("book.xls is damaged or no Excel workbook")
    assert time.process_time() - start < 2


def test_encrypted_workbooks_are_refused(tmp_path: Path) -> None:
    """Each kind says by itself that it is: the sentence says what to do."""
    plain, sealed = workbook(tmp_path / "plain.xlsx", {"A": [["UPN"]]}), tmp_path / "sealed.xlsx"
    with plain.open("rb") as source, sealed.open("wb") as target:
        msoffcrypto.format.ooxml.OOXMLFile(source).encrypt("a password", target)
    entry = "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    for path in (
        sealed,
        open_document(tmp_path / "sealed.ods", {"A": ROWS}, manifest=entry),
        old_workbook(tmp_path / "sealed.xls", {"A": CELLS}, first=struct.pack("<HHHI", 0x2F, 6, 1, 0)),
    ):
        assert refusal(path) == f"{path.name} is password-protected: save it as .xlsx without a password."
