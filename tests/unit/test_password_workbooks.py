"""Passwords on their way into files: to the letter, encrypted for real, whole or not at all."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

import msoffcrypto
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msoffcrypto.exceptions import InvalidKeyError
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from batchreset.engine.passwords import ranges
from batchreset.errors import SettingsError
from batchreset.policy.naming import file_names
from batchreset.secret import Secret
from batchreset.vault import exports

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
OFFICE = ROOT / "tests" / "support" / "office"
PASSPHRASE = Secret("correct horse battery")
#: What spreadsheets, CSV and markup would like to read something into.
AWKWARD = (
    *("=1+1-aA", "+49 30 Aa", "-2+3Aa", "@SUM(A1)x", "'quoted'A1", '"both"A1', "a,b;c\tD1", " edge Aa1 "),
    *("00012345Aa", "1e5Aa!!!", "TRUEtrue1", "<b>&amp;A1", "https://x.y/A1", "{=1+1}Aa", "_x0041_Aa1", "%00\\nAa1"),
)
TABLE = [("user", "password"), *((f"user{number}", text) for number, text in enumerate(AWKWARD))]


def test_csv_is_read_back_to_the_letter() -> None:
    """No cell is guarded or trimmed; Excel finds the mark of UTF-8 and the line ends it expects."""
    content = exports.csv_file(TABLE)
    assert content.startswith(b"\xef\xbb\xbfuser,password\r\n")
    text = content.decode("utf-8-sig")
    assert list(map(tuple, csv.reader(io.StringIO(text, newline="")))) == TABLE


def test_a_workbook_is_read_back_to_the_letter() -> None:
    """Two readers find text in every cell: no formula, no link, no number."""
    content = exports.workbook(TABLE)
    rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    assert list(map(tuple, rows)) == TABLE
    cells = [cell for row in load_workbook(io.BytesIO(content)).worksheets[0].iter_rows() for cell in row]
    assert {(cell.data_type, cell.hyperlink) for cell in cells} == {("s", None)}
    assert [cell.value for cell in cells] == [text for row in TABLE for text in row]


def test_what_no_sheet_holds_is_refused() -> None:
    """A cell that would be cut off, or a row beyond the last, is a sentence and no silent loss."""
    with pytest.raises(SettingsError, match="32,767 characters"):
        exports.workbook([("x" * 32_768,)])


def test_an_encrypted_workbook_opens_with_its_passphrase_only() -> None:
    """It decrypts to the very workbook, its integrity verified, and not with another passphrase."""
    plain = exports.workbook(TABLE)
    sealed = exports.encrypted(plain, PASSPHRASE)
    assert not zipfile.is_zipfile(io.BytesIO(sealed))
    assert not [text for text in AWKWARD if text.encode() in sealed or text.encode("utf-16-le") in sealed]
    file = msoffcrypto.OfficeFile(io.BytesIO(sealed))
    file.load_key(password=PASSPHRASE.reveal(), verify_password=True)
    opened = io.BytesIO()
    file.decrypt(opened, verify_integrity=True)
    assert opened.getvalue() == plain
    with pytest.raises(InvalidKeyError):
        file.load_key(password="correct horse batterY", verify_password=True)
    assert exports.encrypted(plain, PASSPHRASE) != sealed


@pytest.fixture
def decrypting(tmp_path: Path) -> list[str]:
    """Return the command by which another library, in another language, decrypts a workbook."""
    node = shutil.which("node")
    if node is None or not (OFFICE / "node_modules" / "officecrypto-tool").is_dir():
        pytest.skip("needs node, and `npm install` in tests/support/office")
    return [node, str(OFFICE / "decrypt.js"), str(tmp_path / "sealed.xlsx"), str(tmp_path / "plain.xlsx")]


@pytest.mark.parametrize("count", [1, 20_000])
def test_another_library_opens_it(tmp_path: Path, decrypting: list[str], count: int) -> None:
    """What shares no code with the one that encrypts finds the same bytes, and nothing by another passphrase."""
    plain = exports.workbook([("user", "password"), *((f"user{number}", f"Aa1!{number}") for number in range(count))])
    (tmp_path / "sealed.xlsx").write_bytes(exports.encrypted(plain, PASSPHRASE))
    refused = subprocess.run(decrypting, input="correct horse batterY", capture_output=True, check=False, text=True)  # noqa: S603  our own
    assert refused.returncode == 1, refused.stderr
    assert not (tmp_path / "plain.xlsx").exists()
    subprocess.run(decrypting, input=PASSPHRASE.reveal(), check=True, text=True)  # noqa: S603  our own
    assert (tmp_path / "plain.xlsx").read_bytes() == plain


def test_nothing_in_clear_is_written_on_the_way() -> None:
    """Workbooks are made and encrypted in memory: not one file is opened meanwhile."""
    code = (
        "import sys; from batchreset.vault import exports; from batchreset.secret import Secret\n"
        "work = lambda: exports.encrypted(exports.workbook([('user', 'Aa1!')] * 5000), Secret('correct horse'))\n"
        "work(); seen = []; sys.addaudithook(lambda event, told: event == 'open' and seen.append(told)); work()\n"
        "assert not seen, seen"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)  # noqa: S603  our own


@pytest.mark.parametrize(
    ("text", "said"), [("short", "at least 12"), ("twelve\nlines!", "can be typed"), ("x" * 256, "no more than 255")]
)
def test_a_passphrase_that_office_or_a_thief_would_laugh_at_is_refused(text: str, said: str) -> None:
    """It is long enough, not too long for Office, and can be typed; the sentence does not quote it."""
    with pytest.raises(SettingsError, match=said) as refused:
        exports.check_workbook_passphrase(Secret(text))
    assert text not in str(refused.value)


def test_a_made_passphrase_is_another_each_time() -> None:
    """Six words and a digit, fit for a workbook."""
    made = {exports.made_passphrase() for _ in range(50)}
    assert len(made) == 50
    assert {len(each.reveal().split("-")) for each in made} == {7}
    assert all(exports.check_workbook_passphrase(each) for each in made)


def test_a_folder_of_files_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    """When the second of two cannot be made, neither is there; nor is anything else."""

    def files() -> Iterator[tuple[str, bytes]]:
        yield "one.xlsx", b"1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exports.write_new_folder(tmp_path / "out", files())
    assert list(tmp_path.iterdir()) == []
    exports.write_new_folder(tmp_path / "out", [("one.xlsx", b"1")])
    assert (tmp_path / "out" / "one.xlsx").read_bytes() == b"1"
    if sys.platform != "win32":
        assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "out" / "one.xlsx").stat().st_mode & 0o777 == 0o600
    with pytest.raises(SettingsError, match="this folder exists already"):
        exports.write_new_folder(tmp_path / "out", [])
    with pytest.raises(SettingsError, match="this file exists already"):
        exports.write_new(tmp_path / "out" / "one.xlsx", b"2")
    with pytest.raises(SettingsError, match="there is no folder"):
        exports.write_new(tmp_path / "missing" / "out.csv", b"2")
    with pytest.raises(SettingsError, match="there is no folder"):
        exports.write_new_folder(tmp_path / "missing" / "out", [])


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit to the size of a file")
def test_half_a_file_does_not_stay(tmp_path: Path) -> None:
    """Where there is no room for all of it, nothing is left, and a sentence says so."""
    code = (
        "import resource, sys; from pathlib import Path; from batchreset.vault import exports\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "exports.write_new(Path(sys.argv[1]), bytes(5000))"
    )
    done = subprocess.run(  # noqa: S603  our own
        [sys.executable, "-c", code, str(tmp_path / "all.csv")], capture_output=True, check=False, cwd=ROOT, text=True
    )
    assert "this cannot be written (File too large)" in done.stderr
    assert list(tmp_path.iterdir()) == []


DEVICES = ("con", "NUL.txt", "Com1 .x", "lpt9", "aux", "COM¹", "CONIN$", "prn.a.b")


@given(st.lists(st.text(max_size=100), max_size=30))
@example(["", " ", "(none)", "...", "."])
@example(["../../etc/passwd", "..\\..\\x", "/abs", "C:\\x", "a/b", "a\\b", "a:b"])
@example([*DEVICES])
@example(["Müller", "MÜLLER", "Mu\u0308ller", "mu\u0308ller", "ﬁn", "fin", "straße", "STRASSE"])
@example(["x" * 300, "x" * 301, "株" * 300, "株" * 301, "a\u202etxt", "tab\there", "end. ", "\ud800"])
def test_every_value_has_a_file_name_that_every_system_takes(values: list[str]) -> None:
    """Distinct values get names that differ by more than case, of no device, in no other folder, and not too long."""
    names = file_names(values)
    assert set(names) == set(values)
    assert len({name.upper().casefold() for name in names.values()}) == len(names)
    for name in names.values():
        path = PureWindowsPath(f"{name}.xlsx")
        assert path.name == f"{name}.xlsx"
        assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$) *(\..*)?", name, re.IGNORECASE)
        assert name == name.strip(" .")
        assert not set('<>:"/\\|?*') & set(name)
        assert name.isprintable()
        assert 0 < len(name.encode()) <= 130


def test_file_names_can_be_read() -> None:
    """What is a name already stays one; blank values are told apart from a value that is written so."""
    assert list(file_names(["Ann Lee", "ann lee", "Zoë", "R&D / Ops", "", "(none)", "con"]).values()) == [
        *("Ann Lee", "ann lee (2)", "Zoë", "R&D _ Ops", "(none)", "(none) (2)", "_con"),
    ]


@given(st.lists(st.integers(1, 60)))
def test_rows_are_told_in_few_words_and_can_all_be_told_back(numbers: list[int]) -> None:
    """Numbers in a row are written as one, and each can be had again."""
    text = ranges(numbers)
    ends = [list(map(int, part.split("-"))) for part in text.split(",") if part]
    assert [number for end in ends for number in range(end[0], end[-1] + 1)] == sorted(set(numbers))
    assert all(end[0] > before[-1] + 1 for before, end in pairwise(ends))
