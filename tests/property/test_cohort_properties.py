from __future__ import annotations

import csv
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from batchreset.cohort import inspect
from batchreset.cohort.identifiers import parse, plain
from batchreset.errors import CohortError
from tests.support.cohorts import rows_of

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
@settings(max_examples=300, deadline=None)
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
    content=st.binary(max_size=300)
    | st.text(max_size=200).map(str.encode)
    | st.lists(UPN | CELL).map("\n".join).map(str.encode)
)
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_rows_or_a_refusal(content: bytes) -> None:
    """Nothing but a CohortError comes out of bytes that are no cohort."""
    for start in (b"", b"PK\x03\x04", b"upn,x\nzoe@contoso.example,"):
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
