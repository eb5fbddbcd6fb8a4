"""Workbooks that are too large to be held, and so are streamed; here it takes a lower limit to make one."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import TYPE_CHECKING

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from batchreset.cohort import inspect, workbook
from batchreset.cohort.streamed import StreamedWorkbook
from batchreset.errors import CohortError
from tests.support.cohorts import identifiers_in, refusal, rows_of
from tests.support.cohorts import workbook as written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SHEET = "xl/worksheets/sheet1.xml"
ACCOUNTS = [["UPN", "Name"], ["zoe@contoso.example", "Zoë"], ["yui@contoso.example", "Yui"]]
#: Of dates, times of day, durations and plain numbers, with what looks like one of the others.
FORMATS = (
    *("yyyy-mm-dd", "[$-409]d/m/yy h:mm AM/PM", "hh:mm", "[h]:mm", "[ss].00"),
    *("General", "0.00%", "[Red]0", '0" d"', "0\\h", "#,##0_d"),
)


@pytest.fixture
def _low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "_HELD", 0)


def test_a_streamed_workbook_reads_as_a_held_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, numbers, dates, times, errors and rich text are the same, wherever the table begins and rows are blank."""
    path = tmp_path / "cells.xlsx"
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm"}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(1, 1, ["UPN", *(f"c{number}" for number in range(17))])
        sheet.write_row(3, 1, ["zoe@contoso.example", "00123", "NA", 123, 1.5, -0.25, 2**40, 1e20, True, False])
        sheet.write_row(3, 11, [dt.datetime(2026, 11, 2, 9, 30), dt.date(2026, 1, 2), "two\nlines"])  # noqa: DTZ001  a workbook's times have no zone
        sheet.write_datetime(3, 14, dt.time(9, 30), book.add_format({"num_format": "hh:mm"}))
        sheet.write_rich_string(3, 15, book.add_format({"bold": True}), "ri", "ch")
        sheet.write_formula(3, 16, "=1/0", None, "#DIV/0!")
        sheet.write_formula(3, 17, '=B4&"x"', None, "calculated")
        sheet.write_string(3, 18, "pasted\r")
        sheet.write_row(5, 1, ["yui@contoso.example"])
    (held,) = inspect([str(path)])
    expected = rows_of(held)
    monkeypatch.setattr(workbook, "_HELD", 0)
    (streamed,) = inspect([str(path)])
    assert isinstance(workbook.open_workbook(io.BytesIO(path.read_bytes()), "it"), StreamedWorkbook)  # type: ignore[arg-type]
    assert (streamed.name, streamed.columns, streamed.records) == (held.name, held.columns, held.records)
    assert rows_of(streamed) == expected


@pytest.mark.usefixtures("_low_limit")
def test_hidden_sheets_are_left_out(tmp_path: Path) -> None:
    """Only a sheet that can be seen holds the cohort."""
    path = written(tmp_path / "two.xlsx", {"New": ACCOUNTS[:2], "Old": ACCOUNTS}, hidden=["Old"])
    assert identifiers_in(path) == [(2, "zoe@contoso.example")]


def test_sheets_that_hold_a_chart_are_left_out() -> None:
    """They have no cells."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        chart = book.add_chart({"type": "line"})
        book.add_chartsheet("Chart").set_chart(chart)
        book.add_worksheet("Accounts").write("A1", 1)
        chart.add_series({"values": "=Accounts!$A$1:$A$1"})
    assert [sheet.sheet for sheet in StreamedWorkbook(file.getvalue(), "it").visible_sheets()] == ["Accounts"]


@pytest.mark.usefixtures("_low_limit")
@pytest.mark.parametrize("part", ["[Content_Types].xml", "xl/workbook.xml", SHEET, "xl/sharedStrings.xml"])
def test_a_damaged_workbook_is_refused(tmp_path: Path, part: str) -> None:
    """A part that ends in the middle is a sentence to the user, whichever it is."""
    path = written(tmp_path / "broken.xlsx", {"A": ACCOUNTS})
    path.write_bytes(altered(path.read_bytes(), part, lambda content: content[: len(content) // 2]))
    assert refusal(path).startswith("broken.xlsx is damaged or no Excel workbook")


@pytest.mark.parametrize(
    "rows",
    [
        b'<row><c t="s"><v>1</v></c><c><v>2</v></c></row><row><c t="s"><v>0</v></c></row>',
        (
            b'<row r="1"><c r="A1" t="s"><v>2</v></c><c r="C1" t="s"><v>3</v></c></row>'
            b'<row r="2"/><row r="4"><c r="B4"><v>5</v></c></row>'
        ),
        (
            b'<row r="1"><c r="A1" t="inlineStr"><is><t xml:space="preserve"> in </t></is></c>'
            b'<c r="B1" t="inlineStr"><is><r><t>a</t></r><rPh sb="0" eb="1"><t>read so</t></rPh></is></c></row>'
        ),
        (
            b'<row r="1"><c r="A1" t="str"><f>1+1</f><v>_x0041_</v></c>'
            b'<c r="B1" t="b"><v>0</v></c><c r="C1" t="e"><v>#N/A</v></c><c r="D1" s="1"/></row>'
        ),
        b'<row r="1"><c r="A1"><v>1234567890123456789</v></c><c r="B1"><v>1E-7</v></c><c r="C1"><v>-0</v></c></row>',
    ],
    ids=["no places", "gaps", "inline", "results", "numbers"],
)
def test_what_other_programs_write_reads_as_calamine_reads_it(rows: bytes) -> None:
    """Cells without places, gaps, inline texts, phonetic readings, formulas' results, escaped characters, digits."""
    data = altered(sample(), SHEET, lambda old: old[: old.index(b"<row")] + rows + old[old.index(b"</sheetData>") :])
    held, streamed = both(data)
    assert streamed == held != []


def test_a_sheet_may_be_larger_than_it_says() -> None:
    """Some programs write the size that it had when it was begun."""
    said = altered(sample(), SHEET, lambda content: content.replace(b'ref="A1:B3"', b'ref="A1"'))
    unsaid = altered(sample(), SHEET, lambda content: content.replace(b'<dimension ref="A1:B3"/>', b""))
    assert said != unsaid
    for data in (said, unsaid):
        assert both(data) == (ACCOUNTS, ACCOUNTS)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 80_000 * 86_400).map(lambda seconds: seconds / 86_400), min_size=1), st.booleans())
def test_numbers_mean_what_calamine_takes_them_for(numbers: Sequence[float], is_1904: bool) -> None:  # noqa: FBT001  drawn
    """Dates, times of day, durations and plain numbers, in either calendar and by whichever format."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"date_1904": is_1904}) as book:
        sheet = book.add_worksheet()
        for column, shown in enumerate(FORMATS):
            sheet.write_column(0, column, numbers, book.add_format({"num_format": shown}))
    held, streamed = both(file.getvalue())
    assert streamed == held


def test_what_the_reader_passes_over_is_not_told() -> None:
    """Neither sparklines nor a date beyond the calendar warn anybody; what Excel cannot show is blank."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write("A1", 1e8, book.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.write("B1", 1)
        sheet.add_sparkline("C1", {"range": "Sheet1!A1:B1"})
    _, streamed = both(file.getvalue())
    assert streamed == [["", "1"]]
    with pytest.warns(UserWarning, match="not supported|outside the limits") as told:
        list(openpyxl.load_workbook(file, read_only=True).active.iter_rows())
    assert len(told) == 2


@settings(deadline=None)
@given(
    st.sampled_from(["[Content_Types].xml", "xl/_rels/workbook.xml.rels", "xl/workbook.xml", "xl/styles.xml"])
    | st.sampled_from([SHEET, "xl/sharedStrings.xml", "docProps/core.xml"]),
    st.floats(0, 1),
    st.integers(0, 40),
    st.sampled_from([b"", b"0", b"-1", b'"', b"<", b"/>", b"Z", b"e9", b"\xff", b"<c/>", b"<row/>"]),
)
def test_whatever_is_damaged_is_read_or_refused(part: str, place: float, length: int, instead: bytes) -> None:
    """No error but the sentence to the user comes of a part in which something is replaced."""

    def damage(content: bytes) -> bytes:
        start = int(place * len(content))
        return content[:start] + instead + content[start + length :]

    try:
        book = StreamedWorkbook(altered(sample(), part, damage), "it")
        cells = [cell for sheet in book.visible_sheets() for record in book.records(sheet) for cell in record]
    except CohortError:
        return
    assert all(isinstance(cell, str) for cell in cells)


def sample() -> bytes:
    """Make a workbook of one sheet with the accounts."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet("A")
        for row, record in enumerate(ACCOUNTS):
            sheet.write_row(row, 0, record)
    return file.getvalue()


def altered(data: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return a workbook in which the content of one part is changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, change(content) if name == part else content)
    return file.getvalue()


def both(data: bytes) -> tuple[list[list[str]], list[list[str]]]:
    """Read the one sheet as held and as streamed, without the blank cells at rows' ends."""
    held, streamed = (
        [_trimmed(record) for record in book.records(book.visible_sheets()[0])]
        for book in (workbook._HeldWorkbook(data, "it"), StreamedWorkbook(data, "it"))
    )
    return held, streamed


def _trimmed(record: list[str]) -> list[str]:
    return record[: max((place for place, cell in enumerate(record, start=1) if cell), default=0)]
