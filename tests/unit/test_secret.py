from __future__ import annotations

import copy
import json
import logging
import pickle
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pytest

from batchreset.auth.token import VARIABLE, EnvironmentToken
from batchreset.errors import SignInError
from batchreset.secret import Secret
from tests.support.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = "Quartz-7-meadow"


@dataclass
class Holder:
    """Something that a secret lies in."""

    secret: Secret


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        ascii,
        "{}".format,
        "{!r:>40}".format,
        "{:>40}".format,
        "%s".__mod__,
        "%r".__mod__,
        lambda secret: str([secret, {secret: secret}, Holder(secret)]),
        lambda secret: f"{Holder(secret)}",
    ],
)
def test_it_never_shows(show: Callable[[Secret], str]) -> None:
    """However it is printed, alone or inside of something, three stars come out."""
    shown = show(Secret(PLAIN))
    assert PLAIN not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "take", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, lambda secret: asdict(Holder(secret))]
)
def test_it_is_not_carried_out(take: Callable[[Secret], object]) -> None:
    """It is not pickled, copied or written as JSON, and the refusal does not name it."""
    with pytest.raises(TypeError) as refusal:
        take(Secret(PLAIN))
    assert PLAIN not in str(refusal.value)


def test_it_cannot_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A log line with a secret in it holds three stars."""
    logging.getLogger("test").warning("the password is %s", Secret(PLAIN))
    assert caplog.messages == ["the password is ***"]


def test_only_reveal_tells() -> None:
    """It has no attribute that shows the text, and takes no new ones."""
    secret = Secret(PLAIN)
    assert secret.reveal() == PLAIN
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_what_they_hold() -> None:
    """Equal texts are equal and hash alike, no text is equal to a secret."""
    assert Secret(PLAIN) == Secret(PLAIN)
    assert Secret("é") != Secret("e")
    assert Secret(PLAIN) != PLAIN
    assert len({Secret(PLAIN), Secret(PLAIN)}) == 1


def test_the_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands around it is taken off, as pasting leaves it."""
    monkeypatch.setenv(VARIABLE, " eyJ0.eyJh.c2ln \n")
    assert run_virtual(EnvironmentToken().token()) == Secret("eyJ0.eyJh.c2ln")


@pytest.mark.parametrize("text", ["", "  ", "Bearer eyJ0.eyJh", "eyJ0\neyJh", "eyJ0\x1b", "tökén"])
def test_what_is_no_token_is_refused_without_quoting_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that names the variable, and never what is in it."""
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(SignInError, match=VARIABLE) as refusal:
        run_virtual(EnvironmentToken().token())
    assert not text.strip() or text not in str(refusal.value)
