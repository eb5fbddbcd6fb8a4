"""A text that is never shown: passwords and tokens, from the moment they exist."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn, final

_MASK: Final = "***"


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

    def __repr__(self) -> str:
        return _MASK

    def __format__(self, format_spec: str) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled")
