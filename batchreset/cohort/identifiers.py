"""What names an account: a user principal name, a mail address, an object id or a logon name, as people paste them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from batchreset.model import Reason
from batchreset.policy.lookups import BY_MAIL

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
#: What a logon name cannot hold: what Active Directory forbids, the @ of addresses, and every blank but the plain one.
#: Source: Microsoft's "SAM-Account-Name attribute".
_ODD = r"""\s"@/\\\[\]:;|=,+*?<>"""
#: Computers, and accounts that services run by, end in $.
_LOGON_NAME = rf"[^{_ODD}](?:[^{_ODD}]| ){{0,63}}(?<![ $.])"
_BARE_LOGON_NAME = re.compile(_LOGON_NAME)
#: A domain by its NetBIOS or its DNS name. Authorities such as NT AUTHORITY have a blank in theirs.
_WITH_DOMAIN = re.compile(rf"([^\W_](?:[\w.-]{{0,253}}[^\W_])?)\\{_LOGON_NAME}")
#: Domains that are none: what is built into Windows, and how it calls accounts that it knows from the cloud only.
_NO_DOMAINS = frozenset({"builtin", "azuread"})
#: How much of a cell that names nobody is shown: it may hold anything, such as a password.
_SHOWN = 3
_FORMULA_STARTS = ("=", "+", "-", "@", "\t")


class Naming(Enum):
    """What the names in a column may be, as its header says."""

    #: User principal names and object ids, and nothing else.
    UPN = auto()
    #: Whatever tells by its form what it is: addresses, which may be of mailboxes too, and `DOMAIN\\user`.
    ANY = auto()
    #: These, and logon names without a domain.
    LOGON = auto()


@dataclass(frozen=True, slots=True)
class Identifier:
    """One cell that should name an account.

    `text` is the cell trimmed, or its first three characters where it names nobody. `key` is what accounts are compared
    by, as `policy.lookups` has it; empty where the text names nobody.
    """

    text: str
    key: str = ""

    @property
    def reason(self) -> str:
        """Why the cell names nobody: `blank`, `invalid_identifier`, or nothing where it does."""
        if self.key:
            return ""
        return str(Reason.INVALID_IDENTIFIER if self.text else Reason.BLANK)


def parse(cell: str, naming: Naming = Naming.ANY) -> Identifier:
    """Read one cell. White space, no-break spaces, `mailto:` and `smtp:` around the account are taken off."""
    text = plain(cell.strip())
    for prefix in ("mailto:", BY_MAIL):
        if text[: len(prefix)].lower() == prefix:
            text = text[len(prefix) :].lstrip()
    key = _key(text, naming) if len(text) <= _LONGEST and text.isprintable() else ""
    return Identifier(text if key or len(text) <= _SHOWN else f"{text[:_SHOWN]}…", key)


def _key(text: str, naming: Naming) -> str:
    """Return the key of what a text names; nothing where that is nobody."""
    if found := _OBJECT_ID.fullmatch(text):
        return found[1].lower()
    if _UPN.fullmatch(text):
        return text.lower() if naming is Naming.UPN else BY_MAIL + text.lower()
    if naming is Naming.UPN:
        return ""
    if found := _WITH_DOMAIN.fullmatch(text):
        return "" if found[1].lower() in _NO_DOMAINS else text.lower()
    return f"\\{text.lower()}" if naming is Naming.LOGON and _BARE_LOGON_NAME.fullmatch(text) else ""


def leaked(line: str) -> str:
    """Return the account of a leak's line, `address:password` or `url:address:password`; nothing of another line."""
    found = _LEAKED.match(line, 0, _LONGEST_LEAKED)
    return found[1] if found and parse(found[1]).key else ""


def plain(cell: str) -> str:
    """Take off the apostrophe that our own reports put before a cell which a spreadsheet would run as a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA_STARTS) else cell
