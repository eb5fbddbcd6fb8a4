from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import islice

import pytest

from batchreset.rehearsal.writes import is_acceptable
from batchreset.vault.making import ALPHABET, CLASSES, LENGTH, passwords

MANY = 5000


@cache
def texts() -> list[str]:
    """Make a few thousand, once."""
    return [password.reveal() for password in islice(passwords(), MANY)]


def test_all_are_acceptable() -> None:
    """By the rules that Entra publishes, and stricter: all four classes, not three."""
    assert all(is_acceptable(text) for text in texts())
    assert all(any(letter in kind for letter in text) for text in texts() for kind in CLASSES)


def test_none_comes_twice() -> None:
    """Among some thousands drawn from 2^119, a repeat would be a broken source of chance."""
    assert len(set(texts())) == MANY


def test_none_is_taken_for_a_formula() -> None:
    """A spreadsheet would run it instead of showing it."""
    assert not [text for text in texts() if text[0] in "=+-@\t\r"]


def test_every_letter_is_about_as_frequent_as_every_other() -> None:
    """In each class; the rule of four classes favours the small ones, and the first place has no signs of formulas."""
    counts = Counter(letter for text in texts() for letter in text[1:])
    assert set(counts) == set(ALPHABET)
    for kind in CLASSES:
        expected = sum(counts[letter] for letter in kind) / len(kind)
        # Over six standard deviations of a fair draw.
        assert [letter for letter in kind if abs(counts[letter] - expected) > 6.5 * expected**0.5] == []


@pytest.mark.parametrize("place", range(LENGTH))
def test_every_place_draws_from_the_whole_alphabet(place: int) -> None:
    """No place is reserved for a class; only the first one is without the signs of formulas."""
    missing = {"=", "+", "-", "@"} if place == 0 else set()
    assert {text[place] for text in texts()} == set(ALPHABET) - missing
