from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from python_calamine import CalamineWorkbook

from batchreset.cohort import inspect
from tests.support import make_samples
from tests.support.cohorts import rows_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", make_samples.text_files())
def test_the_text_samples_are_what_the_script_writes(name: str) -> None:
    """Whoever changes one changes the script, and the other way round."""
    assert (make_samples.FOLDER / name).read_text(encoding="utf-8") == make_samples.text_files()[name]


def test_the_workbook_is_what_the_script_writes(tmp_path: Path) -> None:
    """Cell by cell: how it is packed differs between versions of the libraries."""
    make_samples.write_workbook(tmp_path / "again.xlsx")
    books = [
        CalamineWorkbook.from_path(path)
        for path in (tmp_path / "again.xlsx", make_samples.FOLDER / make_samples.WORKBOOK)
    ]
    first, second = (
        [(str(sheet), book.get_sheet_by_name(sheet.name).to_python()) for sheet in book.sheets_metadata]
        for book in books
    )
    assert first == second


@pytest.mark.parametrize(
    ("name", "source", "column", "rows", "duplicates", "reasons"),
    [
        (
            "helpdesk-cohort.csv",
            "helpdesk-cohort.csv",
            "userPrincipalName",
            401,
            3,
            ["blank"] * 2 + ["invalid_identifier"] * 2,
        ),
        ("incident-2026-11.xlsx", "incident-2026-11.xlsx#Affected accounts", "User principal name", 120, 0, []),
        ("entra-portal-export.csv", "entra-portal-export.csv", "userPrincipalName", 60, 0, []),
        ("leaked-accounts.txt", "leaked-accounts.txt", "account", 49, 1, []),
        ("entra-bulk-template.csv", "entra-bulk-template.csv", "User name [userPrincipalName] Required", 25, 0, []),
        ("entra-sign-in-log.csv", "entra-sign-in-log.csv", "Username", 90, 76, []),
        ("graph-users.json", "graph-users.json", "userPrincipalName", 20, 0, []),
        ("defender-hunting.csv", "defender-hunting.csv", "AccountUpn", 40, 28, []),
        ("get-mguser.csv", "get-mguser.csv", "UserPrincipalName", 18, 0, []),
        ("breach-notification.csv", "breach-notification.csv", "Email", 25, 3, []),
    ],
)
def test_the_samples_are_understood(
    name: str, source: str, column: str, rows: int, duplicates: int, reasons: list[str]
) -> None:
    """Each kind of file is recognised without an option, and every account lies in a reserved domain."""
    (understood,) = inspect([str(make_samples.FOLDER / name)])
    assert (understood.name, understood.account_column, understood.records) == (source, column, rows)
    read = rows_of(understood)
    keys = [row["key"] for row in read if row["key"]]
    assert len(keys) - len(set(keys)) == duplicates
    assert sorted(row["reason"] for row in read if row["reason"]) == reasons
    assert all(key.endswith(".example") for key in keys)
