"""Under which circumstances a run went and its report was written: the settings, and the versions of what matters."""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING, Any

from batchreset.gather import flag_of
from batchreset.settings import Settings
from batchreset.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: They say where things are on somebody's machine, and nothing of the run.
_OF_THE_MACHINE = frozenset({"out", "log_file", "log_format"})
#: Of these, NAME=VALUE, the value may be a secret of somebody's.
_NAMED_ONLY = frozenset({"header", "body_property"})
_FILES = frozenset({"except_"})
_LIBRARIES = ("aiohttp", "cryptography", "msal", "pandas", "pyrage", "SQLAlchemy", "tenacity", "XlsxWriter")


def options(wanted: Mapping[str, Any]) -> list[str]:
    """Spell the settings that are not the default as options; a switch has no value, a list is repeated."""
    told: list[str] = []
    for item in fields(Settings):
        value = wanted.get(item.name, item.default)
        if item.name not in _OF_THE_MACHINE and value not in (item.default, [], None):
            told += [f"{flag_of(item.name)} {text}".rstrip() for text in _texts(item.name, value)]
    return told


def _texts(name: str, value: Any) -> Iterator[str]:
    for each in value if isinstance(value, (list, tuple)) else [value]:
        text = "" if each is True else str(each)
        if name in _NAMED_ONLY:
            text = f"{text.partition('=')[0]}=..."
        # A run may be reported on another system than it went on: either's separators count.
        yield PureWindowsPath(text).name if name in _FILES else text


@cache
def versions() -> str:
    """Name the versions of the program and its libraries here and now, and the system; not the machine."""
    system = f"{platform.system()} {platform.release()}"
    own = f"batchreset {__version__}, Python {platform.python_version()} on {system}"
    return "; ".join([own, ", ".join(_libraries())])


def _libraries() -> Iterator[str]:
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):  # in a bundle that leaves the metadata out
            yield f"{name} {version(name)}"
