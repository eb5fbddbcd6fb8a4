"""How one table of text is laid out: where its header is, and which columns are what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.cohort import headers, identifiers
from batchreset.cohort.identifiers import Identifier, Naming, parse
from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Titles and notes above a header are skipped up to here.
_HEADER_WITHIN = 20
_COLUMNS_LISTED = 12
#: What is listed of a header that was only guessed at: it may be somebody's data.
_HEADER_LIKE = re.compile(r"[^\W\d_](?:[^\W\d]|[ .\-/()\[\]])*")

#: What stands for the account of somebody whom only another column names.
_MISSING = "(empty)"

#: How the example in a bulk template begins: "Example: ", in whatever language.
_EXAMPLE = re.compile(r"\s*\w+\s?[:\uff1a]\s?\S")


class UnsuitableError(CohortError):
    """A table without accounts, where another sheet of the same workbook may have them."""


class EmptyError(UnsuitableError):
    """A table without rows."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The columns that the user named."""

    column: str | None
    password_column: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are what, by position from 0.

    `header_row` is the record number of the header, or of a template's example below it; 0 where there is none.
    """

    header_row: int
    account_column: str
    account: int
    password_column: str | None
    password: int | None
    carried: tuple[tuple[str, int], ...]
    #: How many columns there are; a record may have fewer cells or more.
    width: int
    #: What the account's column may hold, and where its domains are, if they stand in a column of their own.
    naming: Naming = Naming.ANY
    domain: int | None = None
    #: Columns that name people too: a record that is blank but for one of them is not meant to be passed over.
    beside: tuple[tuple[int, Naming], ...] = ()

    def account_in(self, record: Sequence[str]) -> Identifier:
        """Read the account that a record names."""
        cell = _cell(record, self.account)
        if not cell and any(parse(_cell(record, position), kind).key for position, kind in self.beside):
            return Identifier(_MISSING)
        if self.domain is not None and (domain := _cell(record, self.domain)) and cell and not parse(cell).key:
            cell = f"{domain}\\{cell}"
        return parse(cell, self.naming)


def locate(name: str, head: Sequence[Sequence[str]], wanted: Wanted, *, is_headed: bool = False) -> Layout:
    """Find the header and the columns from a table's first records; where it `is_headed`, the first is the header.

    Raises `EmptyError` when there is no row, `UnsuitableError` when nothing here is an account, `CohortError` when the
    choice is the user's; `name` is the file or sheet in all.
    """
    if not any(map(is_filled, head)):
        raise EmptyError(f"{name} is empty: there is no account in it.")
    row = 1 if is_headed else _header_row(head, wanted.column)
    columns = _columns(head, row)
    row += _has_example(head, row)
    if row and not any(map(is_filled, head[row:])):
        raise EmptyError(f"{name} has a header but no rows: there is no account in it.")
    account = _named(name, columns, wanted.column, "--column") if wanted.column else _chosen(name, columns, head[row:])
    password = None
    if wanted.password_column:
        password = _named(name, columns, wanted.password_column, "--password-column")
        if password == account:
            raise CohortError(
                f"{name}: column {_shown(columns[account])} cannot hold both account and password; "
                "name another with --password-column or --column."
            )
    carried = tuple(_carried(columns, {account, password})) if row else ()
    others = [] if wanted.column else headers.of_people(columns)
    return Layout(
        header_row=row,
        account_column=columns[account],
        account=account,
        password_column=None if password is None else columns[password],
        password=password,
        carried=carried,
        width=len(columns),
        naming=headers.naming(columns, account),
        domain=headers.domain_beside(columns, account),
        beside=tuple((each, headers.naming(columns, each)) for each in others if each not in {account, password}),
    )


def is_filled(record: Sequence[str]) -> bool:
    """Say whether any cell of a record holds more than white space."""
    return any(map(str.strip, record))


def _header_row(head: Sequence[Sequence[str]], column: str | None) -> int:
    """Return the header's record number, 0 where the table has none."""
    top = list(enumerate(head[:_HEADER_WITHIN], start=1))
    if column:
        for row, record in top:
            if any(cell.strip() and headers.fold(cell) == headers.fold(column) for cell in record):
                return row
    first = next((row for row, record in enumerate(head, start=1) if any(map(_is_account, record))), None)
    is_list = max(map(_filled, head)) == 1
    known = [
        (rank, -_filled(record), row)
        for row, record in top
        if not any(map(_is_account, record))
        for position, cell in enumerate(record)
        if (rank := headers.rank(cell)) is not None
        and (first is None or _holds_account(head[row:], position, headers.naming(record, position)))
        and not (is_list and _holds_account(head[: row - 1], position))
    ]
    if known:
        return min(known)[-1]
    # A header in a language that is not in the table: the fullest record above the accounts, as titles are short.
    # A list of one column has none: an unknown first line is rather a mistyped account, and must stay a row. So must
    # one that heads the accounts with anything but words: in a leak it would head, and so show, its passwords.
    above = [(-_filled(record), row) for row, record in top if row < (first or len(head) + 1) and is_filled(record)]
    if not above or is_list:
        return 0
    row = min(above)[-1]
    return row if first is None or _heads_in_words(head[row - 1], head[first - 1]) else 0


def _heads_in_words(header: Sequence[str], record: Sequence[str]) -> bool:
    """Say whether the cells of a header above a record's accounts look like a title, as far as they are filled."""
    above = [title for title, cell in zip(header, record, strict=False) if _is_account(cell)]
    return all(not title.strip() or _HEADER_LIKE.fullmatch(title.strip()) for title in above)


def _has_example(head: Sequence[Sequence[str]], row: int) -> bool:
    """Say whether the record below a header is the example of one of Entra's bulk templates."""
    is_template = row and any(map(headers.property_of, head[row - 1]))
    return bool(is_template and row < len(head) and head[row] and _EXAMPLE.match(head[row][0]))


def _columns(head: Sequence[Sequence[str]], row: int) -> list[str]:
    """Return the columns' names: as headed, else by number; a bare list of accounts has the column `account`."""
    if row:
        titles = [" ".join(identifiers.plain(cell).split()) for cell in head[row - 1]]
        return [title or f"column {number}" for number, title in enumerate(titles, start=1)]
    width = max(map(len, head))
    if width == 1 and _is_account(next(record[0] for record in head if is_filled(record))):
        return ["account"]
    return [f"column {number}" for number in range(1, width + 1)]


def _named(name: str, columns: Sequence[str], wanted: str, option: str) -> int:
    found = [position for position, column in enumerate(columns) if column == wanted.strip()] or [
        position for position, column in enumerate(columns) if headers.fold(column) == headers.fold(wanted)
    ]
    if not found:
        if option == "--column":
            raise UnsuitableError(f"{name} has no column {_shown(wanted)}{_listed(columns)}; correct {option}.")
        raise CohortError(
            f"{name} has no column {_shown(wanted)}{_listed(columns)}; correct {option}, or add the column: "
            "no report of batchreset's holds passwords."
        )
    if len(found) > 1:
        raise CohortError(
            f"{name} has {len(found)} columns headed {_shown(wanted)}: rename all but one, or remove them."
        )
    return found[0]


def _chosen(name: str, columns: Sequence[str], sample: Sequence[Sequence[str]]) -> int:
    found = headers.choose(columns, sample)
    if not found:
        raise UnsuitableError(
            f"{name} has no account column: none holds user principal names, mail addresses or DOMAIN\\user, nor "
            f"object ids or logon names under a header such as id or SamAccountName"
            f"{_listed(columns)}; name the right one with --column."
        )
    if len(found) > 1:
        first, second = (_shown(columns[position]) for position in found[:2])
        remedy = "rename one of them" if first == second else f"choose with --column {first} or --column {second}"
        raise CohortError(f"{name}: columns {first} and {second} could both name the account; {remedy}.")
    return found[0]


def _carried(columns: Sequence[str], taken: set[int | None]) -> Iterator[tuple[str, int]]:
    """Yield the named columns that go into the report, none headed like a credential; equal names are numbered."""
    used: set[str] = set()
    for position, column in enumerate(columns):
        if position in taken or headers.is_secret(column) or column == f"column {position + 1}":
            continue
        unique, number = column, 1
        while unique in used:
            number += 1
            unique = f"{column} ({number})"
        used.add(unique)
        yield unique, position


def _is_account(cell: str) -> bool:
    return bool(parse(cell).key)


def _holds_account(records: Sequence[Sequence[str]], position: int, naming: Naming = Naming.ANY) -> bool:
    return any(parse(_cell(record, position), naming).key for record in records)


def _cell(record: Sequence[str], position: int) -> str:
    return record[position].strip() if position < len(record) else ""


def _filled(record: Sequence[str]) -> int:
    return sum(1 for cell in record if cell.strip())


def _listed(columns: Sequence[str]) -> str:
    fit = [_shown(column) for column in columns if _HEADER_LIKE.fullmatch(column)][:_COLUMNS_LISTED]
    if not fit:
        return ""
    more = len(columns) - len(fit)
    return f" (its columns: {', '.join(fit)}{f' and {more} more' if more else ''})"


def _shown(text: str) -> str:
    """Return a column's name fit for a sentence on a terminal."""
    short = text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004  a line's worth
    return "'" + "".join(letter if letter.isprintable() else "?" for letter in short) + "'"
