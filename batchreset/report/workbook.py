"""reconciliation.xlsx: the reconciliation for people, cell by cell as text."""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Self

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from batchreset.errors import BatchResetError
from batchreset.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from batchreset.report.summary import Summary

#: Excel's limits.
SHEET_ROWS = 1_048_576
CELL_UNITS = 32_767

#: What XML cannot hold, and halves of characters.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_OUTCOME_COLOURS = {
    Outcome.SUCCEEDED: ("#E3F4EA", "#17603C", "#2E9E6B"),
    Outcome.FAILED: ("#FCE4E4", "#9B1C2C", "#D64550"),
    Outcome.UNRESOLVED: ("#FDF0D5", "#7A4B00", "#E0A030"),
    Outcome.EXCLUDED: ("#ECEFF3", "#46525F", "#8794A3"),
    Outcome.NOT_ATTEMPTED: ("#F5F6F8", "#5B6670", "#C3CAD2"),
}
_WIDTHS = {
    **dict.fromkeys(("row", "attempts", "polls"), 8),
    **dict.fromkeys(("identifier", "user", "detail"), 34),
    **dict.fromkeys(("object_id", "client_request_id", "request_id"), 38),
    **dict.fromkeys(("submitted_at", "accepted_at", "finished_at", "verified_at", "sessions_revoked_at"), 25),
    **dict.fromkeys(("sessions_revoked_before_at", "disabled_at", "enabled_at"), 25),
    "operation_url": 30,
    "display_name": 24,
}


class Workbook:
    """An Excel workbook written row by row, with its memory constant; a summary with a chart comes first.

    `sheet_rows` is where a sheet is full, its header included, and the next one begins.
    """

    def __init__(self, file: BinaryIO, scratch: Path, created: str, *, sheet_rows: int = SHEET_ROWS) -> None:
        """Write to `file`, with temporary files in `scratch`; `created` (ISO 8601) is the date in its properties."""
        options = {"constant_memory": True, "tmpdir": str(scratch)}
        self._file = file
        self._book = xlsxwriter.Workbook(file, options)
        self._book.use_zip64()  # takes effect only where a sheet is too large without
        self._book.set_properties(
            {"title": "Password reset reconciliation", "created": datetime.fromisoformat(created)}
        )
        self._plain = self._book.add_format()
        self._head = self._book.add_format({"bold": True, "bottom": 1, "bg_color": "#ECEFF3"})
        self._title = self._book.add_format({"bold": True, "font_size": 16})
        self._label = self._book.add_format({"font_color": "#5B6670"})
        self._number = self._book.add_format({"num_format": "#,##0"})
        self._outcomes: dict[str, Format] = {
            outcome: self._book.add_format({"bg_color": back, "font_color": front})
            for outcome, (back, front, _) in _OUTCOME_COLOURS.items()
        }
        self._summary = self._book.add_worksheet("Summary")
        self._sheet_rows = sheet_rows
        self._columns: Sequence[str] = ()
        self._sheets: list[Worksheet] = []
        self._next = 0

    def __enter__(self) -> Self:
        """Return the workbook itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Write the file out, and let go of the temporary ones. Raises `OSError` where there is no room for it."""
        try:
            self._book.close()
        except FileCreateError as error:
            (refusal,) = error.args
            # What was begun writes its end when it is let go of: here, where it goes nowhere and cannot complain.
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device
                os.dup2(nowhere.fileno(), self._file.fileno())
            refusal.__context__ = None
            raise refusal.with_traceback(None) from None

    def begin(self, columns: Sequence[str]) -> None:
        """Begin the reconciliation with its header."""
        self._columns = columns
        self._begin_sheet()

    def add(self, lines: Iterable[Iterable[str | int]]) -> None:
        """Write lines of the reconciliation, on the next sheet once one is full."""
        for line in lines:
            if self._next == self._sheet_rows:
                self._end_sheet()
                self._begin_sheet()
            self._write_line(self._next, line)
            self._next += 1

    def finish(self, summary: Summary, verdict: str) -> None:
        """End the reconciliation and fill in the summary."""
        self._end_sheet()
        sheet = self._summary
        sheet.set_column(0, 0, 26)
        sheet.set_column(1, 1, 44)
        self._write(sheet, 0, 0, verdict, self._title)
        facts: dict[str, str | int] = {
            "Run": summary.run_id,
            "Rehearsal": "yes: a simulated tenant, no real account" if summary.rehearsal else "",
            "State": summary.state,
            "Tenant": summary.tenant.get("name") or summary.tenant.get("id") or "",
            "Operator": summary.operator.get("user") or "",
            "Started": summary.started_at or "",
            "Finished": summary.finished_at or "",
            "Ticket": summary.ticket or "",
            "Justification": summary.justification or "",
            **{f"Sessions {name}": rows for name, rows in summary.sessions.items()},
            "Not blocked before the reset": summary.not_blocked,
            "Left with sign-in blocked": summary.blocked,
            "batchreset": summary.version,
        }
        row = 2
        for label, value in facts.items():
            if value:
                self._write(sheet, row, 0, label, self._label)
                self._write(sheet, row, 1, value)
                row += 1
        row = self._count(row + 1, "Outcome", summary.counts)
        self._chart(row, summary)
        if summary.reasons:
            self._count(row + 1, "Reason", summary.reasons)

    def _count(self, row: int, title: str, counts: Mapping[str, int]) -> int:
        """Write a table of counts from `row` on, and return the row after it."""
        self._write(self._summary, row, 0, title, self._head)
        self._write(self._summary, row, 1, "Rows", self._head)
        for name, rows in counts.items():
            row += 1
            self._write(self._summary, row, 0, name, self._outcomes.get(name))
            self._write(self._summary, row, 1, rows, self._number)
        return row + 1

    def _chart(self, below: int, summary: Summary) -> None:
        """Draw the outcomes that end above row `below`. The values go with it: a reader may not calculate."""
        first, last = below - len(summary.counts), below - 1
        chart = self._book.add_chart({"type": "bar"})
        chart.add_series(
            {
                "name": "Rows",
                "categories": ["Summary", first, 0, last, 0],
                "values": ["Summary", first, 1, last, 1],
                "categories_data": list(summary.counts),
                "values_data": list(summary.counts.values()),
                "points": [{"fill": {"color": _OUTCOME_COLOURS[Outcome(name)][2]}} for name in summary.counts],
                "data_labels": {"value": True},
                "gap": 40,
            }
        )
        chart.set_title({"name": "Rows by outcome", "name_font": {"size": 12}})
        chart.set_legend({"none": True})
        chart.set_y_axis({"reverse": True, "line": {"none": True}, "major_tick_mark": "none"})
        chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}, "min": 0})
        chart.set_size({"width": 560, "height": 260})
        self._summary.insert_chart(2, 3, chart, {"description": "Rows of the cohort by outcome"})

    def _begin_sheet(self) -> None:
        name = f"Reconciliation {len(self._sheets) + 1}" if self._sheets else "Reconciliation"
        sheet = self._book.add_worksheet(name)
        self._sheets.append(sheet)
        sheet.freeze_panes(1, 0)
        for column, title in enumerate(self._columns):
            sheet.set_column(column, column, _WIDTHS.get(title, 16))
        self._write_line(0, self._columns, self._head)
        self._next = 1

    def _end_sheet(self) -> None:
        sheet, last, outcome = self._sheets[-1], self._next - 1, self._columns.index("outcome")
        sheet.autofilter(0, 0, last, len(self._columns) - 1)
        for name, colours in self._outcomes.items():
            rule = {"type": "cell", "criteria": "==", "value": f'"{name}"', "format": colours}
            sheet.conditional_format(1, outcome, max(last, 1), outcome, rule)

    def _write_line(self, row: int, line: Iterable[str | int], style: Format | None = None) -> None:
        for column, cell in enumerate(line):
            if cell != "":
                self._write(self._sheets[-1], row, column, cell, style)

    def _write(self, sheet: Worksheet, row: int, column: int, cell: str | int, style: Format | None = None) -> None:
        """Write one cell as what it is: text never becomes a formula, a number or a link."""
        if isinstance(cell, int):
            fault = sheet.write_number(row, column, cell, style)
        else:
            text = _storable(cell)
            if text.startswith("<r>") and text.endswith("</r>"):  # would be taken for markup of XlsxWriter's own
                fault = sheet.write_rich_string(row, column, text[:1], self._plain, text[1:])
            else:
                fault = sheet.write_string(row, column, text, style)
        if fault:
            raise BatchResetError(f"reconciliation.xlsx: row {row + 1}, column {column + 1} does not fit into a sheet.")


def _storable(text: str) -> str:
    """Replace what a workbook cannot hold, and cut what is too long for a cell."""
    text = _ILLEGAL.sub("\ufffd", text)
    if len(text) <= CELL_UNITS // 2:  # even if each character takes two units of UTF-16
        return text
    units = text.encode("utf-16-le")
    if len(units) <= 2 * CELL_UNITS:
        return text
    return units[: 2 * (CELL_UNITS - 1)].decode("utf-16-le", "ignore") + "…"
