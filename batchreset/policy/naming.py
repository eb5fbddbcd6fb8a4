"""Naming files after what somebody wrote in a cell."""

from __future__ import annotations

import unicodedata
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLANK = "(none)"
#: What Windows allows in no name. Source: Microsoft's "Naming Files, Paths, and Namespaces".
_FORBIDDEN = frozenset('<>:"/\\|?*')
#: What Windows takes for a device, whatever ending follows (same source).
_DEVICES = frozenset(
    {
        "CON",
        "PRN",
        "AUX",
        "NUL",
        "CONIN$",
        "CONOUT$",
        *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10)),
    }
)
#: Leaves room for a folder above it where 260 characters are all there is, and for an ending.
_LONGEST_TEXT, _LONGEST_BYTES = 60, 120


def file_names(values: Iterable[str]) -> dict[str, str]:
    """Give each value a file name without ending that every system takes, and takes for no other value's.

    A blank value is `(none)`; where two come out alike but for case or spelling, the later has a number behind it.
    """
    names: dict[str, str] = {}
    taken = set()
    for value in dict.fromkeys(values):
        stem = _safe(value)
        tries = (stem if number == 1 else f"{stem} ({number})" for number in count(1))
        names[value] = next(name for name in tries if _folded(name) not in taken)
        taken.add(_folded(names[value]))
    return names


def _safe(value: str) -> str:
    if not value.strip():
        return _BLANK
    text = "".join(map(_letter, unicodedata.normalize("NFC", " ".join(value.split()))))
    short = text[:_LONGEST_TEXT].encode()[:_LONGEST_BYTES].decode(errors="ignore").strip(" .") or "_"
    device = unicodedata.normalize("NFKC", short).partition(".")[0].strip().upper()
    return f"_{short}" if device in _DEVICES else short


def _letter(letter: str) -> str:
    """Replace what no name may hold, and what is not seen in one: controls, marks of direction, half characters."""
    return "_" if letter in _FORBIDDEN or unicodedata.category(letter).startswith("C") else letter


def _folded(name: str) -> str:
    """Write two names alike that some system takes for one: Windows and macOS heed neither case nor composition."""
    return unicodedata.normalize("NFKC", name.upper().casefold())
