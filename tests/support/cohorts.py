"""Cohort files written and read back, for tests of the loader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter

from batchreset.cohort import inspect, read
from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from batchreset.cohort import Source


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
