"""Reaching others: which certificates are trusted, and by which proxy one goes. For Graph and for sign-in alike."""

from __future__ import annotations

import os
import ssl
import sys
import urllib.request
from urllib.parse import urlsplit

from batchreset.errors import SettingsError
from batchreset.values import is_loopback

#: Where systems keep, in one file, the certificates that they trust: OpenSSL's own place, then those of the Linuxes.
_SYSTEM_FILES = (
    ssl.get_default_verify_paths().openssl_cafile,
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)


def trusted() -> ssl.SSLContext:
    """Trust what the operating system trusts, and what SSL_CERT_FILE or REQUESTS_CA_BUNDLE add.

    Raises `SettingsError` where these cannot be read.
    """
    import truststore  # noqa: PLC0415  not needed for --help

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if os.environ.get("SSL_CERT_FILE") and sys.platform not in {"win32", "darwin"}:
        # There OpenSSL reads it too, but in place of the system's own file, and truststore looks for no other then.
        if own := next((each for each in _SYSTEM_FILES if os.access(each, os.R_OK)), None):
            context.load_verify_locations(cafile=own)
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        if path := os.environ.get(variable):
            try:
                context.load_verify_locations(cafile=path)
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(f"{variable}={path}: these certificates cannot be read ({error}).") from error
    return context


def proxy_for(url: str) -> str | None:
    """Say which proxy HTTPS_PROXY and NO_PROXY (or the system's settings) name for a URL; loopback goes direct.

    Raises `SettingsError` for a proxy that cannot be used; its URL may hold a password and is not quoted.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        found = urlsplit(proxy)
        is_usable = found.scheme in {"http", "https"} and bool(found.hostname) and (found.port or 1) > 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise SettingsError(f"{parts.scheme.upper()}_PROXY: give the proxy as http://HOST:PORT.")
    return proxy
