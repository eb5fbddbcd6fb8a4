"""The user's own age keys, in one file of the user's configuration folder that only its owner may read.

New runs are sealed to the last one of the file; every one of them is tried when a run is opened.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pyrage
from filelock import FileLock
from platformdirs import user_config_path
from pyrage import x25519

from batchreset.clock import timestamp
from batchreset.errors import SettingsError
from batchreset.vault.sealing import replace_private

_PRIVATE = "AGE-SECRET-KEY-"
#: How age-keygen says when a key was made, and batchreset too.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LOCK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class OwnKey:
    """One key of the user's; `made_at` is what a comment above it says (ISO 8601), None where none does."""

    identity: x25519.Identity = field(repr=False)
    made_at: str | None

    @property
    def public(self) -> str:
        """The public half, which passwords are sealed to."""
        return str(self.identity.to_public())


def path() -> Path:
    """Say where the keys are, or would be: `BATCHRESET_IDENTITY`, else the user's configuration folder."""
    moved = os.environ.get("BATCHRESET_IDENTITY")
    return Path(moved) if moved else user_config_path("batchreset", appauthor=False) / "identity.txt"


def load() -> tuple[OwnKey, ...]:
    """Read the user's keys, oldest first as they stand in the file; none where there is no file.

    Raises `SettingsError` when the file holds something else.
    """
    place = path()
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{place}: your key cannot be read ({error}).") from error
    found, made_at = [], None
    for line in lines:
        if line.startswith("#") and (told := _TIME.search(line)):
            made_at = told[0]
        if line.startswith(_PRIVATE):
            try:
                found.append(OwnKey(x25519.Identity.from_str(line.strip()), made_at))
            except pyrage.IdentityError as error:
                raise SettingsError(f"{place}: the age key in this file is damaged.") from error
            made_at = None
    if not found:
        raise SettingsError(f"{place}: there is no age key (AGE-SECRET-KEY-...) in this file.")
    return tuple(found)


def make() -> OwnKey:
    """Make a key and put it at the end of the file, which is replaced as a whole, so that no key in it can be lost.

    Raises `SettingsError` where it cannot be written, or holds something else than keys.
    """
    place = path()
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = place.resolve()  # a link stays one
        with FileLock(file.with_name(f".{file.name}.lock"), timeout=_LOCK_SECONDS, mode=0o600):
            before = file.read_bytes() if load() else b""
            made = OwnKey(x25519.Identity.generate(), timestamp())
            replace_private(file, before + (b"\n" if before[-1:] not in {b"", b"\n"} else b"") + _written(made))
    except OSError as error:
        raise SettingsError(
            f"{place}: your key cannot be written ({error.strerror or error}); "
            "set BATCHRESET_IDENTITY to a place where it can, or name a --recipient."
        ) from error
    return made


def _written(key: OwnKey) -> bytes:
    """Write a key as age's own tools read it."""
    text = (
        f"# created: {key.made_at} by batchreset; opens sealed passwords, so keep a copy where only you can read it\n"
    )
    return f"{text}# public key: {key.public}\n{key.identity}\n".encode()
