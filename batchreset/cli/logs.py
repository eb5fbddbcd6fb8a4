"""The log of a command: one event a decision, as lines for people or as JSON for machines."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from batchreset.engine import events
from batchreset.errors import SettingsError
from batchreset.settings import LogFormat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchreset.settings import Settings

_LOG = logging.getLogger("batchreset")
_WITH_REQUESTS = 2


def begin(settings: Settings, verbosity: int = 0) -> None:
    """Log from here on as the settings say: into --log-file, or JSON lines on standard error; else not at all.

    With a `verbosity` of 1 each decision is told on standard error as well, from 2 on the log has each request too.
    Raises `SettingsError` where the file cannot be written.
    """
    is_json = settings.log_format is LogFormat.JSON
    if settings.log_file is not None:
        _add(_to_file(settings.log_file), is_json=is_json)
    elif is_json:
        _add(_ToStandardError(sys.stderr), is_json=True)
    tell_more(verbosity)


def tell_more(verbosity: int) -> None:
    """Tell decisions on standard error, and from 2 on each request: of our own; what libraries log may hold secrets."""
    if verbosity and not has_standard_error():
        handler = _ToStandardError(sys.stderr)
        handler.addFilter(lambda record: getattr(record, "event", "") != "error")  # it is said there anyway
        _add(handler, is_json=False)
    if verbosity >= _WITH_REQUESTS and _LOG.handlers:
        _LOG.setLevel(logging.DEBUG)


def has_standard_error() -> bool:
    """Say whether standard error is the JSON log's, so that all that is said there has to be a line of it."""
    return any(isinstance(handler.formatter, _Json) for handler in _on_standard_error())


def is_verbose() -> bool:
    """Say whether the log is told on standard error, whichever way: nothing may be drawn there then."""
    return bool(_on_standard_error())


def _on_standard_error() -> list[logging.Handler]:
    return [handler for handler in _LOG.handlers if isinstance(handler, _ToStandardError)]


def _add(handler: logging.Handler, *, is_json: bool) -> None:
    handler.setFormatter(_Json() if is_json else _Text())
    _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)


@contextmanager
def until_exit() -> Iterator[None]:
    """Log the status that the command exits with, and end the log."""
    try:
        yield
    except BaseException as end:
        events.tell("exit", status=(end.code or 0) if isinstance(end, SystemExit) else 1)
        raise
    finally:
        for handler in [each for each in _LOG.handlers if isinstance(each, (_ToFile, _ToStandardError))]:
            _LOG.removeHandler(handler)
            handler.close()
        _LOG.setLevel(logging.NOTSET)


class _ToStandardError(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Go on: no run ends because nobody listens."""


class _ToFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  logging's name
        """Say that the file takes no more, once, and go on without: a log stops no run."""
        from batchreset.cli.terminal import say

        _LOG.removeHandler(self)
        say(f"batchreset: --log-file {self.baseFilename} is written no longer ({sys.exc_info()[1]}).")
        with suppress(OSError):
            self.close()


def _to_file(path: Path) -> _ToFile:
    try:
        # It names accounts: whoever makes it anew keeps it to himself.
        path.touch(mode=0o600)
        return _ToFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise SettingsError(f"--log-file {path}: this file cannot be written ({error.strerror}).") from error


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{_at(record)} {record.levelname.lower()} {record.getMessage()}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.getMessage()),
            **getattr(record, "fields", {}),
        }
        return json.dumps(told, default=str)
