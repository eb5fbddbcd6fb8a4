"""What a password has to be, and what it must not hold."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from datetime import date

#: Source of these bounds and of the three classes: Microsoft's "Password policies and account restrictions in
#: Microsoft Entra ID".
SHORTEST, LONGEST = 8, 256
CLASSES_NEEDED = 3
LETTERS_OF_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits, f" {string.punctuation}")
_ALLOWED = frozenset("".join(LETTERS_OF_CLASSES))
_CLASSES = tuple(map(frozenset, LETTERS_OF_CLASSES))
#: Shorter parts of a name say nothing of it. Source: Microsoft's "Password must meet complexity requirements".
_SHORTEST_PART = 3
_PARTS = re.compile(r"[^\W\d_]+")
_MONTHS = (
    *("january", "february", "march", "april", "june", "july", "august"),
    *("september", "october", "november", "december"),
)


def parts_of(*names: str) -> frozenset[str]:
    """Return the parts of names, such as an account's UPN and display name, that its password must not hold.

    They are in lower case, and of three letters or more.
    """
    return frozenset(part for name in names for part in _PARTS.findall(name.casefold()) if len(part) >= _SHORTEST_PART)


def banned_on(day: date, tenant: str) -> frozenset[str]:
    """Return what no password made that day may hold, in lower case: parts of the tenant's name, months and years."""
    years = {str(day.year + distance) for distance in (-1, 0, 1)}
    return parts_of(tenant).union(_MONTHS, years)


def broken_rule(text: str, banned: AbstractSet[str]) -> str | None:
    """Say which rule of the cloud's a password breaks, in words that do not quote it; None where it breaks none.

    `banned` are texts in lower case that it must not hold.
    """
    if not SHORTEST <= len(text) <= LONGEST:
        return f"it has {len(text)} characters; {SHORTEST} to {LONGEST} are allowed"
    if not _ALLOWED.issuperset(text):
        return "it has a character that is neither an ASCII letter, a digit, a space nor ASCII punctuation"
    if sum(not letters.isdisjoint(text) for letters in _CLASSES) < CLASSES_NEEDED:
        return "it has fewer than three of: lower case, upper case, digits, symbols"
    if holds(text, banned):
        return "it holds a part of the account's own name"
    return None


def holds(text: str, banned: AbstractSet[str]) -> bool:
    """Say whether a password holds one of these texts, in lower case, however it is written itself."""
    lowered = text.lower()
    return any(each in lowered for each in banned)
