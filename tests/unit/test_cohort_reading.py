from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from batchreset.cohort import inspect, read
from batchreset.errors import CohortError
from tests.support.cohorts import rows_of, workbook

if TYPE_CHECKING:
    from pathlib import Path


def test_a_source_says_what_was_understood(tmp_path: Path) -> None:
    """Name, checksum, column, columns carried, number of records, three examples."""
    path = tmp_path / "cohort.csv"
    path.write_text(
        "name,UPN,office\n,no,\n" + "".join(f"n,u{n}@contoso.example,o\n" for n in range(9)), encoding="utf-8"
    )
    (source,) = inspect([str(path)])
    assert (source.name, source.account_column, source.password_column) == ("cohort.csv", "UPN", None)
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (source.columns, source.records) == (("name", "office"), 10)
    assert source.examples == ("u0@contoso.example", "u1@contoso.example", "u2@contoso.example")


def test_rows_come_in_chunks(tmp_path: Path) -> None:
    """Frames hold up to `chunk_rows` rows of text, in input order."""
    path = tmp_path / "cohort.csv"
    path.write_text("upn\n" + "".join(f"u{n}@contoso.example\n" for n in range(25)), encoding="utf-8")
    (source,) = inspect([str(path)])
    frames = list(read(source, chunk_rows=10))
    assert [len(frame) for frame in frames] == [10, 10, 5]
    assert [*frames[0].columns] == ["row", "identifier", "key", "reason", "cohort", "sealed"]
    assert [row for frame in frames for row in frame["row"]] == list(range(2, 27))


def test_text_that_looks_like_something_stays_text(tmp_path: Path) -> None:
    """Nothing is read as a number, a missing value or a date."""
    path = tmp_path / "cohort.csv"
    path.write_text("upn,a,b,c,d\nzoe@contoso.example,00123,NA,None,1e5\n", encoding="utf-8")
    (source,) = inspect([str(path)])
    assert json.loads(rows_of(source)[0]["cohort"]) == {"a": "00123", "b": "NA", "c": "None", "d": "1e5"}


def test_credentials_are_never_carried(tmp_path: Path) -> None:
    """Neither the password column nor any other that is headed like a secret reaches a row."""
    path = tmp_path / "cohort.csv"
    path.write_text(
        "upn,Old password,Kode,session_token,office\nzoe@contoso.example,hunter2,Kw7,eyJ0,Lagos\n", encoding="utf-8"
    )
    (source,) = inspect([str(path)], password_column="Kode")
    assert (source.columns, source.password_column) == (("office",), "Kode")
    assert json.loads(rows_of(source)[0]["cohort"]) == {"office": "Lagos"}


def test_passwords_are_sealed_as_they_are_read(tmp_path: Path) -> None:
    """To the letter, also from numbers in a workbook; None where the cell or the account is missing."""
    path = workbook(
        tmp_path / "cohort.xlsx",
        {
            "A": [
                ["upn", "New password"],
                ["zoe@contoso.example", " '=Pass word "],
                ["yui@contoso.example", 12345678],
                ["xu@contoso.example", None],
                ["nobody", "unused"],
            ]
        },
    )
    (source,) = inspect([str(path)], password_column="new password")
    assert source.password_column == "New password"
    sealed = [row["sealed"] for row in rows_of(source, seal=lambda text: text[::-1].encode())]
    assert sealed == [b" drow ssaP=' ", b"87654321", None, None]
    assert [row["sealed"] for row in rows_of(source)] == [None] * 4


def test_what_our_reports_wrote_as_text_comes_back(tmp_path: Path) -> None:
    """The apostrophe before a formula's sign is taken off carried cells too, and no other one."""
    path = tmp_path / "retry.csv"
    path.write_text("upn,phone,name\nzoe@contoso.example,'+353 1,'t Hart\n", encoding="utf-8")
    (source,) = inspect([str(path)])
    assert json.loads(rows_of(source)[0]["cohort"]) == {"phone": "+353 1", "name": "'t Hart"}


def test_columns_of_one_name_are_all_carried(tmp_path: Path) -> None:
    """Equal headers are numbered; columns without a header stay behind."""
    path = tmp_path / "cohort.csv"
    path.write_text("upn,Note,,Note,Note (2)\nzoe@contoso.example,a,b,c,d\n", encoding="utf-8")
    (source,) = inspect([str(path)])
    assert json.loads(rows_of(source)[0]["cohort"]) == {"Note": "a", "Note (2)": "c", "Note (2) (2)": "d"}


def test_sources_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """By their folder, and only where that is needed."""
    paths = [tmp_path / "mon" / "cohort.csv", tmp_path / "tue" / "cohort.csv", tmp_path / "list.txt"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text("upn\nzoe@contoso.example\n", encoding="utf-8")
    assert [source.name for source in inspect([str(path) for path in paths])] == [
        "mon/cohort.csv",
        "tue/cohort.csv",
        "list.txt",
    ]


@pytest.mark.parametrize(
    "after",
    [
        b"upn,name\nzoe@contoso.example,Z\nxu@contoso.example,Y\n",
        b"upn,name\nzoe@contoso.example,Z\n",
        b"upn,name\nzoe@contoso.example,Z\nyui@contoso.example,Y\nxu@contoso.example,X\n",
        b"upn,name\nzoe@contoso.example,Z\nyui@contoso.example,\xff\n",
    ],
)
def test_a_file_that_changes_between_the_readings_is_refused(tmp_path: Path, after: bytes) -> None:
    """What is reset is what was shown: other bytes are noticed, wherever they are."""
    path = tmp_path / "cohort.csv"
    path.write_bytes(b"upn,name\nzoe@contoso.example,Z\nyui@contoso.example,Y\n")
    (source,) = inspect([str(path)])
    path.write_bytes(after)
    with pytest.raises(CohortError, match=r"cohort\.csv changed while it was being read"):
        list(read(source))


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    """Between the readings too."""
    path = tmp_path / "cohort.csv"
    path.write_text("upn\nzoe@contoso.example\n", encoding="utf-8")
    (source,) = inspect([str(path)])
    path.unlink()
    with pytest.raises(CohortError, match=r"cohort\.csv cannot be read"):
        list(read(source))


def test_a_reading_can_be_left(tmp_path: Path) -> None:
    """The file is closed when the caller stops early."""
    path = tmp_path / "cohort.csv"
    path.write_text("upn\n" + "zoe@contoso.example\n" * 9999, encoding="utf-8")
    (source,) = inspect([str(path)])
    frames = read(source, chunk_rows=5)
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    path.unlink()
