"""The user's own age identity: made once, kept in the user's configuration folder, readable by its owner only."""

from __future__ import annotations

import os
from pathlib import Path

import pyrage
from platformdirs import user_config_path
from pyrage import x25519

from batchreset.clock import timestamp
from batchreset.errors import SettingsError
from batchreset.vault.sealing import write_private


def path() -> Path:
    """Say where the identity is, or would be: `BATCHRESET_IDENTITY`, else the user's configuration folder."""
    moved = os.environ.get("BATCHRESET_IDENTITY")
    return Path(moved) if moved else user_config_path("batchreset", appauthor=False) / "identity.txt"


def load() -> x25519.Identity | None:
    """Read the identity; None where there is none. Raises `SettingsError` when the file holds something else."""
    place = path()
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{place}: your key cannot be read ({error}).") from error
    for line in lines:
        if line.startswith("AGE-SECRET-KEY-"):
            try:
                return x25519.Identity.from_str(line.strip())
            except pyrage.IdentityError as error:
                raise SettingsError(f"{place}: the age key in this file is damaged.") from error
    raise SettingsError(f"{place}: there is no age key (AGE-SECRET-KEY-...) in this file.")


def make() -> x25519.Identity:
    """Make the identity and write it. Raises `SettingsError` where it cannot be written or exists already."""
    place = path()
    identity = x25519.Identity.generate()
    text = f"# batchreset, {timestamp()}: opens sealed passwords; keep a copy where only you can read it.\n"
    text += f"# public key: {identity.to_public()}\n{identity}\n"
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(place, text.encode())
    except OSError as error:
        raise SettingsError(
            f"{place}: your key cannot be written ({error.strerror}); "
            "set BATCHRESET_IDENTITY to a place where it can, or name a --recipient."
        ) from error
    return identity
