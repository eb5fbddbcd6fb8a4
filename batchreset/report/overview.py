"""The first sheet of a workbook: how the run went, in words, charts and figures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from batchreset.model import Outcome
from batchreset.report.advice import advice_on
from batchreset.report.cells import COLOURS, in_days, storable
from batchreset.report.wording import describe, quota_text, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

    from batchreset.report.cells import Cell, Pen
    from batchreset.report.summary import Summary

#: The columns' widths in characters; the height of a line of the title, and how many of its characters fit into one.
_WIDTHS = (30, 20, 34, 100)
_TITLE_LINE, _TITLE_FITS = 22, 110
#: Where the charts begin, their size in pixels, and how many rows of the sheet they take.
_CHART_ROW, _CHART_HEIGHT, _CHART_ROWS = 2, 260, 14
_OUTCOMES_WIDTH, _TIMELINE_WIDTH, _GAP = 470, 640, 12

#: What the time line shows, each in its colour.
_SERIES = {"sent": "#9DB6E4", "accepted": "#3B6FD4", "refused": "#8A5CD1"}
_INTERVALS = (1, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
#: More would be a blur.
_MOST_INTERVALS = 120


class Intervals(NamedTuple):
    """What happened in each interval of so many seconds: when it begins (in days), and the figures of `_SERIES`."""

    seconds: int
    begins: Sequence[float]
    figures: Mapping[str, Sequence[int]]


class Overview:
    """The sheet `Summary`, and the sheet `Timeline` that its second chart is drawn from."""

    def __init__(self, book: Workbook, pen: Pen) -> None:
        """Add the sheet to the workbook."""
        self._book = book
        self._pen = pen
        self._sheet: Worksheet = book.add_worksheet("Summary")

    def write(self, summary: Summary, verdict: str, by_second: Mapping[str, Mapping[str, float]]) -> None:
        """Fill the sheet in, from top to bottom."""
        sheet = self._sheet
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.hide_gridlines(2)
        for column, width in enumerate(_WIDTHS):
            sheet.set_column(column, column, width)
        sheet.set_row(0, _TITLE_LINE * (1 + len(verdict) // _TITLE_FITS))
        sheet.merge_range(0, 0, 0, len(_WIDTHS) - 1, "", self._pen.title)
        self._line(0, verdict, styles=(self._pen.title,))
        counts = _CHART_ROW + _CHART_ROWS + 1
        row = self._table(counts, ("Outcome", "Rows"), list(summary.counts.items()))
        self._draw_outcomes(counts + 1, summary.counts)
        if timeline := intervals_of(by_second):
            self._draw_timeline(timeline)
        if summary.reasons:
            told = [
                (reason, rows, advice.title, advice.step)
                for reason, rows in sorted(summary.reasons.items(), key=lambda each: (-each[1], each[0]))
                for advice in [advice_on(reason)]
            ]
            row = self._table(row + 1, ("Reason", "Rows", "What it means", "What to do"), told)
        for label, value in _facts(summary):
            row += 1
            self._line(row, label, value, styles=(self._pen.label,))

    def _table(self, row: int, header: Sequence[str], lines: Sequence[Sequence[Cell]]) -> int:
        """Write a table of counts by name from `row` on, and return the row after it."""
        self._line(row, *header, styles=(self._pen.head,) * len(header))
        for name, rows, *more in lines:
            row += 1
            self._line(row, name, rows, *more, styles=(self._pen.outcomes.get(str(name)), self._pen.number))
        return row + 1

    def _line(self, row: int, *cells: Cell, styles: Sequence[Any] = ()) -> None:
        for column, cell in enumerate(cells):
            text = storable(cell) if isinstance(cell, str) else cell
            self._pen.write(self._sheet, row, column, text, styles[column] if column < len(styles) else None)

    def _draw_outcomes(self, first: int, counts: Mapping[str, int]) -> None:
        """Draw the outcomes, whose table is at row `first`."""
        last = first + len(counts) - 1
        chart = self._book.add_chart({"type": "bar"})
        chart.add_series(
            {
                "name": "Rows",
                "categories": ["Summary", first, 0, last, 0],
                "values": ["Summary", first, 1, last, 1],
                # With the chart, since a reader may not calculate.
                "categories_data": list(counts),
                "values_data": list(counts.values()),
                "points": [{"fill": {"color": COLOURS[Outcome(name)][2]}} for name in counts],
                "data_labels": {"value": True},
                "gap": 40,
            }
        )
        chart.set_legend({"none": True})
        chart.set_y_axis({"reverse": True, "line": {"none": True}, "major_tick_mark": "none"})
        chart.set_x_axis({"visible": False, "major_gridlines": {"visible": False}, "min": 0})
        self._insert(chart, "Rows by outcome", _OUTCOMES_WIDTH, 0)

    def _draw_timeline(self, timeline: Intervals) -> None:
        """Write what happened when on a sheet of its own, and draw it."""
        sheet, last = self._book.add_worksheet("Timeline"), len(timeline.begins)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, 0, 20)
        for column, name in enumerate(("from (UTC)", *timeline.figures)):
            self._pen.write(sheet, 0, column, name, self._pen.head)
        for row, cells in enumerate(zip(timeline.begins, *timeline.figures.values(), strict=True), start=1):
            for column, cell in enumerate(cells):
                self._pen.write(sheet, row, column, cell)
        chart = self._book.add_chart({"type": "line"})
        for column, (name, figures) in enumerate(timeline.figures.items(), start=1):
            chart.add_series(
                {
                    "name": name,
                    "categories": ["Timeline", 1, 0, last, 0],
                    "values": ["Timeline", 1, column, last, column],
                    "categories_data": list(timeline.begins),
                    "values_data": list(figures),
                    "line": {"color": _SERIES[name], "width": 1.75},
                }
            )
        is_of_one_day = timeline.begins[-1] - timeline.begins[0] < 1
        clock = "hh:mm:ss" if timeline.seconds < 60 else "hh:mm"  # noqa: PLR2004  seconds of a minute
        # As text: an axis of dates would put a whole day in one place.
        chart.set_x_axis({"text_axis": True, "num_format": clock if is_of_one_day else f"yyyy-mm-dd {clock}"})
        chart.set_y_axis({"min": 0, "num_format": "#,##0", "major_gridlines": {"visible": True}})
        chart.set_legend({"position": "bottom"})
        self._insert(
            chart, f"Resets sent, every {describe(timeline.seconds)} (UTC)", _TIMELINE_WIDTH, _OUTCOMES_WIDTH + _GAP
        )

    def _insert(self, chart: Any, title: str, width: int, offset: int) -> None:
        chart.set_title({"name": title, "name_font": {"size": 12}})
        chart.set_size({"width": width, "height": _CHART_HEIGHT})
        self._sheet.insert_chart(_CHART_ROW, 0, chart, {"description": title, "x_offset": offset})


def intervals_of(by_second: Mapping[str, Mapping[str, float]]) -> Intervals | None:
    """Count by intervals what happened in each second (`2026-11-21T17:55:02`); None where all was at once.

    The intervals are the shortest that make no blur. After one in which something happened comes the next one, though
    nothing may have happened in it; the rest of a pause, between two starts say, is left out.
    """
    happened = {name: by_second.get(name, {}) for name in _SERIES}
    at = {second: datetime.fromisoformat(f"{second}Z") for seconds in happened.values() for second in seconds}
    if not at:
        return None
    midnight = min(at.values()).replace(hour=0, minute=0, second=0)
    for length in _INTERVALS:
        place = {second: int((moment - midnight).total_seconds()) // length for second, moment in at.items()}
        eventful = sorted(set(place.values()))
        shown = sorted({*eventful, *(each + 1 for each in eventful[:-1])})
        if len(shown) <= _MOST_INTERVALS:
            break
    if len(shown) == 1:
        return None
    begins = [in_days((midnight + timedelta(seconds=each * length)).isoformat()) for each in shown]
    figures: dict[str, list[int]] = {}
    for name, seconds in happened.items():
        counted = dict.fromkeys(shown, 0)
        for second, number in seconds.items():
            counted[place[second]] += int(number)
        figures[name] = list(counted.values())
    return Intervals(length, [float(each) for each in begins], figures)


def _facts(summary: Summary) -> list[tuple[str, Cell]]:
    """Say what there is to know of the run; what says nothing is left out."""
    facts: list[tuple[str, Cell]] = [
        ("Run", summary.run_id),
        ("Rehearsal", "yes: a simulated tenant, no real account" if summary.rehearsal else ""),
        ("State", summary.state),
        ("Because", summary.halted_because or ""),
        ("Tenant", summary.tenant.get("name") or summary.tenant.get("id") or ""),
        ("Operator", summary.operator.get("user") or ""),
        ("Started (UTC)", in_days(summary.started_at or "")),
        ("Finished (UTC)", in_days(summary.finished_at or "")),
        ("Took", describe(summary.seconds) if summary.seconds else ""),
        ("Method", summary.method),
        ("Quota", quota_text(summary)),
        ("Time spent", time_text(summary)),
        ("Ticket", summary.ticket or ""),
        ("Justification", summary.justification or ""),
        *(("Cohort", f"{each['name']}, sha256 {each['sha256']}") for each in summary.cohort["sources"]),
        *((f"Sessions {name}", rows) for name, rows in summary.sessions.items()),
        ("Not blocked before the reset", summary.not_blocked),
        ("Left with sign-in blocked", summary.blocked),
        ("All rows and all columns", "reconciliation.csv"),
        ("batchreset", summary.version),
    ]
    return [(label, value) for label, value in facts if value]
