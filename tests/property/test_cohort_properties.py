from __future__ import annotations

import csv
import io
import json
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from batchreset.cohort import inspect
from batchreset.cohort.identifiers import Naming, parse, plain
from batchreset.errors import CohortError
from tests.support.cohorts import ods_row, open_document, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Written out of few letters: drawing by a pattern takes ten times as long.
UPN = st.builds(
    "{}{}@{}.example".format,
    st.sampled_from("az09"),
    st.text("ab0.'#_-", max_size=9),
    st.sampled_from(("b", "contoso")),
)
LOGON_NAME = st.from_regex(r"([A-Za-z0-9.-]{1,15}\\)?[A-Za-z0-9. _$'-]{1,20}", fullmatch=True)
CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | st.sampled_from(
    ['"', "a,b", "a;b", "a\tb", "a|b", "a\nb", "a\r\nb", "00123", "NA", "'=1", "=1", "", " "]
)
RECORDS = st.lists(st.tuples(CELL, UPN | CELL, CELL), max_size=6)
HEADER = ("first", "userPrincipalName", "last")
#: In which the letters beyond ASCII are guessed at, and ASCII is not.
LEGACY = ("cp1252", "cp1250", "cp1251", "cp1253", "cp850", "mac_roman", "shift_jis", "gbk", "big5", "cp949")


class Dialect(NamedTuple):
    """How a cohort is written; `delimiter`, `ending`, `quoting` and `is_marked` (`sep=`) are a text file's."""

    container: str
    encoding: str = "utf-8"
    delimiter: str = ","
    ending: str = "\n"
    quoting: Any = csv.QUOTE_MINIMAL
    is_marked: bool = False


DIALECTS = (
    *(
        Dialect("csv", encoding, delimiter, ending, quoting, is_marked)
        for encoding, delimiter, ending, quoting, is_marked in product(
            ("utf-8", "utf-8-sig", "utf-16"),
            (",", ";", "\t", "|"),
            ("\n", "\r\n"),
            (csv.QUOTE_MINIMAL, csv.QUOTE_ALL),
            (False, True),
        )
    ),
    # Not the pipe: it may be half of a letter.
    *(Dialect("csv", *each) for each in product(LEGACY, (",", ";", "\t"), ("\n", "\r\n"))),
    *(Dialect(container, encoding) for container in ("json", "jsonl") for encoding in ("utf-8", "utf-8-sig", "utf-16")),
    *(Dialect(container) for container in ("xlsx", "ods")),
)


@given(records=RECORDS, last=UPN, dialect=st.sampled_from(DIALECTS))
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_back(records: list[tuple[str, ...]], last: str, dialect: Dialect) -> None:
    """In any supported dialect: every record a row, its number right, its text the same.

    Where the encoding has to be guessed at, that holds for the accounts, and for all cells in ASCII.
    """
    written = [tuple(_writable(cell, dialect) for cell in record) for record in (*records, ("x", last, "y"))]
    if dialect.encoding in LEGACY:
        written = [(first, account.encode("ascii", "ignore").decode(), third) for first, account, third in written]
    try:
        (source,) = inspect(["-"], stdin=io.BytesIO(_WRITERS[dialect.container](written, dialect)))
    except CohortError as error:
        # Letters drawn by chance need not look like a text.
        if dialect.encoding in LEGACY and "encoding that is not recognised" in str(error):
            return
        raise
    rows = rows_of(source, chunk_rows=5)
    first_row = 1 if dialect.container.startswith("json") else 2
    assert [row["row"] for row in rows] == list(range(first_row, len(written) + first_row))
    for row, (before, account, after) in zip(rows, written, strict=True):
        named, carried = parse(account, Naming.UPN), json.loads(row["cohort"])
        assert (row["identifier"], row["key"]) == (named.text, named.key)
        for name, cell in (("first", before), ("last", after)):
            if cell.isascii() or dialect.encoding not in LEGACY:
                assert carried[name] == plain(cell)


def _writable(cell: str, dialect: Dialect) -> str:
    """Leave out what the dialect cannot hold."""
    match dialect.container:
        case "csv" | "json" | "jsonl":
            return cell.encode(dialect.encoding, "ignore").decode(dialect.encoding)
        case "ods":  # folds white space
            return "".join(letter for letter in cell if letter.isprintable() and not letter.isspace())
        case _:  # XML holds no odd character, and knows one end of a line
            return "".join(letter for letter in cell if letter.isprintable() or letter == "\n")


def _as_csv(records: Sequence[tuple[str, ...]], dialect: Dialect) -> bytes:
    text = io.StringIO(newline="")
    if dialect.is_marked:
        text.write(f"sep={dialect.delimiter}{dialect.ending}")
    writer = csv.writer(text, delimiter=dialect.delimiter, lineterminator=dialect.ending, quoting=dialect.quoting)
    writer.writerows([HEADER, *records])
    return text.getvalue().encode(dialect.encoding)


def _as_json(records: Sequence[tuple[str, ...]], dialect: Dialect) -> bytes:
    texts = [json.dumps(dict(zip(HEADER, each, strict=True)), ensure_ascii=len(each[2]) % 2 == 0) for each in records]
    return ("\n".join(texts) if dialect.container == "jsonl" else f"[{','.join(texts)}]").encode(dialect.encoding)


def _as_ods(records: Sequence[tuple[str, ...]], _: Dialect) -> bytes:
    content = io.BytesIO()
    open_document(content, {"A": "".join(ods_row(*record) for record in (HEADER, *records))})
    return content.getvalue()


def _as_xlsx(records: Sequence[tuple[str, ...]], _: Dialect) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for row, record in enumerate((HEADER, *records)):
            for column, cell in enumerate(record):
                sheet.write_string(row, column, cell)
    return content.getvalue()


_WRITERS = {"csv": _as_csv, "json": _as_json, "jsonl": _as_json, "ods": _as_ods, "xlsx": _as_xlsx}


@given(
    start=st.sampled_from(
        [
            b"",
            b"PK\x03\x04",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            b'{"value":[{"a":"',
            b'{"tables":[{"columns":[{"name":"upn"}],"rows":[["',
            b"upn,x\nzoe@contoso.example,",
        ]
    ),
    content=st.binary(max_size=300)
    | st.text(max_size=200).map(str.encode)
    | st.lists(UPN | CELL).map("\n".join).map(str.encode),
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_rows_or_a_refusal(start: bytes, content: bytes) -> None:
    """Nothing but a CohortError comes out of bytes that are no cohort."""
    try:
        (found,) = inspect(["-"], stdin=io.BytesIO(start + content))
    except CohortError:
        return
    assert len(rows_of(found)) == found.records


@given(cell=st.text(max_size=60) | UPN | UPN.map("{} ".format) | LOGON_NAME, naming=st.sampled_from(Naming))
def test_a_key_names_one_account(cell: str, naming: Naming) -> None:
    """Reading an identifier again, as text or as key, changes nothing; of what names nobody three letters are shown."""
    found = parse(cell, naming)
    assert (found.reason == "") == bool(found.key)
    if found.key:
        assert parse(found.text, naming).key == found.key
        assert parse(plain(found.key).removeprefix("\\"), naming).key == found.key
        assert found.key == found.key.lower()
    else:
        assert len(found.text) <= 4


@given(cell=UPN | LOGON_NAME | st.text(max_size=20))
def test_what_a_header_allows_adds_up(cell: str) -> None:
    """A column of logon names takes whatever any other takes; one of user principal names takes no logon name."""
    keys = {naming: parse(cell, naming).key for naming in Naming}
    assert keys[Naming.ANY] in {keys[Naming.LOGON], ""}
    assert (keys[Naming.UPN] == "") or keys[Naming.ANY].removeprefix("smtp:") == keys[Naming.UPN]
    assert "\\" not in keys[Naming.UPN]
