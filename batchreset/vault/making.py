"""Making passwords that Entra accepts and people can type."""

from __future__ import annotations

import secrets
import string

from batchreset.secret import Secret

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


def generate() -> Secret:
    """Make a password that has all four classes and begins no formula; all such texts are equally likely.

    Entra wants 8 to 256 characters and three of the four classes (Microsoft, "Password policies and restrictions").
    """
    while True:
        # One draw for all letters: asking the system for each one costs more than all the rest of a reset's making.
        number, letters = secrets.randbelow(len(ALPHABET) ** LENGTH), []
        for _ in range(LENGTH):
            number, place = divmod(number, len(ALPHABET))
            letters.append(ALPHABET[place])
        text = "".join(letters)
        if text[0] not in _FORMULA and all(any(letter in kind for letter in text) for kind in CLASSES):
            return Secret(text)
