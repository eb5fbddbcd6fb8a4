"""The token cache: kept by the system's own encryption where it has one, else in a file of its owner's only."""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msal_extensions import FilePersistence, PersistedTokenCache, build_encrypted_persistence
from msal_extensions.persistence import PersistenceNotFound

from batchreset.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from msal_extensions.persistence import BasePersistence

_LOCK_SECONDS = 60.0
#: What is missing, locked or out of reach where a keyring is, as msal-extensions and PyGObject tell it.
_NO_KEYRING = (ImportError, AttributeError, ValueError, RuntimeError, OSError)


def path() -> Path:
    """Say where the cache is: `BATCHRESET_TOKEN_CACHE`, else in the user's state folder."""
    moved = os.environ.get("BATCHRESET_TOKEN_CACHE")
    if moved:
        return Path(moved).absolute()
    from platformdirs import user_state_path  # noqa: PLC0415  not needed where it is moved

    return user_state_path("batchreset", appauthor=False) / "tokens"


def open_cache(warn: Callable[[str], None]) -> PersistedTokenCache:
    """Open the cache; `warn` is told, once on a machine, that nothing encrypts it.

    Raises `SettingsError` where it cannot be used.
    """
    place = path()
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _break_old_lock(_lock(place))
        persistence = _encrypted(place) or _plain(place, warn)
        with suppress(PersistenceNotFound):
            json.loads(persistence.load() or "{}")
        return PersistedTokenCache(persistence, str(_lock(place)))
    except ValueError:
        raise SettingsError(
            f"{place}: the token cache is damaged; run `batchreset logout`, then sign in again."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"{place}: the token cache cannot be used ({error.strerror or type(error).__name__}); "
            "set BATCHRESET_TOKEN_CACHE to another place."
        ) from error


def forget() -> None:
    """Forget everybody who is signed in. Raises `SettingsError`."""
    place = path()
    try:
        if encrypted := _encrypted(place):
            encrypted.save("{}")
        for each in (place, _sealed(place), _lock(place)):
            each.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{place}: the token cache cannot be removed ({error.strerror}).") from error


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


def _break_old_lock(lock: Path) -> None:
    """Remove the lock of a process that was killed: it is a mere file, held for milliseconds."""
    with suppress(FileNotFoundError):
        if time.time() - lock.stat().st_mtime > _LOCK_SECONDS:
            lock.unlink()
