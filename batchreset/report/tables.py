"""The tables as CSV, for spreadsheets that would rather run their cells."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pandas as pd

from batchreset.cohort import headers
from batchreset.model import Outcome
from batchreset.report.guard import guard
from batchreset.report.reconciliation import COHORT_PREFIX, COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

_RETRIED = (Outcome.FAILED, Outcome.NOT_ATTEMPTED)
_ACCOUNT = "userPrincipalName"
_RETRY_COLUMNS = ("object_id", "row", "source", "outcome", "reason", "detail")


class CsvTable:
    """Lines written to an open file (UTF-8 with BOM, `newline=""`), each cell guarded."""

    def __init__(self, file: TextIO, header: Sequence[str]) -> None:
        """Begin with the header."""
        self._writer = csv.writer(file)  # RFC 4180: commas, CRLF, quotes where needed
        self.rows = -1
        self.add([header])

    def add(self, lines: Iterable[Iterable[object]]) -> None:
        """Write lines of text and whole numbers."""
        for line in lines:
            self._writer.writerow([guard(cell) if isinstance(cell, str) else cell for cell in line])
            self.rows += 1


def retry_header(cohort_columns: Sequence[str]) -> list[str]:
    """Name the columns of `retry.csv`: the account, what became of it, then the cohort's own.

    A column of the cohort keeps its prefix where its name is taken, or would name the account just as well: the
    loader refuses to guess.
    """
    header = [_ACCOUNT, *_RETRY_COLUMNS]
    taken = {name.casefold() for name in header}
    for column in cohort_columns:
        name = column
        while name.casefold() in taken or headers.rank(name) == headers.rank(_ACCOUNT):
            name = COHORT_PREFIX + name
        taken.add(name.casefold())
        header.append(name)
    return header


def retry_lines(lines: pd.DataFrame) -> pd.DataFrame:
    """Pick the rows that may be tried again as they are, under the account's present name where it is known."""
    again = lines[lines["outcome"].isin(_RETRIED)]
    account = again["user"].mask(again["user"] == "", again["identifier"])
    lines = again[[*_RETRY_COLUMNS, *again.columns[len(COLUMNS) :]]]
    return pd.concat([account, lines], axis="columns")
