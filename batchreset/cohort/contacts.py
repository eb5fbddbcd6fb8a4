"""By way of whom a password is handed over: which column says so, and whether that is the account itself."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote

from batchreset.cohort.headers import fold
from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The headers of columns that say how people are reached otherwise than by the account, or who answers for them.
_HEADERS = frozenset(
    fold(header)
    for header in (
        *("contact", "contact address", "contact email", "alternative contact", "alternate contact"),
        *("alternative email", "alternative email address", "alternate email", "alternate email address"),
        *("private email", "private email address", "private mail", "personal email", "personal email address"),
        *("secondary email", "recovery email", "other mail", "other mails", "other email"),
        *("mobile", "mobile phone", "mobile number", "cell", "cell phone", "private phone"),
        *("phone", "phone number", "telephone", "telephone number"),
        *("manager", "manager email", "manager mail", "manager upn", "line manager", "supervisor"),
    )
)
#: A mail address as it stands in a cell, with whatever around it.
_ADDRESS = re.compile(r"""[^\s@"(),:;<>\[\]\\/|?*=]+@[^\s@"(),:;<>\[\]\\/|?*='&]+""")

_QUOTES = frozenset("\"'`")


def contact_column(columns: Sequence[str], cells: Iterable[Mapping[str, str]], wanted: str | None) -> str | None:
    """Return the column that holds the contacts: the one `wanted`, else the one so headed; None where there is none.

    A column that is empty in all `cells` (each row's, by column) does not count, unless it is wanted. Raises
    `CohortError` where the one wanted is not there, or where several would do.
    """
    if wanted is not None:
        found = [column for column in columns if fold(column) == fold(wanted)]
        if not found:
            listed = ", ".join(f"'{column}'" for column in columns) or "none"
            raise CohortError(f"--contact {wanted}: the cohort has no such column (it has {listed}).")
        return wanted if wanted in found else found[0]
    filled = {column for row in cells for column, cell in row.items() if cell.strip()}
    known = [column for column in columns if fold(column) in _HEADERS and column in filled]
    if len(known) > 1:
        raise CohortError(
            f"Columns '{known[0]}' and '{known[1]}' could both hold the contacts; choose one with --contact."
        )
    return known[0] if known else None


def addresses_in(cell: str) -> set[str]:
    """Return the mail addresses in a cell, for comparing: in lower case, tags (`jo+tag@`) taken off.

    They may stand as in `mailto:` links or beside a name, as in `Jo <jo@contoso.example>`.
    """
    text = _folded(cell)
    found = (
        address.strip("'.").rpartition("@") for each in (text, unquote(text)) for address in _ADDRESS.findall(each)
    )
    return {f"{local.partition('+')[0]}@{domain}" for local, _, domain in found}


def is_own(cell: str, names: Iterable[str]) -> bool:
    """Say whether a contact is the account itself; `names` are its UPN, its ids and the addresses of its mailbox.

    The part before the @ is one of its names too, where it stands alone.
    """
    own = [_folded(name) for name in names if name]
    if _folded(cell) in {*own, *(name.partition("@")[0] for name in own)}:
        return True
    if not addresses_in(cell).isdisjoint(address for name in own for address in addresses_in(name)):
        return True
    # Addresses may be quoted, and stand among anything: "jo"@contoso.example.
    bare = "".join(letter for letter in _folded(cell) if not (letter.isspace() or letter in _QUOTES))
    return any(re.search(rf"(?<![\w.+]){re.escape(name)}(?![\w-]|\.\w)", bare) for name in own if "@" in name)


def _folded(text: str) -> str:
    """Take away what makes equal addresses look different: case, width, white space around, letters without a shape."""
    wide = unicodedata.normalize("NFKC", text)
    return "".join(letter for letter in wide if unicodedata.category(letter) != "Cf").strip().casefold()
