"""What names an account: a user principal name or an object id, as people paste them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchreset.model import Reason

#: Entra allows 64 + @ + 48 characters; what a directory synchronised from elsewhere may hold is longer.
_LONGEST = 320
_OBJECT_ID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.ASCII | re.IGNORECASE)
_LABEL = r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?"
#: `str.isprintable` keeps control and bidirectional characters out; the pattern need not.
_UPN = re.compile(rf"""[^\s@"(),:;<>\[\]\\/|?*=\{{\}}]+@{_LABEL}(?:\.{_LABEL})+""")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One cell that should name an account.

    `text` is the cell trimmed. `key` is what accounts are compared by: the user principal name in lower case, or the
    object id in lower case without braces; empty where the text names nobody.
    """

    text: str
    key: str = ""
    is_object_id: bool = False

    @property
    def reason(self) -> str:
        """Why the cell names nobody: `blank`, `invalid_identifier`, or nothing where it does."""
        if self.key:
            return ""
        return str(Reason.INVALID_IDENTIFIER if self.text else Reason.BLANK)


def parse(cell: str) -> Identifier:
    """Read one cell. White space, no-break spaces and `mailto:` around the account are taken off."""
    text = plain(cell.strip())
    if text[:7].lower() == "mailto:":
        text = text[7:].lstrip()
    if len(text) > _LONGEST:
        return Identifier(text)
    if found := _OBJECT_ID.fullmatch(text):
        return Identifier(text, found[1].lower(), is_object_id=True)
    if text.isprintable() and _UPN.fullmatch(text):
        return Identifier(text, text.lower())
    return Identifier(text)


def plain(cell: str) -> str:
    """Take off the apostrophe that our own reports put before a cell which a spreadsheet would run as a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA_STARTS) else cell
