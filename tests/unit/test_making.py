from __future__ import annotations

import string

from batchreset.rehearsal.writes import is_acceptable
from batchreset.vault.making import ALPHABET, CLASSES, LENGTH, passwords


def test_the_alphabet_has_no_look_alikes() -> None:
    """Nothing in it is mistaken for anything else when it is read out or typed off."""
    assert not set("0O1lI|5S2Z8B") & set(ALPHABET)
    assert len(set(ALPHABET)) == len(ALPHABET)
    assert all("!" <= letter <= "~" for letter in ALPHABET)


def test_the_classes_are_those_of_entra() -> None:
    """Lower case, upper case, digits, punctuation: as Entra counts them."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation)
    assert all(set(own) <= set(kind) for own, kind in zip(CLASSES, kinds, strict=True))


def test_a_password_is_long_enough_and_acceptable() -> None:
    """At least sixteen characters, and the simulated tenant's own check takes it."""
    text = next(passwords()).reveal()
    assert len(text) == LENGTH >= 16
    assert is_acceptable(text)


def test_a_password_does_not_show() -> None:
    """It exists as a secret from its first moment on."""
    assert repr(next(passwords())) == "***"
