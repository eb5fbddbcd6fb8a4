"""Sealing passwords with age (https://age-encryption.org) to a key that each run has of its own.

The run's private key exists in memory while the run works, and in `key.age`, sealed to the recipients. So each
password costs a tenth of a millisecond, and handing a run to somebody else rewrites one small file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self, TypeAlias

import pyrage
from pyrage import x25519

from batchreset.errors import KeyMissingError, SettingsError, UsageError
from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEY_FILE = "key.age"
#: Who may open a run's key: age public keys, or whoever knows a passphrase. age mixes the two in no file.
Openers: TypeAlias = "Sequence[str] | Secret"
#: Below this a passphrase is found by trying, for all that scrypt slows it down.
SHORTEST_PASSPHRASE = 12
#: How the first lines of an age file name a recipient, and a passphrase (age-encryption.org/v1).
_RECIPIENT, _PASSPHRASE = b"-> X25519 ", b"-> scrypt "
_HEADER_END = b"\n---"


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

    def store(self, folder: Path, openers: Openers) -> None:
        """Write `key.age` in the run folder, sealed to its openers; one that is there is replaced whole or not at all.

        A passphrase takes about a second, in which nothing else happens: scrypt is slow on purpose. Raises `UsageError`
        for what is no age public key.
        """
        plain = str(self._identity).encode()
        if isinstance(openers, Secret):
            sealed = pyrage.passphrase.encrypt(plain, openers.reveal())
        else:
            sealed = pyrage.encrypt(plain, [read_recipient(text) for text in openers])
        replace_private(folder / KEY_FILE, sealed)

    @classmethod
    def load(cls, folder: Path, opener: Sequence[x25519.Identity] | Secret) -> Self | None:
        """Open the run's key with any of these identities, or a passphrase; None when there is no key, or none does.

        Raises `KeyMissingError` where the file cannot be read, holds no key, or the passphrase is not the one.
        """
        path = folder / KEY_FILE
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyMissingError(f"{path}: the run's key cannot be read ({error.strerror}).") from error
        try:
            if isinstance(opener, Secret):
                # What is no text, as an environment may hold it, opens nothing and is no crash.
                plain = pyrage.passphrase.decrypt(sealed, opener.reveal().encode(errors="replace").decode())
            else:
                plain = pyrage.decrypt(sealed, opener)
            return cls(x25519.Identity.from_str(plain.decode()))
        except pyrage.DecryptError as error:
            if isinstance(opener, Secret):
                raise KeyMissingError(f"{path}: this passphrase does not open the run's key ({error}).") from error
            return None
        except (pyrage.IdentityError, UnicodeDecodeError) as error:
            raise KeyMissingError(f"{path}: this file holds no age key; was it replaced?") from error


def has_passphrase(folder: Path) -> bool:
    """Say whether the run's key is sealed to a passphrase."""
    return _PASSPHRASE in _header(folder)


def count_recipients(folder: Path) -> int:
    """Count the age public keys that the run's key is sealed to; 0 for a passphrase, and where there is no key."""
    return _header(folder).count(_RECIPIENT)


def _header(folder: Path) -> bytes:
    """Return the readable beginning of `key.age`, which says how it opens; nothing where it cannot be read."""
    try:
        return (folder / KEY_FILE).read_bytes().partition(_HEADER_END)[0]
    except OSError:
        return b""


def check_passphrase(passphrase: Secret) -> Secret:
    """Return a passphrase that can be sealed to. Raises `SettingsError` for one too short, or that cannot be typed."""
    text = passphrase.reveal()
    if len(text) < SHORTEST_PASSPHRASE or not text.isprintable():
        raise SettingsError(
            f"This passphrase cannot be used: give at least {SHORTEST_PASSPHRASE} characters that can be typed."
        )
    return passphrase


def read_recipient(text: str) -> x25519.Recipient:
    """Read an age public key. Raises `UsageError` for anything else."""
    try:
        return x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError as error:
        # Somebody may have given the private key: its beginning is enough to find it by.
        raise UsageError(f"--recipient {text.strip()[:16]}: this is no age public key (age1...).") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read, from its first byte on; a part of it does not stay.

    Raises `FileExistsError`.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace_private(path: Path, content: bytes) -> None:
    """Put a file that only its owner may read in the place of whatever is there.

    Killed at any moment it leaves the old content or the new, and perhaps a `partial_of` it that hurts nobody. For one
    process at a time.
    """
    partial = partial_of(path)
    partial.unlink(missing_ok=True)
    write_private(partial, content)
    partial.replace(path)
    sync_folder(path.parent)


def partial_of(path: Path) -> Path:
    """Say where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.partial")


def sync_folder(folder: Path) -> None:
    """Have on disk what was renamed or removed in a folder; Windows sees to that itself."""
    if os.name != "nt":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
