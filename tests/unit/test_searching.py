"""The search for secrets is no better than what it finds: planted, each of them is found."""

from __future__ import annotations

import base64
import html
import io
import json
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.support.searching import leaks, written_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRETS = ("k7#V&q-m='R\"w<T@x4", "Given-01 quartz!", "eyJ0eXAi.eyJhdWQi.c2lnbmF0dXJl", "a/b\\c+d%41~~?>")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "write",
    [
        str.encode,
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-be"),
        lambda text: base64.b64encode(text.encode()),
        lambda text: base64.b64encode(f'"{text}"'.encode()),
        lambda text: base64.b64encode(f'{{"{text}"}}'.encode("utf-16-le")),
        lambda text: base64.urlsafe_b64encode(f"Bearer {text}.".encode()),
        lambda text: text.encode().hex().encode(),
        lambda text: quote(text, safe="").encode(),
        lambda text: quote(quote(text, safe=""), safe="").encode(),
        lambda text: json.dumps({"x": text}).encode(),
        lambda text: json.dumps(json.dumps(text)).encode(),
        lambda text: html.escape(text).encode(),
    ],
)
def test_whatever_is_planted_is_found(write: Callable[[str], bytes], secret: str) -> None:
    """In every form, with something before and behind it."""
    assert leaks({"here": b"before " + write(secret) + b" behind", "there": b"nothing"}, [secret])
    assert leaks({"here": b"before " + write("another-One-4") + b" behind"}, [secret]) == []


def test_files_are_opened_and_archives_unpacked(tmp_path: Path) -> None:
    """Hidden ones and those in archives within archives; a file's name is a place too, and what is allowed is not."""
    plain = SECRETS[1]
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep.xml", f"<t>{plain}</t>")
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.xlsx", inner.getvalue())
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "book.xlsx").write_bytes(outer.getvalue())
    (tmp_path / f"of {plain}.txt").write_bytes(b"")
    (tmp_path / "allowed.csv").write_text(plain, encoding="utf-8")
    places = {each.partition(":")[0] for each in leaks(written_in(tmp_path, but=[tmp_path / "allowed.csv"]), [plain])}
    assert {place.rpartition("/")[2] for place in places} == {"deep.xml", f"of {plain}.txt"}


def test_nothing_to_look_for_is_no_success() -> None:
    """A search for nothing, or in nothing, would always end well."""
    with pytest.raises(AssertionError):
        leaks({"here": b"x"}, [])
    with pytest.raises(AssertionError):
        leaks({"here": b""}, SECRETS)
    with pytest.raises(AssertionError):
        leaks({"here": b"x"}, ["short"])
