"""What an application proves itself with: read from the environment, never from the command line."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from batchreset.errors import SignInError

_SECRET = "BATCHRESET_CLIENT_SECRET"  # noqa: S105  a variable's name
_CERTIFICATE = "BATCHRESET_CLIENT_CERTIFICATE"
_PASSPHRASE = "BATCHRESET_CLIENT_CERTIFICATE_PASSWORD"  # noqa: S105  a variable's name
_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)


def secret() -> str:
    """Return the client secret in `BATCHRESET_CLIENT_SECRET`. Raises `SignInError`."""
    found = os.environ.get(_SECRET, "").strip()
    if not found:
        raise SignInError(f"--auth secret: put the client secret into the environment variable {_SECRET}.")
    return found


def certificate() -> dict[str, str]:
    """Return, as MSAL takes it, the certificate and key in the file that `BATCHRESET_CLIENT_CERTIFICATE` names.

    The file is PEM or PFX, its passphrase in `BATCHRESET_CLIENT_CERTIFICATE_PASSWORD`. Raises `SignInError`.
    """
    name = os.environ.get(_CERTIFICATE)
    if not name:
        raise SignInError(
            f"--auth certificate: put the path of the certificate with its key, PEM or PFX, into {_CERTIFICATE}."
        )
    passphrase = os.environ.get(_PASSPHRASE, "").encode() or None
    try:
        content = Path(name).read_bytes()
        key, found = (_pem if b"-----BEGIN" in content else _pfx)(content, passphrase)
    except OSError as error:
        raise SignInError(f"{_CERTIFICATE}={name}: the file cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError):  # either, for a passphrase that is wrong, missing or one too many
        key, found = None, []
    ours = [each for each in found if isinstance(key, RSAPrivateKey) and each.public_key() == key.public_key()]
    if not ours or not isinstance(key, RSAPrivateKey):
        raise SignInError(
            f"{_CERTIFICATE}={name}: no certificate with its RSA key can be read from this file; "
            f"it is PEM or PFX, and its passphrase, if it has one, goes into {_PASSPHRASE}."
        )
    return {
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "public_certificate": ours[0].public_bytes(Encoding.PEM).decode(),
    }


def _pem(content: bytes, passphrase: bytes | None) -> tuple[object, list[x509.Certificate]]:
    block = _KEY.search(content)
    return load_pem_private_key(block[0] if block else b"", passphrase), x509.load_pem_x509_certificates(content)


def _pfx(content: bytes, passphrase: bytes | None) -> tuple[object, list[x509.Certificate]]:
    key, own, _ = pkcs12.load_key_and_certificates(content, passphrase)
    return key, [own] if own else []
