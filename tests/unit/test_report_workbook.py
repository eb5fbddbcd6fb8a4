"""reconciliation.xlsx as people have it before them: read by two readers, and its charts in the file itself."""

from __future__ import annotations

import re
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
import xlsxwriter
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from batchreset import report
from batchreset.errors import BatchResetError
from batchreset.model import Outcome
from batchreset.report import workbook as workbooks
from batchreset.report.cells import Pen
from batchreset.report.overview import intervals_of
from batchreset.report.workbook import Workbook
from batchreset.status import schema
from tests.support import runs

if TYPE_CHECKING:
    from pathlib import Path

    from openpyxl.worksheet.worksheet import Worksheet

ROWS: list[dict[str, Any]] = [
    {"cohort": {"department": "Sales"}},
    {"state": "failed", "reason": "forbidden", "detail": "=HYPERLINK(1)", "display_name": "Ann " + "with a name " * 20},
    {"state": "excluded", "reason": "duplicate"},
    {"state": "failed", "reason": "request_refused"},
    {},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of a rehearsal whose sends were a while apart."""
    folder = tmp_path_factory.mktemp("run")
    engine = runs.make_run(folder, ROWS, rehearsal=1, cohort_columns=["department"])
    sent = [
        runs.send(1, 1, answered_at="2026-11-21T12:00:01.250Z"),
        runs.send(2, 2, status=429, verdict="throttled"),
        runs.send(2, 5, status=403, verdict="refused"),
        runs.send(5, 9, intent_at="2026-11-22T07:00:00.000Z", answered_at="2026-11-22T07:00:00.000Z"),
    ]
    runs.put(engine, schema.sends, sent)
    report.write(folder, engine)
    engine.dispose()
    return folder


def cells(sheet: Worksheet) -> list[list[Any]]:
    return [[cell.value for cell in line] for line in sheet.iter_rows()]


def test_every_outcome_that_occurs_has_a_sheet_beside_that_of_all_rows(folder: Path) -> None:
    """Both readers see the same rows; header in sight, filters over all, widths that fit, colours by outcome."""
    book = load_workbook(folder / "reconciliation.xlsx")
    calamine = CalamineWorkbook.from_path(folder / "reconciliation.xlsx")
    numbers = {"Reconciliation": [2, 3, 4, 5, 6], "Failed": [3, 5], "Excluded": [4], "Succeeded": [2, 6]}
    assert book.sheetnames == calamine.sheet_names == ["Summary", *numbers, "Timeline"]
    for name, expected in numbers.items():
        sheet = book[name]
        header, *lines = cells(sheet)
        assert [line[0] for line in lines] == expected
        assert [row[0] for row in calamine.get_sheet_by_name(name).to_python()[1:]] == expected
        assert (header[0], header[-1], sheet.max_column) == ("row", "cohort.department", 26)
        assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", f"A1:Z{1 + len(expected)}")
        (colours,) = sheet.conditional_formatting
        assert str(colours.sqref) == ("F2" if len(expected) == 1 else f"F2:F{1 + len(expected)}")
        assert {rule.formula[0].strip('"') for rule in colours.rules} == set(Outcome)
        assert not sheet.protection.sheet
        assert not [cell for line in sheet.iter_rows() for cell in line if cell.hyperlink or cell.data_type == "f"]
    sheet = book["Reconciliation"]
    # user1@contoso.example fits; a long name is cut off; a column of nothing has its header in full.
    assert sheet.column_dimensions["C"].width >= len("user1@contoso.example")
    assert 50 < sheet.column_dimensions["T"].width < 60
    assert sheet.column_dimensions["X"].width >= len("disabled_at")
    assert book["Failed"].sheet_properties.tabColor.rgb == "FFD64550"
    assert (sheet["H3"].value, sheet["H3"].quotePrefix) == ("=HYPERLINK(1)", True)


def test_times_are_dates_to_the_millisecond(folder: Path) -> None:
    """They sort and filter as dates, show seconds, and are in UTC; where there is no time the cell is empty."""
    sheet = load_workbook(folder / "reconciliation.xlsx")["Reconciliation"]
    header, first, second, *_ = cells(sheet)
    at = header.index("accepted_at")
    assert first[at] == datetime(2026, 11, 21, 12, 0, 1, 250_000)  # noqa: DTZ001  a workbook knows no time zones
    assert sheet.cell(2, at + 1).number_format == "yyyy-mm-dd hh:mm:ss"
    assert second[at] is None
    read = CalamineWorkbook.from_path(folder / "reconciliation.xlsx").get_sheet_by_name("Reconciliation")
    assert read.to_python()[1][at] == first[at]


def test_the_summary_has_charts_that_show_without_being_calculated(folder: Path) -> None:
    """The verdict on top; outcomes and time line with their data beside the reference to it; reasons with advice."""
    book = load_workbook(folder / "reconciliation.xlsx")
    told = cells(book["Summary"])
    assert "2 of 4" in told[0][0]
    assert [str(each) for each in book["Summary"].merged_cells.ranges] == ["A1:D1"]
    assert ["Rehearsal", "yes: a simulated tenant, no real account"] in [line[:2] for line in told]
    assert ["Started (UTC)", datetime(2026, 11, 21, 12)] in [line[:2] for line in told]  # noqa: DTZ001  as above
    reasons = told[[line[0] for line in told].index("Reason") + 1 :][:3]
    assert [line[:2] for line in reasons] == [["duplicate", 1], ["forbidden", 1], ["request_refused", 1]]
    assert all(line[2] and line[3] for line in reasons)

    outcomes, timeline = book["Summary"]._charts
    (series,) = outcomes.series
    assert [point.v for point in series.val.numRef.numCache.pt] == [2, 2, 0, 1, 0]
    assert [point.v for point in series.cat.strRef.strCache.pt] == list(Outcome)
    sent, accepted, refused = timeline.series
    drawn = [[point.v for point in series.val.numRef.numCache.pt] for series in (sent, accepted, refused)]
    assert drawn == [list(column) for column in zip(*(line[1:] for line in cells(book["Timeline"])[1:]), strict=True)]
    assert [sum(figures) for figures in drawn] == [4, 2, 1]
    for each in (series, sent, accepted, refused):
        ((sheet, first, last),) = re.findall(r"(\w+)!\$\w\$(\d+):\$\w\$(\d+)", each.val.numRef.f)
        assert int(last) - int(first) + 1 == each.val.numRef.numCache.ptCount
        assert sheet in book.sheetnames
    with ZipFile(folder / "reconciliation.xlsx") as file:
        chart = file.read("xl/charts/chart2.xml").decode()
    assert 'formatCode="hh:mm:ss"' in chart
    assert "<c:dateAx>" not in chart


def test_a_time_line_leaves_pauses_out() -> None:
    """Intervals are the shortest that make no blur; after each comes the next one, though it be empty."""
    assert intervals_of({}) is None
    assert intervals_of({"sent": {"2026-11-21T12:00:00": 9}}) is None
    short = intervals_of(
        {"sent": {"2026-11-21T12:00:00": 2, "2026-11-21T14:00:00": 3}, "refused": {"2026-11-21T12:00:00": 1}}
    )
    assert short is not None
    assert (short.seconds, short.figures["sent"], short.figures["refused"]) == (1, [2, 0, 3], [1, 0, 0])
    assert [round(each * 86400) for each in short.begins] == [
        round(short.begins[0] * 86400) + more for more in (0, 1, 7200)
    ]
    long = intervals_of(
        {"sent": {f"2026-11-21T{hour:02}:{minute:02}:07": 1 for hour in range(24) for minute in range(60)}}
    )
    assert long is not None
    assert (long.seconds, len(long.begins), set(long.figures["sent"])) == (900, 96, {15})


def test_above_so_many_rows_each_is_there_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large workbook has no second copy of each row, and goes on in further sheets where one is full."""
    monkeypatch.setattr(workbooks, "ALL_ROWS_UP_TO", 5)
    path = tmp_path / "book.xlsx"
    for rows in (5, 6):
        with path.open("wb") as file, Workbook(file, tmp_path, runs.NOON, sheet_rows=4) as workbook:
            workbook.begin(["row", "outcome"], {Outcome.FAILED: rows - 1, Outcome.SUCCEEDED: 1})
            workbook.add([(number, "failed" if number else "succeeded") for number in range(rows)])
            for each in filter(None, (workbook._all, *workbook._by_outcome.values())):
                each.end()
        book = CalamineWorkbook.from_path(path)
        sheets = {name: [row[0] for row in book.get_sheet_by_name(name).to_python()] for name in book.sheet_names[1:]}
        by_outcome = {"Failed": ["row", 1, 2, 3], "Failed 2": ["row", 4, 5][: rows - 3], "Succeeded": ["row", 0]}
        everything = {"Reconciliation": ["row", 0, 1, 2], "Reconciliation 2": ["row", 3, 4]}
        assert sheets == (by_outcome | everything if rows == 5 else by_outcome)


def test_no_header_of_a_cohort_keeps_the_rows_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Titles are made to fit as cells are; columns beyond the last that a sheet can have are in the CSV file alone."""
    monkeypatch.setattr(workbooks, "SHEET_COLUMNS", 5)
    path, columns = tmp_path / "book.xlsx", ["row", "outcome", "h" * 40_000, "a\x01\ud800", "b", "c"]
    with path.open("wb") as file, Workbook(file, tmp_path, runs.NOON) as workbook:
        workbook.begin(columns, {Outcome.FAILED: 1})
        workbook.add([(2, "failed", *columns[2:])])
        for each in filter(None, (workbook._all, *workbook._by_outcome.values())):
            each.end()
    header, line = CalamineWorkbook.from_path(path).get_sheet_by_name("Failed").to_python()
    assert header[2:] == ["h" * 32_766 + "…", "a\ufffd\ufffd", "b"]
    assert line == [2, "failed", *header[2:]]


def test_a_cell_that_does_not_fit_is_an_error_not_a_gap() -> None:
    """XlsxWriter only returns a number when it drops one: beyond a sheet's columns, or behind the row it is at."""
    with xlsxwriter.Workbook(BytesIO(), {"constant_memory": True}) as book:
        pen, sheet = Pen(book), book.add_worksheet()
        pen.write(sheet, 5, 0, "x")
        for row, column in ((5, 16_384), (4, 0)):
            with pytest.raises(BatchResetError, match=f"row {row + 1}, column {column + 1} does not fit"):
                pen.write(sheet, row, column, "x")
