"""What names an account: a user principal name or an object id, as people paste them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchreset.model import Reason

#: Entra allows 64 + @ + 48 characters; what a directory synchronised from elsewhere may hold is longer.
_LONGEST = 320
#: Characters of a leak's line within which its account ends.
_LONGEST_LEAKED = 8192
_OBJECT_ID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.ASCII | re.IGNORECASE)
_LABEL = r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?"
#: `str.isprintable` keeps control and bidirectional characters out; the pattern need not.
_NAME = rf"""[^\s@"(),:;<>\[\]\\/|?*=\{{\}}]+@{_LABEL}(?:\.{_LABEL})+"""
_UPN = re.compile(_NAME)
#: A site, with its scheme or by its host's dots. Parts are bounded: a line may be megabytes long.
_SITE = r"(?:\w[\w+.-]{0,31}+://[^\s:]{0,2048}+(?::\d{1,5}[^\s:]{0,2048}+)?|(?=[^\s:@/]{1,253}\.)[^\s:@]{1,2048}+)"
_LEAKED = re.compile(rf"\s*(?:{_SITE}:)?({_NAME}):")
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


def leaked(line: str) -> str:
    """Return the account of a leak's line, `address:password` or `url:address:password`; nothing of another line."""
    found = _LEAKED.match(line, 0, _LONGEST_LEAKED)
    return found[1] if found and parse(found[1]).key else ""


def plain(cell: str) -> str:
    """Take off the apostrophe that our own reports put before a cell which a spreadsheet would run as a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA_STARTS) else cell
