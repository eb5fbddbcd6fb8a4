"""What a password has to be, and what it must not hold."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from batchreset.recipe import CLASSES, CLASSES_NEEDED, LONGEST, SHORTEST

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from datetime import date

_ALLOWED = frozenset().union(*CLASSES)
#: Shorter parts of a name say nothing of it. Source: Microsoft's "Password must meet complexity requirements".
_SHORTEST_PART = 3
#: A whole token such as a personnel number, and the letters or digits in it.
_PARTS = (re.compile(r"[a-z0-9]+"), re.compile(r"[a-z]+|[0-9]+"))
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)


def parts_of(*names: str) -> frozenset[str]:
    """Return the parts of names, such as an account's UPN and display name, that its password must not hold.

    They are of three characters or more, in lower case and without accents, since passwords are ASCII.
    """
    plain = _without_accents(" ".join(names))
    return frozenset(part for parts in _PARTS for part in parts.findall(plain) if len(part) >= _SHORTEST_PART)


def banned_on(day: date, tenant: str) -> frozenset[str]:
    """Return what no password made that day may hold, in lower case: parts of the tenant's name, months and years."""
    years = {str(day.year + distance) for distance in (-1, 0, 1)}
    return parts_of(tenant).union(_MONTHS, years)


def broken_rule(text: str, banned: AbstractSet[str]) -> str | None:
    """Say which rule of the cloud's a password breaks, in words that do not quote it; None where it breaks none.

    `banned` are texts in lower case that it must not hold.
    """
    if len(text) < SHORTEST:
        return f"it has fewer than {SHORTEST} characters"
    if len(text) > LONGEST:
        return f"it has more than {LONGEST} characters"
    if not _ALLOWED.issuperset(text):
        return "it has a character that is neither an ASCII letter, a digit, a space nor ASCII punctuation"
    if sum(not kind.isdisjoint(text) for kind in CLASSES) < CLASSES_NEEDED:
        return "it has fewer than three of: lower case, upper case, digits, symbols"
    if holds(text, banned):
        return "it holds a part of the account's own name"
    return None


def holds(text: str, banned: AbstractSet[str]) -> bool:
    """Say whether a password holds one of these texts, in lower case, however it is written itself."""
    lowered = text.lower()
    return any(each in lowered for each in banned)


def _without_accents(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
