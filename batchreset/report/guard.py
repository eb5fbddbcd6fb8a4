"""Keeping a spreadsheet from running a cell's text as a formula."""

from __future__ import annotations

import re

#: What a spreadsheet may run: a formula's first character, its full-width and small forms too (East Asian editions
#: fold them), after white space or invisible characters (some importers drop them); or a cell that begins a new one.
#: Leading apostrophes count as part of the text, so that guarding and unguarding are each other's inverse.
_RUNNABLE = re.compile(
    r"'*(?:[\t\r\n]|[\s\x00-\x20\u200b-\u200f\u2060\ufeff]*"
    r"[=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b])"
)


def guard(text: str) -> str:
    """Return `text`, behind an apostrophe if a spreadsheet would run it."""
    return f"'{text}" if _RUNNABLE.match(text) else text


def unguard(text: str) -> str:
    """Return what `guard` was given."""
    return text[1:] if text.startswith("'") and _RUNNABLE.match(text, 1) else text
