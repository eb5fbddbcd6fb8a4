"""The token cache on disk."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

import msal
import pytest

from batchreset.auth import cache
from batchreset.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = {"home_account_id": "u.t", "environment": "e", "realm": "r", "client_id": "c", "target": "s", "secret": "x"}
posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BATCHRESET_TOKEN_CACHE", str(tmp_path / "state" / "tokens"))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:")
    return cache.path()


def put(text: str = "x") -> list[str]:
    """Keep a token, and return what was said about it."""
    told: list[str] = []
    cache.open_cache(told.append).modify(msal.TokenCache.CredentialType.REFRESH_TOKEN, ENTRY, {"secret": text})
    return told


def kept() -> list[str]:
    opened = cache.open_cache(lambda _: None)
    return [entry["secret"] for entry in opened.search(msal.TokenCache.CredentialType.REFRESH_TOKEN)]


def test_what_is_kept_is_found_by_another(place: Path) -> None:
    """Two opened one after the other hold the same; whoever keeps unencrypted is told so once, with the place."""
    told = put("first")
    if not cache.open_cache(told.append).is_encrypted:
        (said,) = told
        assert str(place) in said
    assert kept() == ["first"]
    assert put("second") == []
    assert kept() == ["second"]


@posix
def test_only_its_owner_reads_it(place: Path) -> None:
    """Also where it was left open to others: it is replaced as a whole, and nothing is left beside it."""
    put()
    place.chmod(0o644)
    put()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert [each.name for each in place.parent.iterdir()] == ["tokens"]


def test_it_is_forgotten(place: Path) -> None:
    """Nothing is left of it, and forgetting again is no error."""
    put()
    cache.forget()
    assert list(place.parent.iterdir()) == []
    cache.forget()
    assert kept() == []


def test_a_killed_process_locks_nobody_out(place: Path) -> None:
    """A lock that is minutes old is nobody's."""
    put()
    lock = place.with_name("tokens.lock")
    lock.write_text("a process of old")
    os.utime(lock, (time.time() - 120, time.time() - 120))
    put("new")
    assert kept() == ["new"]


def test_a_place_that_cannot_be_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that moves it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BATCHRESET_TOKEN_CACHE", str(tmp_path / "file" / "tokens"))
    with pytest.raises(SettingsError, match=r"file.tokens: .*set BATCHRESET_TOKEN_CACHE"):
        cache.open_cache(lambda _: None)


def test_it_is_in_the_users_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is moved."""
    monkeypatch.delenv("BATCHRESET_TOKEN_CACHE")
    assert cache.path().parent.name == "batchreset"
    assert cache.path().is_absolute()
