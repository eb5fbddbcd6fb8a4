"""Text that is in no Unicode: which encoding it is taken for, and what that may never cost."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING

import pytest

from batchreset.cohort import charset, inspect
from batchreset.cohort.origin import Origin
from batchreset.errors import CohortError
from tests.support.cohorts import refusal, rows_of

if TYPE_CHECKING:
    from pathlib import Path

WESTERN = ["Zoë Müller", "José Fernández", "François Lefèvre", "Søren Jørgensen", "Renée Côté", "Jürgen Groß"]
POLISH = ["Łukasz Wójcik", "Małgorzata Dąbrowska", "Jędrzej Świątek", "Krzysztof Ślusarczyk", "Agnieszka Błądzińska"]
RUSSIAN = ["Иван Петров", "Ольга Смирнова", "Дмитрий Кузнецов", "Сергей Иванов"]
#: Each with the names that people have where it is written.
LEGACY = {
    "cp1252": WESTERN,
    "mac_roman": WESTERN,
    "cp850": WESTERN,
    "cp437": [name for name in WESTERN if "ø" not in name],
    "cp1250": POLISH,
    "cp1251": RUSSIAN,
    "cp866": RUSSIAN,
    "koi8_r": RUSSIAN,
    "cp1253": ["Γιώργος Παπαδόπουλος", "Μαρία Νικολάου", "Δημήτρης Γεωργίου"],
    "cp1256": ["محمد علي", "فاطمة حسن", "يوسف إبراهيم"],
    "shift_jis": ["山田太郎", "佐藤花子", "鈴木一郎", "高橋健", "営業部"],
    "gbk": ["张伟", "王芳", "李娜", "刘洋", "陈静", "销售部"],
    "big5": ["陳怡君", "林志明", "黃淑芬", "張家豪"],
    "cp949": ["김민수", "이영희", "박지훈", "최수진"],
}


@pytest.mark.parametrize("encoding", LEGACY)
def test_names_are_read_in_the_encoding_that_they_look_like(tmp_path: Path, encoding: str) -> None:
    """However few beside ASCII, and wherever they stand: of Windows, of its consoles, of a Mac, in East Asia."""
    names = LEGACY[encoding]
    lines = [
        "upn;name;office",
        *(f"user{number}@contoso.example;Name;Office" for number in range(500)),
        *(f"foreign{number}@contoso.example;{name};Büro" for number, name in enumerate(names)),
    ]
    path = tmp_path / "cohort.csv"
    path.write_bytes("\r\n".join(lines).encode(encoding, "ignore"))
    (source,) = inspect([str(path)])
    assert [json.loads(row["cohort"])["name"] for row in rows_of(source)][500:] == names
    assert source.table.form.guessed != ""


@pytest.mark.parametrize("text", ["Zoë", "Zoë € Xu", "Łu", "é", "naïve", "\u201cKraków\u201d"])
def test_windows_1252_is_what_little_there_is_is_taken_for(text: str) -> None:
    """A letter or two tell nothing: most such files come from Windows in Western Europe."""
    sample = text.encode("cp1252", "ignore")
    assert next(iter(charset.encodings(Origin("it", b"a " + sample), b"a"))) == "utf-8"
    assert charset._guessed(sample)[0] == "cp1252"


def test_nothing_is_guessed_at_in_unicode(tmp_path: Path) -> None:
    """Nor is a password of it refused."""
    path = tmp_path / "cohort.csv"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes("upn,pw\nzoe@contoso.example,pässword\n".encode(encoding))
        (source,) = inspect([str(path)], password_column="pw")
        assert source.table.form.guessed == ""
        assert [row["sealed"] for row in rows_of(source, seal=str.encode)] == ["pässword".encode()]


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis"])
def test_a_password_is_never_guessed_at(tmp_path: Path, encoding: str) -> None:
    """One with letters beyond ASCII refuses the file, by its row and without itself; names beside it may have any."""
    letter, path = "\u5c71" if encoding == "shift_jis" else "ä", tmp_path / "cohort.csv"
    path.write_bytes(f"upn,name,pw\nzoe@contoso.example,{letter * 9},hunter2\n".encode(encoding))
    (source,) = inspect([str(path)], password_column="pw")
    assert [row["sealed"] for row in rows_of(source, seal=str.encode)] == [b"hunter2"]
    path.write_bytes(f"upn,pw\nzoe@contoso.example,hunter2\nyui@contoso.example,hunter{letter}\n".encode(encoding))
    (source,) = inspect([str(path)], password_column="pw")
    with pytest.raises(CohortError, match=r"cohort\.csv, row 3: the password has letters beyond ASCII") as caught:
        rows_of(source, seal=str.encode)
    assert "hunter" not in str(caught.value)
    assert "save the file in UTF-8" in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "names", "said"),
    [
        # Read as cp932, a name's last byte and the delimiter are one letter: the account would be the manager's.
        ("big5", ["\u674e", "\u90b1"], ""),
        ("gb18030", ["\u738b", "\u674e"], ""),
        # Read by single bytes, half of the second one's name is a delimiter.
        ("big5", ["\u5f35", "\u9ad4\u80b2"], "row 3: 5 cells and not 4 as above"),
    ],
)
def test_a_delimiter_that_may_be_half_of_a_letter_moves_no_account(
    encoding: str, names: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever encoding is guessed at: each row's account is its own, or the file is refused."""
    lines = [f"Office|{name}|u{n}@contoso.example|boss@contoso.example" for n, name in enumerate(names)]
    data = "\n".join(["office|name|upn|manager", *lines]).encode(encoding)
    found = []
    for guess in charset._LEGACY:
        monkeypatch.setattr(charset, "_guessed", lambda _, guess=guess: [guess])
        try:
            (source,) = inspect(["-"], stdin=io.BytesIO(data))
            found.append(", ".join(row["identifier"] for row in rows_of(source)))
        except CohortError as error:
            found.append(str(error))
    right = ", ".join(f"u{n}@contoso.example" for n in range(len(names)))
    assert any(said in each if said else each == right for each in found)
    assert not said or right not in found
    assert all(each == right or "save it in UTF-8" in each for each in found)


def test_a_pipe_is_a_delimiter_where_every_row_has_as_many(tmp_path: Path) -> None:
    """Names of Western Europe, and blank lines."""
    path = tmp_path / "cohort.csv"
    lines = [f"{name}|u{n}@contoso.example" for n, name in enumerate(WESTERN)]
    path.write_bytes("\n".join(["name|upn", *lines, "", "Ren\u00e9|last@contoso.example"]).encode("cp1252"))
    (source,) = inspect([str(path)])
    assert [json.loads(row["cohort"])["name"] for row in rows_of(source)] == [*WESTERN, "", "Ren\u00e9"]


def test_a_large_file_is_guessed_at_from_a_sample(tmp_path: Path) -> None:
    """20 MB are understood in the time that reading them takes; a few kilobytes of words tell the encoding."""
    path = tmp_path / "cohort.csv"
    line = "{}@contoso.example;Иван Петров;{}\n"
    head = "upn;name;note\n" + "".join(line.format(number, "x" * 900) for number in range(2_000))
    path.write_bytes(head.encode("cp1251") * 10)
    start = time.process_time()
    sample = charset._sample(Origin("it", path))
    assert charset._guessed(sample)[0] == "cp1251"
    assert time.process_time() - start < 1
    assert sample == "Иван Петров".encode("cp1251")


def test_a_sample_ends_with_a_whole_letter() -> None:
    """However many words there are, and wherever it has enough: half a letter would speak against the encoding."""
    names = [
        f"{one}{two}{three}"
        for one in "山佐鈴高中"
        for two in "田藤木橋村"
        for three in map(chr, range(0x4E00, 0x4F00))
    ]
    lines = [f"u@contoso.example,x{name.encode('cp932', 'ignore').decode('cp932')}" for name in names]
    sample = charset._sample(Origin("it", "\n".join(lines).encode("cp932")))
    assert charset._SAMPLED <= len(sample) < 2 * charset._SAMPLED
    assert charset._guessed(sample)[0] == "cp932"


def test_json_may_be_in_any_of_them_too(tmp_path: Path) -> None:
    """As `Out-File -Encoding oem` writes it."""
    path = tmp_path / "users.json"
    objects = [{"upn": f"u{n}@contoso.example", "name": name} for n, name in enumerate(WESTERN)]
    path.write_bytes(json.dumps(objects, ensure_ascii=False).encode("cp850"))
    (source,) = inspect([str(path)])
    assert [json.loads(row["cohort"])["name"] for row in rows_of(source)] == WESTERN


def test_what_no_encoding_reads_is_refused(tmp_path: Path) -> None:
    """Bytes that nobody writes."""
    path = tmp_path / "cohort.csv"
    path.write_bytes(b"upn,name\nzoe@contoso.example," + bytes(range(0x80, 0x100)) * 3)
    assert "in an encoding that is not recognised: save it in UTF-8" in refusal(path)
