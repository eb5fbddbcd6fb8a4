from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from batchreset.cohort import inspect
from tests.support.cohorts import identifiers_in, rows_of

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "userPrincipalName;Büro\r\nzoe@contoso.example;Kraków\r\nyui@contoso.example;Łódź\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_files_are_read(tmp_path: Path, encoding: str) -> None:
    """UTF-8 with and without a byte order mark, and UTF-16 with one."""
    path = tmp_path / "cohort.csv"
    path.write_bytes(TABLE.encode(encoding))
    (source,) = inspect([str(path)])
    assert source.account_column == "userPrincipalName"
    assert [json.loads(row["cohort"]) for row in rows_of(source)] == [{"Büro": "Kraków"}, {"Büro": "Łódź"}]


def test_big_endian_utf_16_is_read(tmp_path: Path) -> None:
    """Either byte order mark is understood."""
    path = tmp_path / "cohort.txt"
    path.write_bytes(b"\xfe\xff" + TABLE.encode("utf-16-be"))
    assert [text for _, text in identifiers_in(path)] == ["zoe@contoso.example", "yui@contoso.example"]


def test_windows_1252_is_what_is_not_utf_8(tmp_path: Path) -> None:
    """A letter late in the file that is no UTF-8 makes the whole file Windows-1252."""
    path = tmp_path / "cohort.csv"
    lines = ["upn,name", *(f"user{number}@contoso.example,x" for number in range(3000)), "zoe@contoso.example,Zoë € Xu"]
    path.write_bytes("\n".join(lines).encode("cp1252"))
    (source,) = inspect([str(path)])
    assert source.records == 3001
    assert json.loads(rows_of(source)[-1]["cohort"]) == {"name": "Zoë € Xu"}


def test_lines_may_end_as_on_old_macs(tmp_path: Path) -> None:
    """As Excel's "CSV (Macintosh)" has them."""
    path = tmp_path / "cohort.csv"
    path.write_bytes(TABLE.replace("\r\n", "\r").encode())
    assert identifiers_in(path) == [(2, "zoe@contoso.example"), (3, "yui@contoso.example")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", [".csv", ".txt"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str, ending: str) -> None:
    """Comma, semicolon, tab and pipe are told apart by the table they make."""
    path = tmp_path / f"cohort{ending}"
    records = [
        ("name", "UPN", "note"),
        ("Xu, Zoë", "zoe@contoso.example", "1;5"),
        ("Ito, Yui", "yui@contoso.example", ""),
    ]
    path.write_text("\n".join(delimiter.join(f'"{cell}"' for cell in record) for record in records), encoding="utf-8")
    assert identifiers_in(path) == [(2, "zoe@contoso.example"), (3, "yui@contoso.example")]


def test_a_tsv_file_is_delimited_by_tabs(tmp_path: Path) -> None:
    """Its ending says so, whatever else its cells hold."""
    path = tmp_path / "cohort.TSV"
    path.write_text("upn\na;b,zoe@contoso.example\nyui@contoso.example\n", encoding="utf-8")
    assert identifiers_in(path) == [(2, "a;b…"), (3, "yui@contoso.example")]


@pytest.mark.parametrize(("mark", "delimiter"), [("sep=;", ";"), ('"sep=;"', ";"), ("SEP=,", ","), ("sep=\t", "\t")])
def test_excels_separator_line_is_obeyed_and_not_counted(tmp_path: Path, mark: str, delimiter: str) -> None:
    """Excel does not show that line, so row 1 is the header."""
    path = tmp_path / "cohort.csv"
    path.write_text(f"{mark}\r\nupn{delimiter}name\r\nzoe@contoso.example{delimiter}Zoë\r\n", encoding="utf-8")
    assert identifiers_in(path) == [(2, "zoe@contoso.example")]


def test_a_record_with_line_breaks_is_one_row(tmp_path: Path) -> None:
    """Rows count records, as a spreadsheet does, and not lines."""
    path = tmp_path / "cohort.csv"
    path.write_text('upn,note\nzoe@contoso.example,"a\r\nb\n\nc"\nyui@contoso.example,\n', encoding="utf-8", newline="")
    (source,) = inspect([str(path)])
    rows = rows_of(source)
    assert [row["row"] for row in rows] == [2, 3]
    assert json.loads(rows[0]["cohort"]) == {"note": "a\r\nb\n\nc"}


def test_blank_lines_are_rows_except_at_the_end(tmp_path: Path) -> None:
    """A blank record keeps its number and has the reason `blank`; what a program left at the end is no row."""
    path = tmp_path / "cohort.csv"
    path.write_text("upn,name\nzoe@contoso.example,Z\n\n , \nyui@contoso.example,Y\n,\n\n  \n\n", encoding="utf-8")
    (source,) = inspect([str(path)])
    assert source.records == 4
    assert [(row["row"], row["reason"]) for row in rows_of(source)] == [(2, ""), (3, "blank"), (4, "blank"), (5, "")]


def test_an_account_missing_beside_other_cells_is_a_blank_row(tmp_path: Path) -> None:
    """Also at the end: the record is not empty, so somebody may be meant."""
    path = tmp_path / "cohort.csv"
    path.write_text("upn,name\nzoe@contoso.example,Z\n,Yui\n", encoding="utf-8")
    (source,) = inspect([str(path)])
    assert [(row["row"], row["reason"]) for row in rows_of(source)] == [(2, ""), (3, "blank")]


def test_ragged_records_do_not_stop_the_reading(tmp_path: Path) -> None:
    """Short records have empty cells, cells beyond the header are left out."""
    path = tmp_path / "cohort.csv"
    path.write_text(
        "name,upn,office\nZ,zoe@contoso.example\nY\nX,xu@contoso.example,Lagos,more,more\n", encoding="utf-8"
    )
    (source,) = inspect([str(path)])
    assert [(row["identifier"], row["reason"], json.loads(row["cohort"])) for row in rows_of(source)] == [
        ("zoe@contoso.example", "", {"name": "Z", "office": ""}),
        ("", "blank", {"name": "Y", "office": ""}),
        ("xu@contoso.example", "", {"name": "X", "office": "Lagos"}),
    ]


def test_a_bare_list_has_no_header(tmp_path: Path) -> None:
    """Its first line is an account and is not lost; the column is called `account`; a comma is a mistake, no border."""
    path = tmp_path / "list.txt"
    path.write_text("zoe@contoso.example\nyui@contoso.example, xu@contoso.example\n\nola\nido@contoso.example", "utf-8")
    (source,) = inspect([str(path)])
    assert (source.account_column, source.columns, source.records) == ("account", (), 5)
    assert [(row["row"], row["reason"]) for row in rows_of(source)] == [
        (1, ""),
        (2, "invalid_identifier"),
        (3, "blank"),
        (4, "invalid_identifier"),
        (5, ""),
    ]


def test_a_bare_list_of_object_ids_is_accepted(tmp_path: Path) -> None:
    """Where nothing but ids is given, they are the accounts."""
    path = tmp_path / "list.csv"
    path.write_text("6b4b76b0-e179-4773-a6e0-f3c09514b7dd\nac333b68-7e9b-477c-a519-a9d5ac9130f4\n", encoding="utf-8")
    assert [row for row, _ in identifiers_in(path)] == [1, 2]


def test_a_mistyped_first_line_of_a_list_stays_a_row(tmp_path: Path) -> None:
    """A list's unknown first line is rather an account with a mistake than a header: nobody is left out silently."""
    path = tmp_path / "list.txt"
    path.write_text("zoe(at)contoso.example\nyui@contoso.example\n", encoding="utf-8")
    assert identifiers_in(path) == [(1, "zoe…"), (2, "yui@contoso.example")]


def test_a_list_with_a_known_header_and_quotes_is_read(tmp_path: Path) -> None:
    """As `Select-Object UserPrincipalName | Export-Csv` writes it."""
    path = tmp_path / "list.csv"
    path.write_text('"UserPrincipalName"\r\n"zoe@contoso.example"\r\n', encoding="utf-8")
    assert identifiers_in(path) == [(2, "zoe@contoso.example")]


def test_a_header_in_another_language_goes_by_content(tmp_path: Path) -> None:
    """The fullest record above the accounts is the header; a malformed first row stays a row."""
    path = tmp_path / "cohort.csv"
    path.write_text("Benutzer;Rolle\nzoe;User\nyui@contoso.example;User\nxu@contoso.example;Gast\n", encoding="utf-8")
    (source,) = inspect([str(path)])
    assert (source.account_column, source.columns) == ("Benutzer", ("Rolle",))
    assert [row["row"] for row in rows_of(source)] == [2, 3, 4]


def test_columns_without_a_header_are_not_carried(tmp_path: Path) -> None:
    """What nobody named may be a secret: a headerless table gives its accounts and nothing else."""
    path = tmp_path / "dump.csv"
    path.write_text("zoe@contoso.example,hunter2\nyui@contoso.example,letmein\n", encoding="utf-8")
    (source,) = inspect([str(path)])
    assert (source.account_column, source.columns) == ("column 1", ())
    assert "hunter2" not in repr(rows_of(source))


def test_a_leak_whose_first_line_names_nobody_has_no_header(tmp_path: Path) -> None:
    """What stands above the accounts is no title: it stays a row, and no column is carried by its name."""
    path = tmp_path / "dump.csv"
    path.write_text("hunter1,zzz\nzoe@contoso.example,hunter2\n", encoding="utf-8")
    (source,) = inspect([str(path)])
    assert (source.records, source.columns) == (2, ())
    assert [row["reason"] for row in rows_of(source)] == ["invalid_identifier", ""]
    assert "hunter2" not in repr(rows_of(source))


@pytest.mark.parametrize("content", [TABLE.encode(), TABLE.encode("utf-16")])
def test_standard_input_is_read_like_a_file(content: bytes) -> None:
    """`-` gives the same rows, from bytes that are read once."""
    (source,) = inspect(["-"], stdin=io.BytesIO(content))
    assert source.name == "standard input"
    assert [row["row"] for row in rows_of(source)] == [2, 3] == [row["row"] for row in rows_of(source)]
    assert "Kraków" not in repr(source)


def test_a_text_file_is_inspected_without_heavy_imports(tmp_path: Path) -> None:
    """Neither pandas nor calamine is loaded to understand a CSV."""
    path = tmp_path / "cohort.csv"
    path.write_text(TABLE, encoding="utf-8")
    code = (
        "import sys; from batchreset.cohort import inspect; inspect(sys.argv[1:]); "
        "sys.exit(bool({'pandas', 'python_calamine'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)  # noqa: S603  our own interpreter
