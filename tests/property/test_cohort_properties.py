from __future__ import annotations

import csv
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from batchreset.cohort import inspect
from batchreset.cohort.identifiers import parse, plain
from batchreset.errors import CohortError
from tests.support.cohorts import ods_row, open_document, rows_of

UPN = st.from_regex(r"[a-z0-9][a-z0-9.'#_-]{0,19}@[a-z0-9]{1,10}\.example", fullmatch=True)
CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | st.sampled_from(
    ['"', "a,b", "a;b", "a\tb", "a|b", "a\nb", "a\r\nb", "00123", "NA", "'=1", "=1", "", " "]
)
RECORDS = st.lists(st.tuples(CELL, UPN | CELL, CELL), max_size=12)


@given(
    records=RECORDS,
    last=UPN,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    ending=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=120, deadline=None)
def test_what_is_written_is_read_back(
    records: list[tuple[str, str, str]], last: str, delimiter: str, ending: str, quoting: int, encoding: str
) -> None:
    """In any supported dialect: every record a row, its number right, its text the same."""
    text = io.StringIO(newline="")
    written = [*records, ("x", last, "y")]
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("first", "userPrincipalName", "last"), *written])
    (source,) = inspect(["-"], stdin=io.BytesIO(text.getvalue().encode(encoding)))
    rows = rows_of(source, chunk_rows=5)
    assert [row["row"] for row in rows] == list(range(2, len(written) + 2))
    for row, (first, account, third) in zip(rows, written, strict=True):
        assert (row["identifier"], row["key"]) == (parse(account).text, parse(account).key)
        assert json.loads(row["cohort"]) == {"first": plain(first), "last": plain(third)}


@given(
    records=RECORDS,
    last=UPN,
    written=st.sampled_from([".json", ".jsonl", ".ods"]),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_by_its_structure_is_read_back(
    records: list[tuple[str, str, str]], last: str, written: str, encoding: str
) -> None:
    """In JSON and in OpenDocument: every object a row, its text the same."""
    rows_written = [*records, ("x", last, "y")]
    names = ("first", "userPrincipalName", "last")
    objects = [dict(zip(names, record, strict=True)) for record in rows_written]
    if written == ".ods":
        # XML cannot hold every character, and folds white space.
        rows_written = [(_visible(one), _visible(two), _visible(three)) for one, two, three in rows_written]
        content = io.BytesIO()
        open_document(content, {"A": "".join(ods_row(*record) for record in (names, *rows_written))})
        data = content.getvalue()
    else:
        texts = [json.dumps(each, ensure_ascii=len(each["last"]) % 2 == 0) for each in objects]
        data = ("\n".join(texts) if written == ".jsonl" else f"[{','.join(texts)}]").encode(encoding)
    (source,) = inspect(["-"], stdin=io.BytesIO(data))
    rows = rows_of(source, chunk_rows=5)
    first = 2 if written == ".ods" else 1
    assert [row["row"] for row in rows] == list(range(first, len(rows_written) + first))
    for row, (before, account, after) in zip(rows, rows_written, strict=True):
        assert (row["identifier"], row["key"]) == (parse(account).text, parse(account).key)
        assert json.loads(row["cohort"]) == {"first": plain(before), "last": plain(after)}


def _visible(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable() and not letter.isspace())


@given(
    content=st.binary(max_size=300)
    | st.text(max_size=200).map(str.encode)
    | st.lists(UPN | CELL).map("\n".join).map(str.encode)
)
@settings(max_examples=120, deadline=None)
def test_any_bytes_are_rows_or_a_refusal(content: bytes) -> None:
    """Nothing but a CohortError comes out of bytes that are no cohort."""
    for start in (
        b"",
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b'{"value":[{"a":"',
        b"upn,x\nzoe@contoso.example,",
    ):
        try:
            found = inspect(["-"], stdin=io.BytesIO(start + content))
        except CohortError:
            continue
        assert len(rows_of(found[0])) == found[0].records


@given(cell=st.text(max_size=60))
def test_a_key_names_one_account(cell: str) -> None:
    """Reading an identifier again, as text or as key, changes nothing."""
    found = parse(cell)
    assert parse(found.text).key == found.key
    assert parse(found.key).key == found.key
    assert (found.reason == "") == bool(found.key)
