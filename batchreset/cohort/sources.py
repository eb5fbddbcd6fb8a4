"""The inputs of a run, understood: what each is, which column names the account, how many records it has."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from batchreset.cohort import delimited, headers, structured
from batchreset.cohort.layout import EmptyError, Layout, UnsuitableError, Wanted, is_filled, locate
from batchreset.cohort.origin import HashedStream, Origin
from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

STANDARD_INPUT = "standard input"
_TEXT_ENDINGS = (".csv", ".tsv", ".txt")
_WORKBOOK_ENDINGS = (".xlsx", ".xls", ".ods")
_JSON_ENDINGS = (".json", ".jsonl")
#: How workbooks begin: zip archives, and the containers of .xls files.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_STDIN_LIMIT = 256 * 1024 * 1024
#: Bytes by which JSON is told from a table.
_BEGINNING = 4096
#: Records looked at to find header and columns.
_HEAD = 1000
_EXAMPLES = 3


class FoundBy(StrEnum):
    """How it is known which column names the account."""

    HEADER = "header"
    CONTENT = "content"
    OPTION = "--column"


class Form(Protocol):
    """How an input is written: what it takes to read its records again.

    `is_headed` says that its first record is a header which the file does not have as a record of its own.
    """

    is_headed: ClassVar[bool]

    @property
    def guessed(self) -> str:
        """The encoding that its letters beyond ASCII were guessed to be in; nothing where it is known."""

    def records(self, stream: HashedStream, name: str) -> Iterator[list[str]]:
        """Yield each record's cells, from the first record."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its name in the report, and how to get at its records."""

    name: str
    origin: Origin = field(repr=False)
    form: Form = field(repr=False)

    def records(self, stream: HashedStream) -> Iterator[list[str]]:
        """Yield each record's cells from the origin's opened stream."""
        return self.form.records(stream, self.name)


@dataclass(frozen=True, slots=True)
class Source:
    """One input table, understood.

    `sha256` is the whole file's. `records` counts the records below the header, blank
    ones included except at the end. `examples` are the first accounts.
    """

    table: Table
    sha256: str
    records: int
    examples: tuple[str, ...]
    found_by: FoundBy
    layout: Layout = field(repr=False)

    @property
    def name(self) -> str:
        """The table's name, as the report shows it."""
        return self.table.name

    @property
    def account_column(self) -> str:
        """The column that names the account."""
        return self.layout.account_column

    @property
    def password_column(self) -> str | None:
        """The column that holds the new passwords, where one was asked for."""
        return self.layout.password_column

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are carried through to the report, in order."""
        return tuple(column for column, _ in self.layout.carried)


def inspect(
    cohort: Sequence[str],
    *,
    column: str | None = None,
    password_column: str | None = None,
    stdin: BinaryIO | None = None,
    may_be_empty: bool = False,
    max_unpacked: int | None = None,
) -> tuple[Source, ...]:
    """Read every input once to its end, and understand it.

    `cohort` names files, or `-` for `stdin` (by default the process's own); text files are never held whole. Raises
    `CohortError` for the first input that cannot be understood, `EmptyError` for the first without rows: where inputs
    `may_be_empty` they are left out, and it is raised when all are. A workbook may unpack to `max_unpacked` bytes, or
    where that is None, to what is usual.
    """
    if not cohort:
        raise CohortError("No cohort was named: name at least one file, or - for standard input.")
    wanted = Wanted(column, password_column)
    found: list[Source] = []
    empty: list[EmptyError] = []
    for origin in _origins(cohort, stdin):
        try:
            found.append(_understand(origin, wanted, max_unpacked))
        except EmptyError as error:
            empty.append(error)
            if not may_be_empty:
                raise
    if not found:
        raise empty[0]
    return tuple(found)


def written_here(name: str, data: bytes, *, column: str) -> Source:
    """Understand a CSV file that this program wrote, in UTF-8 with BOM, by its content.

    Raises `EmptyError` where it has no rows.
    """
    table = Table(name, Origin(name, data), delimited.Delimited("utf-8-sig", ",", marked=False))
    with table.origin.open() as stream:
        found = _survey(table, table.records(stream), stream, Wanted(column, None))
    return replace(found, found_by=FoundBy.HEADER)


def _origins(cohort: Sequence[str], stdin: BinaryIO | None) -> list[Origin]:
    paths = [None if text == "-" else _file(text) for text in cohort]
    for position, path in enumerate(paths):
        if path in paths[:position]:
            raise CohortError(f"{path or STANDARD_INPUT} is given twice: name each input once.")
    named = [path for path in paths if path]
    return [
        Origin(_short_name(path, named), path)
        if path
        else Origin(STANDARD_INPUT, _everything(stdin or sys.stdin.buffer))
        for path in paths
    ]


def _file(text: str) -> Path:
    """Return the resolved path of a readable file of a known ending."""
    path = Path(text)
    try:
        if path.is_dir():
            raise CohortError(f"{text} is a folder: name the files in it.")
        if not path.exists():
            raise CohortError(f"{text} does not exist: check the name and the current folder.")
        if not path.is_file():
            raise CohortError(f"{text} is no regular file: pipe it in, and name - instead.")
        if path.suffix.lower() not in (known := (*_TEXT_ENDINGS, *_WORKBOOK_ENDINGS, *_JSON_ENDINGS)):
            listed = f"{', '.join(known[:-1])} or {known[-1]}"
            raise CohortError(f"{text}: files end in {listed} here; save it as one of these.")
        return path.resolve()
    except OSError as error:
        raise CohortError(f"{text} cannot be opened: {error.strerror}.") from error


def _short_name(path: Path, paths: Sequence[Path]) -> str:
    """Return the file's name, with as many parent folders as tell it from the other inputs."""
    for length in range(1, len(path.parts)):
        name = "/".join(path.parts[-length:])
        if sum(1 for other in paths if "/".join(other.parts[-length:]) == name) == 1:
            return name
    return str(path)


def _everything(stdin: BinaryIO) -> bytes:
    data = stdin.read(_STDIN_LIMIT + 1)
    if len(data) > _STDIN_LIMIT:
        raise CohortError(f"{STANDARD_INPUT} is over {_STDIN_LIMIT >> 20} MiB: save it to a file and name that.")
    return data


def _understand(origin: Origin, wanted: Wanted, max_unpacked: int | None) -> Source:
    piped = origin.place if isinstance(origin.place, bytes) else b""
    if origin.ending in _WORKBOOK_ENDINGS or piped.startswith(_WORKBOOKS):
        return _from_workbook(origin, wanted, max_unpacked)
    with origin.open() as stream:
        head = stream.read(_BEGINNING) or b""
    # By its beginning, whatever it is called: exports get their ending from whoever saves them.
    is_json = structured.begins_like_json(head, is_expected=origin.ending in _JSON_ENDINGS)
    for form in structured.understood(origin) if is_json else delimited.dialects(origin):
        try:
            with origin.open() as stream:
                table = Table(origin.name, origin, form)
                return _survey(table, table.records(stream), stream, wanted)
        except UnicodeDecodeError:
            continue
    raise CohortError(f"{origin.name} is in an encoding that is not recognised: save it in UTF-8.")


def _from_workbook(origin: Origin, wanted: Wanted, max_unpacked: int | None) -> Source:
    """Take the one visible sheet with accounts."""
    from batchreset.cohort.workbook import open_workbook  # noqa: PLC0415  not needed for text files

    found: list[Source] = []
    refused: list[UnsuitableError] = []
    with origin.open() as stream:
        book = open_workbook(stream, origin.name, max_unpacked)
        sheets = book.visible_sheets()
        for sheet in sheets:
            table = Table(f"{origin.name}#{sheet.sheet}", origin, sheet)
            try:
                found.append(_survey(table, book.records(sheet), stream, wanted))
            except UnsuitableError as error:
                refused.append(error)
    if len(found) > 1:
        raise CohortError(
            f"{found[0].name} and {found[1].name} both hold accounts: "
            "hide or delete the sheet that is not meant, or save the one that is as CSV."
        )
    if found:
        return found[0]
    if len(refused) == 1:
        raise refused[0]
    if refused and all(isinstance(error, EmptyError) for error in refused):
        raise EmptyError(f"{origin.name} has no row on any visible sheet: there is no account in it.")
    names = ", ".join(sheet.sheet for sheet in sheets) or "none"
    raise CohortError(
        f"{origin.name} has no visible sheet with an account column (visible sheets: {names}); "
        "show the right sheet, or name its column with --column."
    )


def _survey(table: Table, records: Iterator[list[str]], stream: HashedStream, wanted: Wanted) -> Source:
    """Read a table's records to the end."""
    head = list(islice(records, _HEAD))
    try:
        layout = locate(table.name, head, wanted, is_headed=table.form.is_headed)
    except EmptyError:
        if not any(map(is_filled, records)):
            raise
        raise CohortError(
            f"{table.name}: its first {_HEAD:,} records are blank below the header, and others follow; "
            "remove the blank ones."
        ) from None
    last = max(row for row, record in enumerate(chain(head, records), start=1) if is_filled(record))
    accounts = (found.text for record in head[layout.header_row :] if (found := layout.account_in(record)).key)
    examples = tuple(islice(dict.fromkeys(accounts), _EXAMPLES))
    return Source(table, stream.finish(), last - layout.header_row, examples, _found_by(layout, wanted), layout)


def _found_by(layout: Layout, wanted: Wanted) -> FoundBy:
    if wanted.column:
        return FoundBy.OPTION
    is_known = layout.header_row and headers.rank(layout.account_column) is not None
    return FoundBy.HEADER if is_known else FoundBy.CONTENT
