"""Putting `Settings` together: flag over environment over config file over default."""

from __future__ import annotations

import os
import tomllib
from dataclasses import Field, fields
from enum import Enum
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from batchreset.errors import SettingsError, UsageError
from batchreset.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PREFIX = "BATCHRESET_"
_TYPES = get_type_hints(Settings)
#: Lists are named in the plural in the config file.
_IN_FILE: Mapping[str, str] = MappingProxyType({"protected": "protect", "recipients": "recipient", "except": "except_"})
_TRUTH: Mapping[str, bool] = MappingProxyType(
    {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
)
#: Lists of accounts that are left alone.
_ADDED_UP = frozenset({"protect", "protect_group", "except_", "except_group"})
_WANTED: Mapping[Any, str] = MappingProxyType({int: "a whole number", float: "a number"})


def flag_of(name: str) -> str:
    """Return the option of a setting: `max_failures` is `--max-failures`; `except_` is `--except`."""
    return "--" + name.rstrip("_").replace("_", "-")


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return _PREFIX + name.rstrip("_").upper()


def type_of(name: str) -> Any:
    """Return a setting's type, without the None that stands for "not given"."""
    declared = _TYPES[name]
    given = [kind for kind in get_args(declared) if kind is not type(None)]
    return given[0] if given and type(None) in get_args(declared) else declared


def is_list(name: str) -> bool:
    """Say whether a setting may be given several times."""
    return bool(_TYPES[name] == tuple[str, ...])


def gather(flags: Mapping[str, Any], config: Path | None = None, base: Settings | None = None) -> Settings:
    """Make settings from what the command line gave (None, False and empty: not given), environment and file.

    Whom one of the three leaves alone, no other one gives up: there all that was given counts.

    `base` are settings to start from instead: then only flags count on top of them. Raises `UsageError` for a value
    that cannot be read or that only a flag may give, `SettingsError` for a config file that cannot be used.
    """
    file = {} if base is not None else _read_config(config)
    values: dict[str, Any] = {}
    for item in fields(Settings):
        elsewhere = _elsewhere(item, file, config or config_path()) if base is None else ()
        given = (_value(item, *each) for each in chain(_flagged(item, flags), elsewhere))
        if (first := next(given, None)) is not None:
            values[item.name] = tuple(dict.fromkeys(chain(first, *given))) if item.name in _ADDED_UP else first
        elif base is not None:
            values[item.name] = getattr(base, item.name)
    return Settings(**values)


def _flagged(item: Field[Any], flags: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Yield what a flag gives for a setting, and where."""
    flag = flags.get(item.name)
    if _is_given(flag):
        yield flag, flag_of(item.name)


def _elsewhere(item: Field[Any], file: Mapping[str, Any], place: Path) -> Iterator[tuple[Any, str]]:
    """Yield what environment and file give, one after the other."""
    name = variable_of(item.name)
    if variable := os.environ.get(name):
        if item.metadata["flag_only"]:
            raise UsageError(f"{name}: only the flag {flag_of(item.name)} itself counts; unset it.")
        # Blank lines do not count, but a variable with nothing else does.
        yield [line for line in variable.splitlines() if line.strip()] or [""] if is_list(item.name) else variable, name
    if item.name in file:
        yield file[item.name], f"{place}: {item.name}"


def restore(recorded: Mapping[str, Any]) -> Settings:
    """Make the settings again that a run recorded; consent (`--yes`) was given for that start only."""
    known = {item.name: item for item in fields(Settings) if not _is_consent(item)}
    return Settings(
        **{
            name: _value(known[name], value, name)
            for name, value in recorded.items()
            if name in known and value not in (None, [])
        }
    )


def config_path() -> Path:
    """Say where the user's config file is, or would be. A file in the current folder is never read by itself."""
    from platformdirs import user_config_path  # noqa: PLC0415  not needed for --help

    return user_config_path("batchreset", appauthor=False) / "config.toml"


def _is_given(flag: Any) -> bool:
    """Say whether a flag was given: 0 is a value, not an absence."""
    return flag is not None and flag is not False and flag not in ((), [])


def _is_consent(item: Field[Any]) -> bool:
    return bool(item.metadata["group"] == "consent")


def _read_config(named: Path | None) -> dict[str, Any]:
    path = named or config_path()
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except FileNotFoundError:
        if named is None:
            return {}
        raise SettingsError(f"--config {path}: there is no such file.") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: the config file cannot be read ({error}).") from error
    allowed = {item.name for item in fields(Settings) if not item.metadata["flag_only"]}
    found = {_IN_FILE.get(name, name.replace("-", "_")): value for name, value in found.items()}
    for name in found:
        if name not in allowed:
            raise SettingsError(f"{path}: {name} is no setting, or one that only a flag may set.")
    return found


def _value(item: Field[Any], given: Any, where: str) -> Any:
    """Turn what was given into the setting's type; `where` names it in the error."""
    texts = list(given) if isinstance(given, list | tuple) and is_list(item.name) else [given]
    if any(isinstance(text, list | dict) for text in texts):
        raise UsageError(f"{where}: give a plain value here, no list or table.")
    if is_list(item.name):
        if not all(str(text).strip() for text in texts):
            raise UsageError(f"{where}: what was given is empty, which names nobody and nothing; leave it out.")
        if item.name == "accept_excluded":
            texts = [part for text in texts for part in str(text).split(",")]
        return tuple(text for each in texts if (text := str(each).strip()))
    kind, value = type_of(item.name), texts[0]
    if kind is bool:
        if str(value).lower() not in _TRUTH:
            raise UsageError(f"{where} {value}: give true or false.")
        return _TRUTH[str(value).lower()]
    try:
        # By way of its text, so that 3.5 workers from a config file are refused and not cut.
        return kind(str(value))
    except ValueError:
        allowed = " | ".join(str(each.value) for each in kind) if issubclass(kind, Enum) else _WANTED[kind]
        raise UsageError(f"{where} {value}: give {allowed}.") from None
