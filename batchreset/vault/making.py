"""Making passwords that Entra accepts and people can type."""

from __future__ import annotations

import secrets
from itertools import islice
from typing import TYPE_CHECKING, Literal

from batchreset.errors import PasswordNotMadeError
from batchreset.model import PasswordStyle
from batchreset.policy.passwords import holds
from batchreset.recipe import DIGITS, NEVER_FIRST, SEPARATOR, Recipe, words
from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from batchreset.settings import Settings

__all__ = ["Maker", "Recipe", "recipe_of"]

#: Bytes asked of the system at a time, enough for a hundred passwords: each asking costs as much as all the rest.
_BLOCK = 4096
_BYTE = 256
#: Names aside, the worst alphabet that settings allow makes one fit password in 36, and fails once in 10^12 times.
_TRIES = 1000


def recipe_of(settings: Settings) -> Recipe:
    """Return the recipe that settings ask for."""
    return Recipe.of(settings.password_style, settings.password_length, settings.password_alphabet)


class Maker:
    """Makes passwords by a recipe; all that may be made are equally likely."""

    def __init__(self, recipe: Recipe, banned: AbstractSet[str]) -> None:
        """Take the recipe, and texts in lower case that no password may hold."""
        self._recipe = recipe
        self._banned = banned
        self._classes = recipe.classes
        is_passphrase = recipe.style is PasswordStyle.PASSPHRASE
        self._pieces = _drawn(words() if is_passphrase else recipe.alphabet)
        self._digits = _drawn(DIGITS) if is_passphrase else None

    def make(self, names: AbstractSet[str] = frozenset(), *, stronger: int = 0) -> Secret:
        """Make a password that holds none of `names`, in lower case, and is so many steps longer.

        Raises `PasswordNotMadeError` where a thousand in a row hold what they must not.
        """
        length = self._recipe.stronger(stronger).length
        for _ in range(_TRIES):
            text = self._draw(length)
            if self._is_fit(text) and not holds(text, names):
                return Secret(text)
        raise PasswordNotMadeError(
            f"{_TRIES:,} passwords in a row held a text that they must not hold, such as the account's own name; "
            "plan again with more characters in --password-alphabet, or a smaller --password-length."
        )

    def _draw(self, length: int) -> str:
        pieces = islice(self._pieces, length)
        return "".join(pieces) if self._digits is None else SEPARATOR.join([*pieces, next(self._digits)])

    def _is_fit(self, text: str) -> bool:
        has_all_classes = not any(kind.isdisjoint(text) for kind in self._classes)
        return has_all_classes and text[0] not in NEVER_FIRST and not holds(text, self._banned)


def _drawn(pool: Sequence[str]) -> Iterator[str]:
    """Draw from a pool of up to 65,536 texts without end, all equally likely."""
    size = len(pool)
    unit: Literal["B", "H"] = "B" if size <= _BYTE else "H"
    span = _BYTE if unit == "B" else _BYTE**2
    usable = span - span % size
    while True:
        numbers = memoryview(secrets.token_bytes(_BLOCK)).cast(unit)
        yield from [pool[number % size] for number in numbers if number < usable]
