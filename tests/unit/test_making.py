from __future__ import annotations

import json
import math
import string
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from batchreset.errors import PasswordNotMadeError
from batchreset.model import PasswordStyle
from batchreset.policy.passwords import parts_of
from batchreset.recipe import ALPHABET, CLASSES, DIGITS, SEPARATOR, words
from batchreset.rehearsal.writes import is_acceptable
from batchreset.settings import Settings
from batchreset.vault.making import Maker, Recipe, recipe_of

RANDOM = recipe_of(Settings())
PASSPHRASE = recipe_of(Settings(password_style=PasswordStyle.PASSPHRASE))
BOTH = pytest.mark.parametrize("recipe", [RANDOM, PASSPHRASE], ids=["random", "passphrase"])


def test_the_default_alphabet_has_no_look_alikes() -> None:
    """Nothing in it is mistaken for anything else when it is read out or typed off; it has all four classes."""
    assert not set("0O1lI|5S2Z8B") & set(ALPHABET)
    assert len(set(ALPHABET)) == len(ALPHABET) == 62
    assert len(RANDOM.classes) == len(CLASSES)


def test_the_words_are_a_kept_list() -> None:
    """The EFF's 7,776 less four that hold the separator; each can be told from the next one and is quick to type."""
    assert len(words()) == len(set(words())) == 7772
    assert all(set(word[1:]) <= set(string.ascii_lowercase) and word[0].isupper() for word in words())
    assert {len(word) for word in words()} == {3, 4, 5, 6, 7, 8, 9}


def test_the_words_are_read_only_where_they_are_used() -> None:
    """Random passwords need neither the list nor the package that keeps it."""
    code = (
        "import json, sys; from batchreset.settings import Settings; from batchreset.vault.making import *; "
        "Maker(recipe_of(Settings()), set()).make(); print(json.dumps([name for name in sys.modules]))"
    )
    done = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, encoding="utf-8", check=True
    )
    assert not [name for name in json.loads(done.stdout) if name.startswith("xkcdpass")]


def test_a_password_is_long_and_acceptable() -> None:
    """Twenty characters, taken by the simulated tenant's own check."""
    text = Maker(RANDOM, frozenset()).make().reveal()
    assert len(text) == 20
    assert is_acceptable(text)


def test_a_passphrase_is_words_and_a_digit() -> None:
    """Five words with capitals and a digit that is no look-alike, so that it has all four classes."""
    *chosen, last = Maker(PASSPHRASE, frozenset()).make().reveal().split(SEPARATOR)
    assert len(chosen) == 5
    assert set(chosen) <= set(words())
    assert last in DIGITS
    assert set(DIGITS) == set("34679")


@BOTH
def test_a_password_does_not_show(recipe: Recipe) -> None:
    """It exists as a secret from its first moment on, and the maker's own text tells nothing of the next one."""
    maker = Maker(recipe, frozenset())
    assert repr(maker.make()) == "***"
    assert repr(maker) == object.__repr__(maker)


@pytest.mark.parametrize(
    ("alphabet", "length"), [("aB1", 3), ("aB1", 5), ("abAB12", 6), ("=aB1", 5), ("a=+-B@1'", 5), ("abC#9", 6)]
)
def test_entropy_counts_every_text_that_can_be_made(alphabet: str, length: int) -> None:
    """All are listed here, those without a class or with a formula's beginning struck out; names may take two bits."""
    kinds = [kind & set(alphabet) for kind in CLASSES if kind & set(alphabet)]
    possible = [
        text
        for text in product(alphabet, repeat=length)
        if text[0] not in "=+-@'" and all(kind.intersection(text) for kind in kinds)
    ]
    assert Recipe(PasswordStyle.RANDOM, length, alphabet).bits == pytest.approx(math.log2(len(possible)) - 2)


def test_what_is_stated_is_less_than_there_is() -> None:
    """Both defaults carry over 60 bits; what the plan says is rounded down."""
    assert RANDOM.described == "20 random characters, over 116 bits"
    assert RANDOM.bits < 20 * math.log2(62) - 2
    assert PASSPHRASE.described == "5 words, over 64 bits"
    assert PASSPHRASE.bits == pytest.approx(5 * math.log2(7772) + math.log2(5) - 2)


@pytest.mark.parametrize(
    "names",
    [
        ("ana.lopez@contoso.example", "Ana López"),
        ("ing@fabrikam.example", "Ing Ter"),
        ("ess.ent@contoso.com", "Tina Est"),
    ],
)
def test_names_leave_more_than_a_quarter_of_the_passphrases(names: tuple[str, str]) -> None:
    """So that two bits are allowance enough, also where the parts of a name are frequent in the language."""
    parts = parts_of(*names)
    left = sum(not any(part in word.lower() for part in parts) for word in words()) / len(words())
    assert left**PASSPHRASE.length > 1 / 4


@pytest.mark.parametrize(
    ("recipe", "lengths"), [(RANDOM, [20, 28, 36, 256]), (PASSPHRASE, [5, 7, 9, 25])], ids=["random", "passphrase"]
)
def test_a_stronger_one_is_longer(recipe: Recipe, lengths: list[int]) -> None:
    """By eight characters or two words a step, and never over the 256 characters that Entra takes."""
    assert [recipe.stronger(times).length for times in (0, 1, 2, 99)] == lengths
    maker = Maker(recipe, frozenset())
    for times, length in zip((0, 1, 2, 99), lengths, strict=True):
        text = maker.make(stronger=times).reveal()
        assert length == (len(text) if recipe is RANDOM else text.count(SEPARATOR))
        assert is_acceptable(text)


def test_the_longest_passphrase_has_room() -> None:
    """Twenty-five of the longest words, their separators and the digit are not over 256 characters."""
    longest = max(map(len, words()))
    assert 25 * (longest + 1) + 1 <= 256 < 26 * (longest + 1) + 1


@BOTH
def test_banned_texts_and_names_are_kept_out(recipe: Recipe) -> None:
    """However the password would write them: of what is drawn, three in four hold one of these."""
    banned, names = frozenset({"in", "q"}), frozenset({"er", "k"})
    maker = Maker(recipe, banned)
    texts = [maker.make(names).reveal().lower() for _ in range(100)]
    assert not [each for each in banned | names for text in texts if each in text]


def test_what_cannot_be_made_is_said() -> None:
    """Where the only digit is banned no password has all its classes; the error names the options, not the text."""
    recipe = Recipe(PasswordStyle.RANDOM, 20, "abcdefgh+-ABCDEFGH7")
    with pytest.raises(PasswordNotMadeError, match="--password-alphabet") as refusal:
        Maker(recipe, frozenset()).make(frozenset("7"))
    assert "7" not in str(refusal.value)
    assert refusal.value.exit_status == 4
    with pytest.raises(PasswordNotMadeError):
        Maker(recipe, frozenset("7")).make()
