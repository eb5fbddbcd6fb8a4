"""The token cache on disk."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msal
import pytest

from batchreset.auth import cache
from batchreset.errors import SignInError, SignInUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

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
    assert {each.name for each in place.parent.iterdir()} == {"tokens", "tokens.lock"}


def test_it_is_forgotten(place: Path) -> None:
    """Nothing that was in it is left, and forgetting again is no error."""
    put("a-secret")
    cache.forget()
    assert not any(b"a-secret" in each.read_bytes() for each in place.parent.iterdir())
    cache.forget()
    assert kept() == []


def test_nobody_is_brought_back() -> None:
    """A process that remembers who was signed in, and keeps something, keeps that and nobody who was forgotten."""
    put("old")
    at_work = cache.open_cache(lambda _: None)
    assert len(list(at_work.search(msal.TokenCache.CredentialType.REFRESH_TOKEN))) == 1
    cache.forget()
    at_work.modify(msal.TokenCache.CredentialType.REFRESH_TOKEN, {**ENTRY, "home_account_id": "o.t"}, {"secret": "new"})
    assert kept() == ["new"]


def test_looking_for_it_makes_nothing(place: Path) -> None:
    """Neither the cache nor its folder, and there is nothing to forget."""
    assert not cache.is_there()
    cache.forget()
    assert not place.parent.exists()
    put()
    assert cache.is_there()


HOLDER = """if True:
    import sys, time
    from filelock import FileLock
    with FileLock(sys.argv[1]):
        print("held", flush=True)
        time.sleep(60)
"""


def test_a_process_at_work_is_waited_for_and_a_killed_one_is_not(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not let in is told so, and that trying again helps; the lock of the dead is nobody's."""
    put()
    monkeypatch.setattr(cache, "_LOCK_SECONDS", 0.1)
    with subprocess.Popen(  # noqa: S603  our own
        [sys.executable, "-c", HOLDER, str(place.with_name("tokens.lock"))], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(SignInUnreachableError, match="another process holds the token cache; try again"):
            put("too early")
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        process.wait()
    put("new")
    assert kept() == ["new"]


WRITER = """if True:
    import sys, msal
    from batchreset.auth import cache
    opened = cache.open_cache(lambda _: None)
    for number in range(20):
        entry = {"home_account_id": f"{sys.argv[1]}.{number}", "environment": "e", "client_id": "c", "target": "s"}
        opened.modify(msal.TokenCache.CredentialType.REFRESH_TOKEN, entry, {"secret": f"{sys.argv[1]}.{number}"})
"""


def test_processes_lose_nothing_of_each_other() -> None:
    """Three write at once, as quickly as they can: all that each has kept is there."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", WRITER]
    writers = [
        subprocess.Popen([*command, name], env={**os.environ, "PYTHONPATH": root})  # noqa: S603  our own
        for name in "abc"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert sorted(kept()) == sorted(f"{name}.{number}" for name in "abc" for number in range(20))


@pytest.mark.parametrize("content", ["{ half", "[]", "null", '"s"', "5", '{"Account": []}', '{"Account": {"a": 5}}'])
@pytest.mark.parametrize("do", [kept, put])
def test_what_is_no_cache_is_told_as_damaged(place: Path, content: str, do: Callable[[], object]) -> None:
    """Whatever else the file holds, in whatever way it is used; forgetting helps."""
    place.parent.mkdir()
    place.write_text(content)
    with pytest.raises(SignInError, match="damaged; run `batchreset logout`"):
        do()
    cache.forget()
    do()


def test_damage_in_mid_run_is_told_too(place: Path) -> None:
    """What was opened well may be damaged later, by whoever."""
    put()
    opened = cache.open_cache(lambda _: None)
    place.write_text("{ half")
    os.utime(place, (place.stat().st_atime, place.stat().st_mtime + 5))
    with pytest.raises(SignInError, match="damaged"):
        opened.modify(msal.TokenCache.CredentialType.REFRESH_TOKEN, ENTRY, {"secret": "x"})


def test_a_place_that_cannot_be_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable that moves it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BATCHRESET_TOKEN_CACHE", str(tmp_path / "file" / "tokens"))
    with pytest.raises(SignInError, match=r"file.tokens: .*set BATCHRESET_TOKEN_CACHE"):
        cache.open_cache(lambda _: None)


def test_it_is_in_the_users_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is moved."""
    monkeypatch.delenv("BATCHRESET_TOKEN_CACHE")
    assert cache.path().parent.name == "batchreset"
    assert cache.path().is_absolute()
