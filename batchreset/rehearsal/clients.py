"""How an application proves who it is: by a secret, or by an assertion signed for a registered certificate."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from batchreset.rehearsal.problems import Problem, SignInRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchreset.rehearsal.signin import Application

#: By which hash of the certificate an assertion's header names it.
_THUMBPRINTS: Mapping[str, type[hashes.HashAlgorithm]] = {"x5t#S256": hashes.SHA256, "x5t": hashes.SHA1}


def check_credential(application: Application, form: Mapping[str, str], audience: Sequence[str]) -> bool:
    """Say whether a request proves that the application sent it: False where it does not try to.

    `audience` are the names of the token endpoint that an assertion may be for. Raises `SignInRefusedError` for a
    proof that is none.
    """
    secret, assertion = form.get("client_secret"), form.get("client_assertion")
    if not secret and not assertion:
        return False
    if not application.secrets and not application.certificates:
        raise SignInRefusedError(Problem.CREDENTIAL_OF_PUBLIC_CLIENT)
    if assertion:
        _check_assertion(application, assertion, audience)
    elif secret not in application.secrets:
        raise SignInRefusedError(Problem.WRONG_SECRET)
    return True


def _check_assertion(application: Application, assertion: str, audience: Sequence[str]) -> None:
    """Check a signed assertion. Raises `SignInRefusedError`.

    Source: Microsoft's "Microsoft identity platform application authentication certificate credentials".
    """
    try:
        key = _key(application, jwt.get_unverified_header(assertion))
        claims = jwt.decode(
            assertion,
            key,
            algorithms=["PS256", "RS256"],
            audience=audience,
            issuer=application.client_id,
            options={"require": ["exp", "sub", "jti"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise SignInRefusedError(Problem.ASSERTION_EXPIRED) from error
    except jwt.InvalidAudienceError as error:
        raise SignInRefusedError(Problem.WRONG_AUDIENCE) from error
    except jwt.PyJWTError as error:
        raise SignInRefusedError(Problem.BAD_CERTIFICATE) from error
    if claims["sub"] != application.client_id:
        raise SignInRefusedError(Problem.BAD_CERTIFICATE)


def _key(application: Application, header: Mapping[str, str]) -> RSAPublicKey:
    """Return the registered key that an assertion's header names. Raises `SignInRefusedError`."""
    for name, algorithm in _THUMBPRINTS.items():
        thumbprint = _decoded(header.get(name, ""))
        for text in application.certificates:
            certificate = x509.load_pem_x509_certificate(text.encode())
            key = certificate.public_key()
            if certificate.fingerprint(algorithm()) == thumbprint and isinstance(key, RSAPublicKey):
                return key
    raise SignInRefusedError(Problem.BAD_CERTIFICATE)


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
