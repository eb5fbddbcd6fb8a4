"""Certificates made for a test: a private authority, servers it vouches for, applications that sign with their own."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class PrivateAuthority:
    """A certificate authority that nobody knows, its certificate and those of its servers kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Private test authority")
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        #: Its certificate as PEM: what a client has to trust.
        self.bundle = folder / "private-authority.pem"
        self.bundle.write_bytes(builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM))

    def server_context(self, host: str = "localhost") -> ssl.SSLContext:
        """Return what a server for `host` speaks TLS with."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(IPv4Address("127.0.0.1"))])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(_name(host), self._name, key)
            .add_extension(names, critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        chain = self._folder / f"{host}.pem"
        chain.write_bytes(_pem(key) + builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return what a client trusts this authority with, and nobody else."""
        return ssl.create_default_context(cafile=self.bundle)


@dataclass(frozen=True)
class ApplicationCertificate:
    """A self-signed certificate that an application proves itself with, and its key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        """The certificate alone, as it is registered."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return _pem(self.key).decode()

    @property
    def thumbprint(self) -> str:
        """The certificate's SHA-1 in hexadecimal, as the portal shows it."""
        return self.certificate.fingerprint(SHA1()).hex().upper()  # noqa: S303  what the portal shows

    def write_pem(self, folder: Path, passphrase: str | None = None) -> Path:
        """Write key and certificate to one file."""
        path = folder / "application.pem"
        path.write_bytes(_pem(self.key, _encryption(passphrase)) + self.pem.encode())
        return path

    def write_pfx(self, folder: Path, passphrase: str | None = None) -> Path:
        """Write key and certificate as PKCS #12."""
        path = folder / "application.pfx"
        encryption = _encryption(passphrase)
        path.write_bytes(pkcs12.serialize_key_and_certificates(b"app", self.key, self.certificate, None, encryption))
        return path


def application_certificate() -> ApplicationCertificate:
    """Make one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = _name("batchreset test application")
    return ApplicationCertificate(_builder(name, name, key).sign(key, SHA256()), key)


def _builder(subject: x509.Name, issuer: x509.Name, key: _Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: _Key, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def _encryption(passphrase: str | None) -> KeySerializationEncryption:
    return BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
