"""Checks of this machine: the program, its settings, its files. None of them asks the network."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from batchreset.auth import cache
from batchreset.engine.doctor.check import Check, ok, problem, unknown
from batchreset.errors import BatchResetError, SettingsError, SignInError
from batchreset.gather import config_path, flag_of, variable_of
from batchreset.network import trusted
from batchreset.settings import Settings
from batchreset.values import pairs
from batchreset.vault import identity
from batchreset.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_SECRETS = (
    "BATCHRESET_ACCESS_TOKEN",
    "BATCHRESET_CLIENT_SECRET",
    "BATCHRESET_CLIENT_CERTIFICATE",
    "BATCHRESET_CLIENT_CERTIFICATE_PASSWORD",
    "BATCHRESET_PASSPHRASE",
)


def program() -> Check:
    """Say what is running, and on what."""
    return ok(
        "program", f"batchreset {__version__}, Python {platform.python_version()} on {platform.system()} ({sys.prefix})"
    )


def config_file(config: Path | None, refusal: BatchResetError | None) -> Check:
    """Say which config file is read; `refusal` is why the settings cannot be used, if they cannot."""
    place = config or config_path()
    if isinstance(refusal, SettingsError):
        return problem("config file", str(refusal), "Correct the file, or name another with --config.")
    return ok("config file", f"{place}{'' if place.is_file() else ' (there is none, and none is needed)'}")


def own_settings(settings: Settings | None, flags: Mapping[str, Any], refusal: BatchResetError | None) -> Check:
    """Say which settings are not the default, and where each comes from; nothing that may be secret is quoted."""
    if isinstance(refusal, SettingsError):
        return unknown("settings", "the config file cannot be used")
    if settings is None:
        return problem("settings", str(refusal), "Correct this setting.")
    default = Settings()
    told = [
        f"{flag_of(item.name).removeprefix('--')} {_shown(item.name, value)} ({_origin(item.name, flags)})"
        for item in fields(Settings)
        if (value := getattr(settings, item.name)) != getattr(default, item.name)
    ]
    told += [f"{name} is set" for name in _SECRETS if os.environ.get(name)]
    return ok("settings", "; ".join(told) or "all as they are by default")


def certificates() -> Check:
    """Say which certificates are trusted besides the operating system's."""
    added = [f"{name}={path}" for name in _CERTIFICATES if (path := os.environ.get(name))]
    try:
        trusted()
    except SettingsError as error:
        return problem("certificates", str(error), "Let the variable name a file of PEM certificates, or unset it.")
    return ok("certificates", " and ".join(["those of the operating system", *added]))


def run_folder(settings: Settings) -> Check:
    """Say whether run folders can be made; nothing is left behind."""
    place = settings.out.absolute()
    try:
        with tempfile.TemporaryFile(dir=_nearest(place)):
            pass
    except OSError as error:
        why = error.strerror or str(error)
        return problem("run folder", f"{place} cannot be written to ({why}).", "Name another folder with --out.")
    return ok("run folder", f"{place}{'' if place.is_dir() else ' (will be made)'}")


def key(settings: Settings) -> Check:
    """Say who will be able to open sealed passwords. No key is made here."""
    if settings.discard_passwords:
        return ok("key", "none is needed, since no password is kept")
    if settings.seal_with_passphrase:
        return ok("key", "passwords are sealed to a passphrase")
    if settings.recipient:
        return ok("key", f"passwords are sealed to {len(settings.recipient)} recipients")
    place = identity.path()
    try:
        if identity.load():
            return ok("key", str(place))
        with tempfile.TemporaryFile(dir=_nearest(place.absolute().parent)):
            pass
    except SettingsError as error:
        return problem("key", str(error), "Put a copy of your key there, or set BATCHRESET_IDENTITY.")
    except OSError as error:
        why = error.strerror or str(error)
        return problem("key", f"{place} cannot be made ({why}).", "Set BATCHRESET_IDENTITY to a place where it can.")
    return ok("key", f"{place} (there is none yet; the first run makes it, or `batchreset keys --make`)")


def token_cache() -> Check:
    """Say where a person's sign-in is kept, and whether the system encrypts it. No cache is made here. Blocks."""
    place = cache.path()
    try:
        if cache.is_there():
            is_encrypted = cache.open_cache(lambda _: None).is_encrypted
            how = "encrypted by the operating system" if is_encrypted else "not encrypted, and readable by you only"
            return ok("token cache", f"{place}, {how}")
        with tempfile.TemporaryFile(dir=_nearest(place.parent)):
            pass
    except SignInError as error:
        return problem("token cache", str(error))
    except OSError as error:
        why = error.strerror or str(error)
        advice = "Set BATCHRESET_TOKEN_CACHE to a place where it can."
        return problem("token cache", f"{place} cannot be made ({why}).", advice)
    return ok("token cache", f"{place} (there is none yet; `batchreset login` makes it)")


def _shown(name: str, value: Any) -> str:
    if name in {"header", "body_property"}:
        return ", ".join(f"{key}=***" for key, _ in pairs(value, flag_of(name)))
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _origin(name: str, flags: Mapping[str, Any]) -> str:
    """Say where a setting that is not the default was found: flag over environment over file."""
    if flags.get(name) not in (None, False, [], ()):
        return "flag"
    return "environment" if os.environ.get(variable_of(name)) else "config file"


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())
