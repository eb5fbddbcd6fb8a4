"""Sealing passwords with age (https://age-encryption.org) to a key that each run has of its own.

The run's private key exists in memory while the run works, and in `key.age`, sealed to the recipients. So each
password costs a tenth of a millisecond, and handing a run to somebody else rewrites one small file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

import pyrage
from pyrage import x25519

from batchreset.errors import KeyMissingError, UsageError
from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEY_FILE = "key.age"


class Sealer:
    """Seals to a run's public key. Needs no secret, so any process may go on with a run."""

    def __init__(self, recipient: str) -> None:
        """Take the run's age public key."""
        self._recipient = x25519.Recipient.from_str(recipient)

    def seal(self, password: Secret) -> bytes:
        """Return the age ciphertext of a password."""
        return pyrage.encrypt(password.reveal().encode(), [self._recipient])


class RunKey:
    """A run's private key, in memory. Opens what was sealed to it."""

    def __init__(self, identity: x25519.Identity) -> None:
        """Take the age identity."""
        self._identity = identity

    @classmethod
    def generate(cls) -> Self:
        """Make the key of a new run."""
        return cls(x25519.Identity.generate())

    @property
    def recipient(self) -> str:
        """The public half."""
        return str(self._identity.to_public())

    def unseal(self, sealed: bytes) -> Secret:
        """Open one sealed password. Raises `KeyMissingError` when it was sealed to another key."""
        try:
            return Secret(pyrage.decrypt(sealed, [self._identity]).decode())
        except pyrage.DecryptError as error:
            raise KeyMissingError(
                "A sealed password does not open with this run's key; was key.age replaced?"
            ) from error

    def store(self, folder: Path, recipients: Iterable[str]) -> None:
        """Write `key.age` in the run folder, sealed to age public keys."""
        keys = [read_recipient(text) for text in recipients]
        write_private(folder / KEY_FILE, pyrage.encrypt(str(self._identity).encode(), keys))

    @classmethod
    def load(cls, folder: Path, identity: x25519.Identity | None) -> Self | None:
        """Open the run's key with the user's identity; None when there is no key, or the identity does not open it.

        Raises `KeyMissingError` where the file cannot be read.
        """
        path = folder / KEY_FILE
        if identity is None or not path.exists():
            return None
        try:
            return cls(x25519.Identity.from_str(pyrage.decrypt(path.read_bytes(), [identity]).decode()))
        except pyrage.DecryptError:
            return None
        except OSError as error:
            raise KeyMissingError(f"{path}: the run's key cannot be read ({error.strerror}).") from error


def read_recipient(text: str) -> x25519.Recipient:
    """Read an age public key. Raises `UsageError` for anything else."""
    try:
        return x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError as error:
        # Somebody may have given the private key: its beginning is enough to find it by.
        raise UsageError(f"--recipient {text.strip()[:16]}: this is no age public key (age1...).") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read, from its first byte on. Raises `FileExistsError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
