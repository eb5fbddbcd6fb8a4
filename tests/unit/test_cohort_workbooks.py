from __future__ import annotations

import datetime as dt
import io
import json
from typing import TYPE_CHECKING

import xlsxwriter

from batchreset.cohort import inspect
from tests.support.cohorts import identifiers_in, refusal, rows_of, workbook

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNTS = [["UPN", "Name"], ["zoe@contoso.example", "Zoë"], ["yui@contoso.example", "Yui"]]


def test_the_table_may_start_anywhere(tmp_path: Path) -> None:
    """Title rows, blank rows and leading empty columns are passed over; rows are numbered as Excel shows them."""
    path = workbook(
        tmp_path / "incident.xlsx",
        {
            "Accounts": [
                [],
                [None, "Incident 7: reset these users"],
                [None, "Asked by", "soc@contoso.example"],
                [],
                [None, "User principal name", "Name"],
                [None, "zoe@contoso.example", "Zoë"],
                [],
                [None, "yui@contoso.example", "Yui"],
                [None, "  "],
            ]
        },
    )
    (source,) = inspect([str(path)])
    assert (source.name, source.columns) == ("incident.xlsx#Accounts", ("Name",))
    assert [(row["row"], row["identifier"], row["reason"]) for row in rows_of(source)] == [
        (6, "zoe@contoso.example", ""),
        (7, "", "blank"),
        (8, "yui@contoso.example", ""),
    ]


def test_every_cell_is_text(tmp_path: Path) -> None:
    """Leading zeros, `NA` and `null` stay; numbers lose no digit and gain no `.0`; dates are ISO 8601."""
    cells = ["00123", "NA", "null", 123, 1.5, -0.25, 2**40, True, dt.datetime(2026, 11, 2, 9, 30), dt.date(2026, 1, 2)]  # noqa: DTZ001  a workbook's times have no zone
    path = workbook(
        tmp_path / "cells.xlsx",
        {"A": [["UPN", *(f"c{number}" for number in range(len(cells)))], ["zoe@contoso.example", *cells]]},
    )
    (source,) = inspect([str(path)])
    assert list(json.loads(rows_of(source)[0]["cohort"]).values()) == [
        *("00123", "NA", "null", "123", "1.5", "-0.25", "1099511627776", "TRUE", "2026-11-02T09:30:00"),
        "2026-01-02",
    ]


def test_hyperlinked_accounts_are_read_by_their_text(tmp_path: Path) -> None:
    """Excel makes links of addresses as they are typed."""
    path = tmp_path / "links.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write("A1", "Email")
        sheet.write_url("A2", "mailto:zoe@contoso.example", string="zoe@contoso.example")
    assert identifiers_in(path) == [(2, "zoe@contoso.example")]
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write("A1", "Person")
        sheet.write_url("A2", "mailto:zoe@contoso.example", string="Zoë Xu")
    assert "#Sheet1 has no account column" in refusal(path)  # where a link leads is not what people read


def test_merged_cells_count_once(tmp_path: Path) -> None:
    """A title over the table, a header over two columns, a department beside three accounts: the first cell has it."""
    path = tmp_path / "merged.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("A")
        sheet.merge_range("B2:E2", "Accounts to be reset")
        sheet.merge_range("B4:C4", "User principal name")
        sheet.write_row("D4", ["Department", "Ticket"])
        sheet.merge_range("D5:D7", "Sales")
        for row, name in enumerate(("zoe", "yui", "xu"), start=4):
            sheet.write(row, 1, f"{name}@contoso.example")
            sheet.write(row, 4, f"{row:05}")
        sheet.merge_range("B9:E9", "End of the list")
    (source,) = inspect([str(path)])
    assert (source.account_column, source.columns) == ("User principal name", ("Department", "Ticket"))
    rows = rows_of(source)
    assert [(row["row"], row["identifier"], json.loads(row["cohort"])["Department"]) for row in rows[:3]] == [
        (5, "zoe@contoso.example", "Sales"),
        (6, "yui@contoso.example", ""),
        (7, "xu@contoso.example", ""),
    ]
    assert [(row["row"], row["reason"]) for row in rows[3:]] == [(8, "blank"), (9, "invalid_identifier")]


def test_the_one_sheet_with_accounts_is_found(tmp_path: Path) -> None:
    """Sheets without accounts are passed over, hidden ones are not read."""
    sheets = {"Summary": [["Lead", "Zoë"]], "Empty": [], "Old": ACCOUNTS, "People": ACCOUNTS, "Notes": [["UPN"]]}
    path = workbook(tmp_path / "book.xlsx", sheets, hidden=["Old"])
    (source,) = inspect([str(path)])
    assert (source.name, source.records) == ("book.xlsx#People", 2)


def test_two_sheets_with_accounts_ask(tmp_path: Path) -> None:
    """Nobody guesses which list is the right one: both are named, and what to do."""
    path = workbook(tmp_path / "book.xlsx", {"Monday": ACCOUNTS, "Tuesday": ACCOUNTS})
    sentence = refusal(path)
    assert "book.xlsx#Monday and book.xlsx#Tuesday both hold accounts" in sentence
    assert "hide or delete" in sentence


def test_a_named_column_chooses_the_sheet_too(tmp_path: Path) -> None:
    """With --column only a sheet that has it is taken."""
    path = workbook(tmp_path / "book.xlsx", {"A": ACCOUNTS, "B": [["Konto", "x"], ["xu@contoso.example", "y"]]})
    assert identifiers_in(path, column="Konto") == [(2, "xu@contoso.example")]


def test_a_workbook_without_accounts_names_its_sheets(tmp_path: Path) -> None:
    """The sentence lists what could be seen."""
    path = workbook(tmp_path / "book.xlsx", {"A": [["Name"], ["Zoë"]], "B": [["x", "y"], ["1", "2"]]})
    assert "book.xlsx has no visible sheet with an account column (visible sheets: A, B)" in refusal(path)


def test_a_single_sheet_is_refused_for_its_own_reason(tmp_path: Path) -> None:
    """Header only, and no account column, are said of the sheet."""
    assert "#A has a header but no rows" in refusal(workbook(tmp_path / "a.xlsx", {"A": ACCOUNTS[:1]}))
    assert "#A is empty" in refusal(workbook(tmp_path / "b.xlsx", {"A": []}))
    no_accounts = refusal(workbook(tmp_path / "c.xlsx", {"A": [["Name", "Office"], ["Zoë", "Lagos"]]}))
    assert "#A has no account column" in no_accounts
    assert "'Name', 'Office'" in no_accounts


def test_damaged_workbooks_are_refused(tmp_path: Path) -> None:
    """Whatever is not a readable workbook is one sentence that says how to mend it."""
    path = workbook(tmp_path / "book.xlsx", {"A": ACCOUNTS})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "book.xlsx is damaged or no Excel workbook" in refusal(path)
    path.write_bytes(b"upn\nzoe@contoso.example\n")
    assert "book.xlsx is damaged or no Excel workbook" in refusal(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096))
    assert "book.xlsx is damaged or no Excel workbook" in refusal(path)


def test_a_workbook_can_be_piped_in(tmp_path: Path) -> None:
    """Standard input is told by its content, as it has no ending."""
    path = workbook(tmp_path / "book.xlsx", {"A": ACCOUNTS})
    (source,) = inspect(["-"], stdin=io.BytesIO(path.read_bytes()))
    assert source.name == "standard input#A"
    assert [row["row"] for row in rows_of(source)] == [2, 3]
