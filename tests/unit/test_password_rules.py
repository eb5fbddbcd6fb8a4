from __future__ import annotations

import string
from datetime import date
from typing import Any

import pytest

from batchreset.errors import UsageError
from batchreset.model import PasswordSource, PasswordStyle
from batchreset.policy.passwords import banned_on, broken_rule, holds, parts_of
from batchreset.rehearsal.writes import is_acceptable
from batchreset.settings import Settings
from batchreset.vault.making import recipe_of

NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("ana.lopez@contoso.example",), {"ana", "lopez", "contoso", "example"}),
        (("Ana María LÓPEZ-Ruiz",), {"ana", "maria", "lopez", "ruiz"}),
        (("jo.li@x.example", "Jo Li"), {"example"}),
        (("s1234567",), {"s1234567", "1234567"}),
        (("ana42",), {"ana42", "ana"}),
        (("jd42",), {"jd42"}),
        (("Groß", "Müller"), {"gross", "muller"}),
        (("\uff21\uff4e\uff41",), {"ana"}),
        (("Søren Łukasz",), {"ren", "ukasz"}),
        (("山田太郎", "", "  ", "'; --"), set()),
    ],
)
def test_the_parts_of_a_name(names: tuple[str, ...], parts: set[str]) -> None:
    """Tokens, and the letters and digits in them, of three characters or more: lower case, without accents."""
    assert parts_of(*names) == parts


def test_no_part_is_made_of_two_names() -> None:
    """A UPN's end and a display name's beginning stay apart."""
    assert parts_of("ab", "cd") == set()


def test_what_is_banned_on_a_day() -> None:
    """The tenant's name, every month, and the years around; a run may cross New Year's Eve."""
    banned = banned_on(date(2026, 12, 31), "Contoso Ltd")
    assert {"contoso", "ltd", "may", "december", "january", "2025", "2026", "2027"} <= banned
    assert "2028" not in banned
    assert len(banned) == 2 + 12 + 3


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("aB3-xyz", "fewer than 8 characters"),
        ("", "fewer than 8 characters"),
        ("aB3" * 85 + "xy", "more than 256 characters"),
        ("Quartz-7-méadow", "neither an ASCII letter"),
        ("Quartz-7-m\tadow", "neither an ASCII letter"),
        ("Quartz-7-meadow\x7f", "neither an ASCII letter"),
        ("Quartz-7-\U0001f511meadow", "neither an ASCII letter"),
        ("quartz7meadow", "fewer than three"),
        ("QUARTZ MEADOW", "fewer than three"),
        ("aaaaaaaa", "fewer than three"),
        ("Quartz-7-LoPeZ", "the account's own name"),
    ],
)
def test_what_the_cloud_refuses(text: str, rule: str) -> None:
    """The rule is named, and nothing of the password is quoted."""
    broken = broken_rule(text, frozenset({"lopez"}))
    assert broken is not None
    assert rule in broken
    assert not text or text not in broken
    assert is_acceptable(text) == (rule == "the account's own name")


@pytest.mark.parametrize(
    "text",
    ["aB3-xyz8", "aB3aB3aB", "aB3" * 85 + "x", "Meadow quartz", "abcdefg 7", f"aA1{string.punctuation}", "=1+Abcdefg"],
)
def test_what_the_cloud_takes(text: str) -> None:
    """Eight to 256 characters of three classes; a space counts as punctuation."""
    assert broken_rule(text, frozenset({"lopez"})) is None
    assert is_acceptable(text)


def test_what_a_password_holds() -> None:
    """However it is written; of no texts it holds none."""
    assert holds("xCONToso9", {"contoso"})
    assert not holds("xC-ONToso9", {"contoso"})
    assert not holds("xCONToso9", NOTHING)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"password_length": 11}, "--password-length 11: ask for 12 to 256 random characters"),
        ({"password_length": 0}, "--password-length 0"),
        ({"password_length": -20}, "--password-length -20"),
        ({"password_length": 257}, "--password-length 257"),
        (
            {"password_style": PasswordStyle.PASSPHRASE, "password_length": 4},
            "--password-length 4: ask for 5 to 25 words",
        ),
        ({"password_style": PasswordStyle.PASSPHRASE, "password_length": 26}, "--password-length 26"),
        ({"password_style": PasswordStyle.PASSPHRASE, "password_alphabet": "abcABC123"}, "--password-style random"),
        ({"password_alphabet": ""}, "three of"),
        ({"password_alphabet": "abcdefgh1234"}, "three of"),
        ({"password_alphabet": "abcABC123é"}, "'é' is no ASCII"),
        ({"password_alphabet": "abcABC123 "}, "' ' is no ASCII"),
        ({"password_alphabet": "abcABC123\n"}, r"'\n' is no ASCII"),
        ({"password_alphabet": "abcABC123a"}, "'a' is given more than once"),
        ({"password_alphabet": "abcABC123", "password_length": 19}, "19 characters of it carry 58 bits, and 60 are"),
        ({"password_alphabet": "aB1", "password_length": 36}, "bits, and 60 are needed"),
    ],
)
def test_what_cannot_be_asked_for(options: dict[str, Any], said: str) -> None:
    """Lengths out of bounds, alphabets that Entra or chance would not take, and less than 60 bits: by the option."""
    with pytest.raises(UsageError, match=r"^--password-") as refusal:
        Settings(**options)
    assert said in str(refusal.value)


@pytest.mark.parametrize("source", [PasswordSource.SYSTEM, PasswordSource.COLUMN])
@pytest.mark.parametrize(
    "options",
    [{"password_length": 24}, {"password_alphabet": "abcABC123"}, {"password_style": PasswordStyle.PASSPHRASE}],
)
def test_passwords_from_elsewhere_have_no_recipe(source: PasswordSource, options: dict[str, Any]) -> None:
    """An option for passwords made here is refused beside another source, not passed over."""
    column = "Password" if source is PasswordSource.COLUMN else None
    (name,) = options
    with pytest.raises(UsageError, match=f"^--{name.replace('_', '-')} is for --password-source generated"):
        Settings(password_source=source, password_column=column, **options)
    assert Settings(password_source=source, password_column=column).password_source is source


@pytest.mark.parametrize(
    ("options", "described"),
    [
        ({"password_length": 12}, "12 random characters, over 68 bits"),
        ({"password_length": 256}, "256 random characters, over 1522 bits"),
        ({"password_style": PasswordStyle.PASSPHRASE, "password_length": 25}, "25 words, over 323 bits"),
        ({"password_alphabet": "abcdefghijkmnpqrstuvwxyzABC123"}, "20 random characters, over 95 bits"),
    ],
)
def test_what_can_be_asked_for(options: dict[str, Any], described: str) -> None:
    """Up to the bounds; what it amounts to is stated."""
    assert recipe_of(Settings(**options)).described == described


def test_fewer_words_would_be_too_weak() -> None:
    """The least number of words is the one that carries sixty bits, whatever names take away."""
    recipe = recipe_of(Settings(password_style=PasswordStyle.PASSPHRASE))
    assert recipe.bits > 60 > type(recipe)(recipe.style, recipe.length - 1, "").bits
