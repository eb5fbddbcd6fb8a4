from __future__ import annotations

import csv
import io
import os
import sys
from typing import TYPE_CHECKING

import pytest

from batchreset.cohort import sources
from tests.support.cohorts import refusal

if TYPE_CHECKING:
    from pathlib import Path

UPN = "zoe@contoso.example"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n\r\n , \r\n", "is empty"),
        (b"upn,name\r\n", "has a header but no rows"),
        (b"upn\r\n\r\n \r\n", "has a header but no rows"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text"),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "or name a workbook by its ending .xlsx"),
        (f"upn\n{UPN}\n".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (b"\xff\xfeu\0p\0n\0\n\0x", "encoding that is not recognised"),
        (b"upn\n" + f"{UPN}\n".encode() * 9000 + b"a\0b\n", "line 9002: a NUL byte"),
        (
            f'upn,name\n{UPN},Z\nyui@contoso.example,"Yui\nxu@contoso.example,Xu\n'.encode(),
            "row 3: the quotation marks",
        ),
        (f'upn,name\n{UPN},"Zo\nyui@contoso.example,"Yui"\n'.encode(), "row 2: the quotation marks"),
        (f'upn,name\n{UPN},"{"x" * csv.field_size_limit()}x"\n'.encode(), "longer than 131,072 characters"),
        (b"upn,name\n" + b"x" * (4 << 20), "line 2: longer than 4,194,304 characters"),
        (b"Name,Office\nZoe,Lagos\n", "has no account column"),
        (b"Name,Office\nZoe,Lagos\n", "(its columns: 'Name', 'Office'); name the right one with --column"),
        (b"Konto,Kontakt\na@b.example,c@d.example\n", "columns 'Konto' and 'Kontakt' could both name the account"),
        (b"Konto,Kontakt\na@b.example,c@d.example\n", "choose with --column 'Konto' or --column 'Kontakt'"),
        (b"UPN,UPN\na@b.example,c@d.example\n", "rename one of them"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    """The sentence names the file and what is wrong with it."""
    path = tmp_path / "cohort.csv"
    path.write_bytes(content)
    sentence = refusal(path)
    assert sentence.startswith("cohort.csv")
    assert said in sentence


def test_inputs_that_are_no_files_are_refused(tmp_path: Path) -> None:
    """Missing files, folders and unknown endings are told apart, each with what to do."""
    assert "does not exist" in refusal(tmp_path / "none.csv")
    assert "is a folder" in refusal(tmp_path)
    other = tmp_path / "list.pdf"
    other.touch()
    known = ".csv, .tsv, .txt, .xlsx, .xls, .ods, .json or .jsonl"
    assert f"list.pdf: files end in {known} here; save it as one of these" in refusal(other)
    assert "name at least one file" in refusal()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a file that this user may not read")
def test_a_locked_file_is_refused(tmp_path: Path) -> None:
    """As Excel holds an open workbook on Windows."""
    path = tmp_path / "cohort.csv"
    path.write_text(f"upn\n{UPN}\n", encoding="utf-8")
    path.chmod(0)
    assert "cohort.csv cannot be opened: close it in the program that holds it" in refusal(path)


def test_the_same_input_twice_is_refused(tmp_path: Path) -> None:
    """By whatever name it is given."""
    path = tmp_path / "cohort.csv"
    path.write_text(f"upn\n{UPN}\n", encoding="utf-8")
    assert "is given twice" in refusal(path, tmp_path / "." / "cohort.csv")
    assert "standard input is given twice" in refusal("-", "-", stdin=io.BytesIO(b""))


def test_too_much_on_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held in memory, so there is a limit."""
    monkeypatch.setattr(sources, "_STDIN_LIMIT", 1 << 20)
    assert "standard input is over 1 MiB" in refusal("-", stdin=io.BytesIO(b"x" * ((1 << 20) + 1)))


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The columns that are there are listed, for the account and for the password."""
    path = tmp_path / "cohort.csv"
    path.write_text(f"upn,name\n{UPN},Zoe\n", encoding="utf-8")
    assert (
        refusal(path, column="Konto")
        == "cohort.csv has no column 'Konto' (its columns: 'upn', 'name'); correct --column."
    )
    assert "(its columns: 'upn', 'name'); correct --password-column" in refusal(path, password_column="Kennwort")
    assert "cannot hold both" in refusal(path, password_column="upn")


def test_a_named_column_must_be_one(tmp_path: Path) -> None:
    """--column does not choose between two of the same name."""
    path = tmp_path / "cohort.csv"
    path.write_text("Konto,konto,Konto\na,b,c\n", encoding="utf-8")
    assert "has 2 columns headed 'Konto'" in refusal(path, column="Konto")


def test_a_refusal_shows_no_data(tmp_path: Path) -> None:
    """A dump without a header is not quoted as if its first line were one."""
    path = tmp_path / "dump.txt"
    path.write_text("zoe,Hunter2!\nyui,Letme1n\n", encoding="utf-8")
    assert "Hunter2" not in refusal(path)


def test_one_bad_input_refuses_all(tmp_path: Path) -> None:
    """A good file beside it does not save the run."""
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(f"upn\n{UPN}\n", encoding="utf-8")
    bad.touch()
    assert refusal(good, bad).startswith("bad.csv is empty")
