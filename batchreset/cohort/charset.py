"""In which encoding a text is written: Unicode where it says so or can be, else what its foreign words look like."""

from __future__ import annotations

import codecs
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchreset.cohort.origin import Origin

_MARKED = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_UNICODE = frozenset({"utf-8", *_MARKED.values()})
#: Those of East Asia, whose letters are of two bytes or more, the second of which may be one of ASCII's.
OF_SEVERAL_BYTES = ("cp932", "gb18030", "cp949", "big5")
#: What Windows, its consoles and Macs write besides Unicode, likeliest first: of several that read a text equally well
#: the first one counts. All of them have the letters of ASCII in ASCII's places, which is what accounts are written in.
_LEGACY = (
    *("cp1252", "cp1250", "cp850", "cp852", "mac_roman", "cp1254", "cp1257"),
    *("cp1251", "cp866", "koi8_r", "cp1253", "cp1255", "cp1256"),
    *OF_SEVERAL_BYTES,
)
#: Shares of what a text looks like that nobody writes: beyond the first it is no text, within the second equally good.
_NO_TEXT, _AS_GOOD = 0.5, 0.05
#: Foreign letters that are too few to tell anything: then the likeliest counts.
_FEW = 4
#: Encodings that are tried on the whole file, and bytes of words that they are guessed from, or a line more.
_TRIED, _SAMPLED = 3, 16 * 1024
_LONGEST_LINE = 64 * 1024
#: What ends a word. Not the pipe, nor others that may be half of a letter.
_ENDS = re.compile(rb"""[\s,;"']+""")


def stated(head: bytes) -> str:
    """Return the encoding that a text which begins so says it has by its byte order mark; without one, UTF-8."""
    return next((encoding for mark, encoding in _MARKED.items() if head.startswith(mark)), "utf-8")


def encodings(origin: Origin, head: bytes) -> Iterator[str]:
    """Yield the encodings that a text may have, likeliest first, each to be tried on the whole of it.

    Only where it is no Unicode are others guessed at, by charset-normalizer from a sample. `head` is its beginning.
    """
    encoding = stated(head)
    yield encoding
    if encoding == "utf-8":
        yield from _guessed(_sample(origin))


def guessed(encoding: str) -> str:
    """Return an encoding that was guessed at, so that letters beyond ASCII may be others; nothing for Unicode."""
    return "" if encoding in _UNICODE else encoding


def _sample(origin: Origin) -> bytes:
    """Return words that are not ASCII, each once, as many as it takes to know their language by."""
    words: dict[bytes, None] = {}
    length = 0
    with origin.open() as stream:
        lines = io.BufferedReader(stream)
        while length < _SAMPLED and (line := lines.readline(_LONGEST_LINE)):
            if not line.isascii():
                fresh = {word: None for word in _ENDS.split(line) if not word.isascii()}
                length += sum(len(word) for word in fresh if word not in words)
                words |= fresh
    return b" ".join(words)


def _guessed(sample: bytes) -> list[str]:
    """Return the legacy encodings in which a sample reads best, in their order above; the likeliest if none does."""
    from charset_normalizer import from_bytes  # noqa: PLC0415  seldom needed

    found = from_bytes(
        sample,
        cp_isolation=list(_LEGACY),
        threshold=_NO_TEXT,
        preemptive_behaviour=False,  # a cell may speak of any encoding
        enable_fallback=False,
    )
    mess = {encoding: match.chaos for match in found for encoding in match.could_be_from_charset}
    least = min(mess.values(), default=0)
    if sum(1 for byte in sample if byte >= 0x80) < _FEW:  # noqa: PLR2004  the end of ASCII
        mess[_LEGACY[0]] = least
    best = [encoding for encoding in _LEGACY if mess.get(encoding, 1) <= least + _AS_GOOD]
    return best[:_TRIED] or [_LEGACY[0]]
