"""The token cache: kept by the system's own encryption where it has one, else in a file of its owner's only."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msal
from filelock import FileLock, Timeout
from msal_extensions import FilePersistence, PersistedTokenCache, build_encrypted_persistence
from msal_extensions.persistence import PersistenceNotFound

from batchreset.errors import SignInError, SignInUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from msal_extensions.persistence import BasePersistence

#: The lock is held for milliseconds, by a keyring that asks its owner for longer.
_LOCK_SECONDS = 30.0
#: What is missing, locked or out of reach where a keyring is, as msal-extensions and PyGObject tell it.
_NO_KEYRING = (ImportError, AttributeError, ValueError, RuntimeError, OSError)


def path() -> Path:
    """Say where the cache is: `BATCHRESET_TOKEN_CACHE`, else in the user's state folder."""
    moved = os.environ.get("BATCHRESET_TOKEN_CACHE")
    if moved:
        return Path(moved).absolute()
    from platformdirs import user_state_path  # noqa: PLC0415  not needed where it is moved

    return user_state_path("batchreset", appauthor=False) / "tokens"


def is_there() -> bool:
    """Say whether a sign-in was ever kept here. Unlike opening the cache, this makes nothing. Raises `SignInError`."""
    place = path()
    with _telling(place):
        return place.exists() or _sealed(place).exists()


def open_cache(warn: Callable[[str], None]) -> PersistedTokenCache:
    """Open the cache, and make it where there is none; `warn` is told, once on a machine, that nothing encrypts it.

    Raises `SignInError` where it cannot be used, as do all reading and writing of it later on.
    """
    place = path()
    with _locked(place):
        opened = _Cache(place, _encrypted(place) or _plain(place, warn))
        opened._reload_if_necessary()  # noqa: SLF001  what is damaged is told now
        return opened


def forget() -> None:
    """Forget everybody who is signed in. Raises `SignInError`."""
    place = path()
    if not is_there():
        return
    with _locked(place):
        # Emptied, and not removed: a run that is under way reads it again before it writes, and so brings nobody back.
        if encrypted := _encrypted(place):
            encrypted.save("{}")
        else:
            _sealed(place).unlink(missing_ok=True)
        if place.exists():
            _OwnersFile(str(place)).save("{}")


class _Cache(PersistedTokenCache):  # type: ignore[misc]  # ships no type hints
    """One that the operating system locks: msal-extensions' own lock is a file, which outlives a killed process."""

    def __init__(self, place: Path, persistence: BasePersistence) -> None:
        self._place = place
        super().__init__(persistence, str(_lock(place)))

    def modify(self, credential_type: str, old_entry: Any, new_key_value_pairs: Any = None) -> None:
        with _locked(self._place):
            self._last_sync = 0.0  # what another process wrote counts, however coarse the times of files are
            self._reload_if_necessary()
            msal.SerializableTokenCache.modify(self, credential_type, old_entry, new_key_value_pairs)
            self._persistence.save(self.serialize())
            self._last_sync = time.time()

    def deserialize(self, state: str | None) -> None:
        super().deserialize(state)
        if not _is_cache(self._cache):
            raise ValueError("no token cache")

    def _reload_if_necessary(self) -> None:
        with _telling(self._place):
            super()._reload_if_necessary()


class _OwnersFile(FilePersistence):  # type: ignore[misc]  # ships no type hints
    """A file that only its owner may read, replaced as a whole: nobody ever reads half of it."""

    def save(self, content: str) -> None:
        target = Path(self.get_location())
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=target.name)  # mkstemp's mode is 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _encrypted(place: Path) -> BasePersistence | None:
    """Return DPAPI's, Keychain's or libsecret's; None where the system has none, or none that works right now.

    It is tried: libsecret without a session, for one, can be had and fails when it is used.
    """
    try:
        persistence = build_encrypted_persistence(str(_sealed(place)))
        try:
            persistence.load()
        except PersistenceNotFound:
            persistence.save("{}")
            persistence.load()
    except _NO_KEYRING:
        return None
    return persistence


def _plain(place: Path, warn: Callable[[str], None]) -> BasePersistence:
    if not place.exists():
        warn(f"This system offers no encryption for sign-ins: yours is kept in {place}, which only you may read.")
    return _OwnersFile(str(place))


def _sealed(place: Path) -> Path:
    """Return the file that encryption uses: another one, so that neither is ever taken for the other."""
    return place.with_name(f"{place.name}.sealed")


def _lock(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _is_cache(content: object) -> bool:
    """Say whether this is made as MSAL makes it: entries by key, by kind."""
    kinds = content.values() if isinstance(content, dict) else [None]
    return all(isinstance(kind, dict) and all(isinstance(entry, dict) for entry in kind.values()) for kind in kinds)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Keep other processes from writing meanwhile. Raises `SignInError`, as `_telling` has it."""
    with _telling(place):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(_lock(place), timeout=_LOCK_SECONDS, mode=0o600):
            yield


@contextmanager
def _telling(place: Path) -> Iterator[None]:
    """Turn what keeps the cache from being used into a `SignInError` that says what to do."""
    try:
        yield
    except Timeout:
        raise SignInUnreachableError(f"{place}: another process holds the token cache; try again.") from None
    except ValueError:
        raise SignInError(
            f"{place}: the token cache is damaged; run `batchreset logout`, then sign in again."
        ) from None
    except (OSError, RuntimeError) as error:  # a keyring's errors are of the latter kind
        why = getattr(error, "strerror", None) or type(error).__name__
        raise SignInError(
            f"{place}: the token cache cannot be used ({why}); set BATCHRESET_TOKEN_CACHE to another place."
        ) from error
