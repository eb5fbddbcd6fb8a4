from __future__ import annotations

import base64
import copy
import html
import json
import logging
import pickle
import pprint
import traceback
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        lambda secret: f"{secret:s}{secret:>20}{secret!s}{secret!a}",
        pprint.pformat,
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


@pytest.mark.parametrize("take", ["".join, bytes, int, iter, len, open, "{0[0]}".format, "%d".__mod__])
def test_it_is_no_text(take: Callable[[object], object]) -> None:
    """What wants one refuses it, without a word of what it holds."""
    with pytest.raises(TypeError) as refusal:
        take([Secret(PLAIN)] if take == "".join else Secret(PLAIN))
    assert PLAIN not in str(refusal.value)


def test_a_traceback_with_all_its_variables_shows_three_stars() -> None:
    """As some tools print them."""

    def fail(password: Secret) -> None:
        raise ValueError(password)

    try:
        fail(Secret(PLAIN))
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "password = ***" in shown
    assert PLAIN not in shown


AWKWARD = "Zq%41 +<&5\\07>'\"~?x"
ESCAPES: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text)),
    quote_plus,
    html.escape,
    lambda text: quote(html.escape(text)),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(json.dumps({"x": text})),
    lambda text: "".join(f"\\u{ord(letter):04X}" for letter in text),
    "\0".join,
    lambda text: text.encode().hex(),
    lambda text: text.encode("utf-16-le").hex().upper(),
    lambda text: base64.b64encode(f"<{text}>".encode()).decode(),
    lambda text: base64.urlsafe_b64encode(f'"{text}"'.encode("utf-16-le")).decode(),
    lambda text: quote(base64.b64encode(f"abcd{text}".encode()).decode(), safe=""),
)


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("plain", [PLAIN, AWKWARD])
def test_a_quotation_is_masked_however_it_is_written(escape: Callable[[str], str], plain: str) -> None:
    """Alone and in a sentence; what quotes nothing stays as it is."""
    for text in (escape(plain), f"the password '{escape(plain)}' is too weak"):
        assert Secret(plain).is_quoted(text)
        assert "***" in Secret(plain).masked(text)
        assert not Secret(plain).is_quoted(Secret(plain).masked(text))
        assert Secret("Another-7-word").masked(text) == text


def test_a_plain_quotation_leaves_the_rest_to_be_read() -> None:
    """Only what is encoded takes the whole text with it, since nobody knows how much of it that is."""
    assert Secret(PLAIN).masked(f"'{PLAIN}' is too weak") == "'***' is too weak"
    assert Secret("").masked("nothing to find") == "nothing to find"


@given(st.text(min_size=1), st.text())
def test_masking_takes_any_text(plain: str, text: str) -> None:
    """Whatever either is, half a letter too: nothing is raised, and what is masked quotes no longer."""
    masked = Secret(plain).masked(f"{text}{plain}{text}")
    assert masked == "***" or plain not in masked.replace("***", "")


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
