"""What passwords that are made here consist of, and how strong that makes them."""

from __future__ import annotations

import math
import string
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, combinations
from typing import Final, NamedTuple, Self

from batchreset.errors import UsageError
from batchreset.model import PasswordSource, PasswordStyle

#: Entra's classes of characters, how many of them a password needs, and how long it is. Source: Microsoft's "Password
#: policies and account restrictions in Microsoft Entra ID".
CLASSES: Final = tuple(
    map(frozenset, (string.ascii_lowercase, string.ascii_uppercase, string.digits, f" {string.punctuation}"))
)
CLASSES_NEEDED: Final = 3
SHORTEST, LONGEST = 8, 256

_LOOK_ALIKES = frozenset("0O1lI|5S2Z8B")
#: Its punctuation survives CSV, shells' copy and paste, and being read out on the telephone.
ALPHABET: Final = "".join(
    letter
    for letter in f"{string.ascii_lowercase}{string.ascii_uppercase}{string.digits}!#$%*+-=?@_"
    if letter not in _LOOK_ALIKES
)
#: A spreadsheet would run a cell that begins so, or hide the apostrophe.
NEVER_FIRST: Final = frozenset("=+-@'")
#: The last part of a passphrase is one of these, so that it has all four classes.
DIGITS: Final = "".join(letter for letter in ALPHABET if letter.isdigit())
#: No word holds it, so that different words never make the same passphrase.
SEPARATOR: Final = "-"
_SHORTEST_WORD, _LONGEST_WORD = 3, 9

#: What may be asked for carries at least so many bits, less those that names and banned texts may take away: to rule
#: out three texts in four, an account's name would have to be in every fourth word of the list.
LEAST_BITS: Final = 60
_ALLOWANCE = 2


class _Size(NamedTuple):
    """How long the passwords of a style are, in its units. `step` is how much longer a stronger one is."""

    unit: str
    least: int
    usual: int
    step: int
    most: int


_SIZES = {
    PasswordStyle.RANDOM: _Size("random characters", 12, 20, 8, LONGEST),
    PasswordStyle.PASSPHRASE: _Size("words", 5, 5, 2, (LONGEST - 1) // (_LONGEST_WORD + 1)),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How passwords are made: `length` characters of `alphabet`, or so many words, for which there is no alphabet."""

    style: PasswordStyle
    length: int
    alphabet: str

    @classmethod
    def of(cls, style: PasswordStyle, length: int | None, alphabet: str | None) -> Self:
        """Return the recipe asked for, with the usual length and alphabet where none is given."""
        usual = "" if style is PasswordStyle.PASSPHRASE else ALPHABET
        return cls(style, length or _SIZES[style].usual, alphabet or usual)

    @property
    def classes(self) -> list[frozenset[str]]:
        """The alphabet's characters by Entra's classes. A password has one of each."""
        return [kind & set(self.alphabet) for kind in CLASSES if not kind.isdisjoint(self.alphabet)]

    @property
    def bits(self) -> float:
        """The entropy of one password in bits, at least; two are taken off for what names and banned texts rule out."""
        if self.style is PasswordStyle.PASSPHRASE:
            return math.log2(len(DIGITS)) + math.log2(len(words())) * self.length - _ALLOWANCE
        return math.log2(self._texts()) - _ALLOWANCE

    @property
    def described(self) -> str:
        """The recipe in words, for the plan."""
        return f"{self.length} {_SIZES[self.style].unit}, over {math.floor(self.bits)} bits"

    def stronger(self, times: int) -> Self:
        """Return the recipe of longer passwords, one step for each of `times`; never of over 256 characters."""
        size = _SIZES[self.style]
        return replace(self, length=min(self.length + times * size.step, size.most)) if times else self

    def _texts(self) -> int:
        """Count the texts of characters that can be made, by inclusion and exclusion of missing classes."""
        kinds = self.classes
        count = 0
        for missing in chain.from_iterable(combinations(kinds, size) for size in range(len(kinds) + 1)):
            left = set(self.alphabet).difference(*missing)
            sign = -1 if len(missing) % 2 else 1
            count += sign * len(left - NEVER_FIRST) * len(left) ** (self.length - 1)
        return count


def check(source: PasswordSource, style: PasswordStyle, length: int | None, alphabet: str | None) -> None:
    """Refuse what cannot be meant, or makes weak passwords. Raises `UsageError`, naming the option."""
    if source is not PasswordSource.GENERATED:
        for option, is_given in (
            ("--password-style", style is not PasswordStyle.RANDOM),
            ("--password-length", length is not None),
            ("--password-alphabet", alphabet is not None),
        ):
            if is_given:
                raise UsageError(f"{option} is for --password-source generated: leave it out, or change the source.")
        return
    if alphabet is not None:
        _check_alphabet(alphabet, style)
    size = _SIZES[style]
    if length is not None and not size.least <= length <= size.most:
        raise UsageError(f"--password-length {length}: ask for {size.least} to {size.most} {size.unit}.")
    recipe = Recipe.of(style, length, alphabet)
    if recipe.bits < LEAST_BITS:
        raise UsageError(
            f"--password-alphabet: {recipe.length} characters of it carry {math.floor(recipe.bits)} bits, "
            f"and {LEAST_BITS} are needed; give more characters, or a greater --password-length."
        )


def _check_alphabet(alphabet: str, style: PasswordStyle) -> None:
    if style is PasswordStyle.PASSPHRASE:
        raise UsageError("--password-alphabet is for --password-style random: leave one of them out.")
    for letter in alphabet:
        # Entra takes a space, but at the end of a password it gets lost on the way.
        if letter == " " or not any(letter in kind for kind in CLASSES):
            raise UsageError(f"--password-alphabet: {letter!r} is no ASCII letter, digit or punctuation; leave it out.")
        if alphabet.count(letter) > 1:
            raise UsageError(f"--password-alphabet: {letter!r} is given more than once; all have to be equally likely.")
    if sum(not kind.isdisjoint(alphabet) for kind in CLASSES) < CLASSES_NEEDED:
        raise UsageError(
            "--password-alphabet: give characters of at least three of: lower case, upper case, digits, punctuation."
        )


@cache
def words() -> tuple[str, ...]:
    """Return the words of passphrases, each beginning with a capital.

    They are the EFF's long list, as xkcdpass keeps it, without the four that hold the separator.
    """
    from xkcdpass.xkcd_password import generate_wordlist  # noqa: PLC0415  read only when used

    found = generate_wordlist("eff-long", _SHORTEST_WORD, _LONGEST_WORD, "[a-z]")
    return tuple(sorted(word.capitalize() for word in found))
