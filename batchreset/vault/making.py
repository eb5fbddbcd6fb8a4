"""Making passwords that Entra accepts and people can type."""

from __future__ import annotations

import secrets
import string
from itertools import islice
from typing import TYPE_CHECKING

from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Twenty characters of this alphabet carry over 115 bits.
LENGTH = 20
_LOOK_ALIKES = frozenset("0O1lI|5S2Z8B")
_LOWER, _UPPER, _DIGITS = (
    "".join(letter for letter in kind if letter not in _LOOK_ALIKES)
    for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
)
#: Punctuation that survives CSV, shells' copy and paste, and being read out on the telephone.
_SYMBOLS = "!#$%*+-=?@_"
CLASSES = (_LOWER, _UPPER, _DIGITS, _SYMBOLS)
ALPHABET = "".join(CLASSES)
#: A spreadsheet would run a cell that begins so.
_FORMULA = frozenset("=+-@")
_CLASS_SETS = tuple(map(frozenset, CLASSES))
#: Bytes asked of the system at a time, enough for a hundred passwords: each asking costs as much as all the rest.
_BLOCK = 4096


def passwords() -> Iterator[Secret]:
    """Make passwords that have all four classes and begin no formula; all such texts are equally likely.

    Entra wants 8 to 256 characters and three of the four classes (Microsoft, "Password policies and restrictions").
    """
    letters = _letters()
    while True:
        text = "".join(islice(letters, LENGTH))
        if text[0] not in _FORMULA and not any(kind.isdisjoint(text) for kind in _CLASS_SETS):
            yield Secret(text)


def _letters() -> Iterator[str]:
    """Draw letters of the alphabet, all equally likely."""
    usable = 256 - 256 % len(ALPHABET)
    while True:
        yield from (ALPHABET[byte % len(ALPHABET)] for byte in secrets.token_bytes(_BLOCK) if byte < usable)
