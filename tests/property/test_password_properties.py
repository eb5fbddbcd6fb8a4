from __future__ import annotations

import math
import secrets
import string
from collections import Counter
from datetime import date
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batchreset.errors import UsageError
from batchreset.model import PasswordStyle
from batchreset.policy.passwords import banned_on, broken_rule, parts_of
from batchreset.recipe import ALPHABET, CLASSES, DIGITS, NEVER_FIRST, SEPARATOR, words
from batchreset.settings import Settings
from batchreset.vault.making import Maker, Recipe, recipe_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Cell = TypeVar("Cell", str, int)

RANDOM = recipe_of(Settings())
PASSPHRASE = recipe_of(Settings(password_style=PasswordStyle.PASSPHRASE))
MANY = 100_000
#: A fair source fails one test in 10^8, and so all of them together less than one time in 10^6.
ALPHA = 1e-8
KINDS = [kind & set(ALPHABET) for kind in CLASSES]
#: For `str.translate`: from a letter to its class's number.
KIND_OF = {ord(letter): str(index) for index, kind in enumerate(KINDS) for letter in kind}

characters = st.sets(st.sampled_from(string.ascii_letters + string.digits + string.punctuation), min_size=30)
names = st.lists(
    st.text(max_size=20) | st.sampled_from(["ana.lopez@contoso.example", "Ing Thé", "s1234567", "LÓPEZ, Ana"]),
    max_size=4,
).map(lambda given_names: parts_of(*given_names))
days = st.dates(date(2020, 1, 1), date(2040, 12, 31))


@given(characters.map("".join), st.integers(12, 256), names, days, st.integers(0, 2))
def test_every_random_recipe_makes_what_the_cloud_takes(
    alphabet: str, length: int, parts: frozenset[str], day: date, stronger: int
) -> None:
    """Of the length and alphabet asked for, with each of its classes, no banned text and no formula's beginning."""
    try:
        recipe = recipe_of(Settings(password_alphabet=alphabet, password_length=length))
    except UsageError:
        assume(False)
    banned = banned_on(day, "Contoso Ltd")
    text = Maker(recipe, banned).make(parts, stronger=stronger).reveal()
    assert broken_rule(text, banned | parts) is None
    assert len(text) == min(length + 8 * stronger, 256)
    assert set(text) <= set(alphabet)
    assert all(kind & set(text) for kind in CLASSES if kind & set(alphabet))
    assert text[0] not in "=+-@'\t\r"


@given(st.integers(5, 25), names, days, st.integers(0, 2))
def test_every_passphrase_recipe_makes_what_the_cloud_takes(
    length: int, parts: frozenset[str], day: date, stronger: int
) -> None:
    """So many words of the list and a digit, and no banned text."""
    recipe = recipe_of(Settings(password_style=PasswordStyle.PASSPHRASE, password_length=length))
    banned = banned_on(day, "Contoso Ltd")
    text = Maker(recipe, banned).make(parts, stronger=stronger).reveal()
    assert broken_rule(text, banned | parts) is None
    *chosen, digit = text.split(SEPARATOR)
    assert len(chosen) == min(length + 2 * stronger, 25)
    assert set(chosen) <= set(words())
    assert digit in DIGITS


@cache
def texts(recipe: Recipe) -> list[str]:
    """Make a hundred thousand, once."""
    maker = Maker(recipe, frozenset())
    return [maker.make().reveal() for _ in range(MANY)]


def test_none_comes_twice() -> None:
    """Among a hundred thousand of each style, drawn from over 2^64, a repeat would be a broken source of chance."""
    assert len(set(texts(RANDOM))) == len(set(texts(PASSPHRASE))) == MANY


def test_all_are_valid() -> None:
    """Each of the same hundred thousand, by the cloud's rules; the random ones have all four classes, not three."""
    assert not [text for text in texts(RANDOM) + texts(PASSPHRASE) if broken_rule(text, frozenset())]
    assert not [text for text in texts(RANDOM) if any(kind.isdisjoint(text) for kind in KINDS)]


def test_random_ones_are_drawn_evenly() -> None:
    """Letters at every place and within every class, and the classes' shares, are as uniform choice has them."""
    assert oddities(texts(RANDOM)) == []


def test_an_uneven_choice_of_letters_would_show() -> None:
    """A fifth of the passwords is enough where bytes are folded into the alphabet: the first letters come oftener."""
    drawn = (
        "".join(ALPHABET[byte % len(ALPHABET)] for byte in secrets.token_bytes(RANDOM.length)) for _ in range(MANY // 3)
    )
    biased = [text for text in drawn if text[0] not in NEVER_FIRST and not any(map(set(text).isdisjoint, KINDS))]
    assert len(biased) > MANY // 5
    assert "lower case" in oddities(biased)


def test_a_class_with_a_place_of_its_own_would_show() -> None:
    """As would filling up the classes at the end instead of drawing again."""

    def filled(text: str) -> str:
        return text[:-4] + "".join(secrets.choice(sorted(kind)) for kind in KINDS)

    found = oddities([filled(text) for text in texts(RANDOM)[: MANY // 5]])
    assert {"place 16", "place 17", "place 18", "place 19"} <= set(found)
    assert "number of digits" in found
    assert "place 15" not in found


def test_passphrases_are_drawn_evenly() -> None:
    """Every word is as likely as every other, at every place and in all; so is every digit."""
    *places, digits = map(Counter, zip(*(text.split(SEPARATOR) for text in texts(PASSPHRASE)), strict=True))
    assert all(fits(counts, evenly(words())) for counts in places)
    assert fits(sum(places, Counter()), evenly(words()))
    assert fits(digits, evenly(DIGITS))


def test_an_uneven_choice_of_words_would_show() -> None:
    """Two bytes folded into the list make its first words an eighth more likely."""
    numbers = memoryview(secrets.token_bytes(2 * MANY * PASSPHRASE.length)).cast("H")
    assert not fits(Counter(words()[number % len(words())] for number in numbers), evenly(words()))


def test_what_is_not_banned_stays_evenly_drawn() -> None:
    """A name that a twelfth of the words hold takes those away, and favours none of the others."""
    maker = Maker(PASSPHRASE, frozenset())
    drawn = [maker.make(frozenset({"ing"})).reveal() for _ in range(MANY // 5)]
    chosen = Counter(word for text in drawn for word in text.split(SEPARATOR)[:-1])
    assert fits(chosen, evenly([word for word in words() if "ing" not in word.lower()]))


def oddities(drawn: Sequence[str]) -> list[str]:
    """Name the chi-square tests that random passwords of the default recipe fail."""
    length = len(drawn[0])
    found = []
    places = [Counter(column) for column in zip(*drawn, strict=True)]
    for place, counts in enumerate(places):
        shares = {letter: share for kind in KINDS for letter, share in letters_at(place, kind, length).items()}
        if not fits(counts, shares):
            found.append(f"place {place}")
    # Given the classes of a text's letters, the letters themselves are independent, save in the first place.
    letters = sum(places[1:], Counter())
    patterns = [text.translate(KIND_OF) for text in drawn]
    for index, (name, kind) in enumerate(zip(("lower case", "upper case", "digits", "symbols"), KINDS, strict=True)):
        if not fits(Counter({letter: letters[letter] for letter in kind}), evenly(kind)):
            found.append(name)
        if not fits(Counter(pattern.count(str(index)) for pattern in patterns), numbers_of(kind, length)):
            found.append(f"number of {name}")
    return found


def letters_at(place: int, kind: frozenset[str], length: int) -> dict[str, float]:
    """Return how likely each letter of a class is at a place."""
    usable = usable_at(place, kind)
    share = sum(ways(length, kind, place).values()) / sum(ways(length, kind).values())
    return dict.fromkeys(usable, share / len(usable))


def numbers_of(kind: frozenset[str], length: int) -> dict[int, float]:
    """Return how likely a password has so many letters of a class."""
    found = ways(length, kind)
    total = sum(found.values())
    return {number: count / total for number, count in found.items()}


@cache
def ways(length: int, counted: frozenset[str], fixed: int | None = None) -> dict[int, int]:
    """Count the texts of all four classes that begin no formula, by their number of letters of the class `counted`.

    With `fixed`, those alone that have the class at that place. Letter by letter, by which classes have come so far.
    """
    states = Counter({(frozenset[int](), 0): 1})
    for place in range(length):
        after: Counter[tuple[frozenset[int], int]] = Counter()
        for (come, number), count in states.items():
            for index, kind in enumerate(KINDS):
                if place != fixed or kind == counted:
                    after[come | {index}, number + (kind == counted)] += count * len(usable_at(place, kind))
        states = after
    return {number: count for (come, number), count in states.items() if len(come) == len(KINDS)}


def usable_at(place: int, kind: frozenset[str]) -> frozenset[str]:
    return kind if place else kind - NEVER_FIRST


def evenly(pool: Iterable[str]) -> dict[str, float]:
    """Return the same share for each."""
    found = list(pool)
    return dict.fromkeys(found, 1 / len(found))


def fits(counts: Counter[Cell], shares: Mapping[Cell, float]) -> bool:
    """Say whether counts pass Pearson's chi-square test against these shares. Cells of under ten are put together."""
    assert set(counts) <= set(shares)
    total = counts.total()
    cells = sorted((share * total, counts[each]) for each, share in shares.items())
    while cells[0][0] < 10:
        cells[:2] = [(cells[0][0] + cells[1][0], cells[0][1] + cells[1][1])]
    return sum((count - wanted) ** 2 / wanted for wanted, count in cells) <= critical(len(cells) - 1)


def critical(freedom: int) -> float:
    """Return the statistic that a fair source exceeds once in 1 / `ALPHA` times, by Wilson and Hilferty."""
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + NormalDist().inv_cdf(1 - ALPHA) * math.sqrt(spread)) ** 3


@pytest.mark.parametrize("freedom", [4, 10, 20, 60])
def test_the_critical_values_are_no_stricter_than_meant(freedom: int) -> None:
    """Beside the exact probability, which even degrees of freedom have as a short sum."""
    half = critical(freedom) / 2
    exceeded = math.exp(-half) * sum(half**term / math.factorial(term) for term in range(freedom // 2))
    assert ALPHA / 10 < exceeded < ALPHA
