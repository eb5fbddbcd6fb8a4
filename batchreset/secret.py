"""A text that is never shown: passwords and tokens, from the moment they exist; and telling whether others quote it."""

from __future__ import annotations

import hmac
import html
import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final, NoReturn, final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

_MASK: Final = "***"
#: An escape of JSON's, and how often a text may have been escaped on its way to us.
_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|["\\/bfnrt])')
_DEPTH = 3
_ENTITY = re.compile(r"&#?\w+;", re.ASCII)


@final
class Secret:
    """Holds a plain text that prints as `***`, cannot be formatted into anything else, pickled or copied out.

    `reveal()` is the only way to the text, so that searching for it finds every place that sees one.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Take the plain text."""
        self._text = text

    def reveal(self) -> str:
        """Return the plain text."""
        return self._text

    def masked(self, text: str) -> str:
        """Return a foreign text as it may be shown: three stars in its place, or all over where this is encoded in it.

        Seen are the escapes of URLs, JSON and HTML, also within each other, and base64, hexadecimal digits and UTF-16.
        """
        shown = text.replace(self._text, _MASK) if self._text else text
        return _MASK if self._is_quoted(shown) else shown

    def is_quoted(self, text: str) -> bool:
        """Say whether a foreign text quotes this, as it is or encoded."""
        return self.masked(text) != text

    def _is_quoted(self, text: str) -> bool:
        if not self._text:
            return False
        encoded = tuple(_encoded(self._text))
        seen, latest = set[str](), {text}
        for _ in range(_DEPTH + 1):
            if any(self._text in each or any(form in each for form in encoded) for each in latest):
                return True
            seen |= latest
            latest = {decoded for each in latest for decoded in _decoded(each)} - seen
        return False

    def __repr__(self) -> str:
        return _MASK

    def __format__(self, format_spec: str) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(*map(_bytes, (self._text, other._text)))

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _encoded(text: str) -> Iterator[str]:
    """Yield what of a text's encodings stands in whatever it is part of."""
    for raw in (_bytes(text), text.encode("utf-16-le", errors="surrogatepass")):
        yield raw.hex()
        yield raw.hex().upper()
        for before in range(3):  # letters of base64 hold six bits: the outer ones are shared with the neighbours
            inner = b64encode(bytes(before) + raw).decode()[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def _decoded(text: str) -> Iterator[str]:
    """Yield a text without one layer of each kind of escape that may be in it."""
    if "\0" in text:
        yield text.replace("\0", "")
    if "%" in text:
        yield unquote(text)
    if "+" in text:
        yield text.replace("+", " ")
    if _ENTITY.search(text):
        yield html.unescape(text)
    if "\\" in text:
        yield _ESCAPE.sub(lambda escape: json.loads(f'"{escape[0]}"'), text)
