"""Talking to a person: what is said, what is shown, questions, and whether there is anybody to ask."""

from __future__ import annotations

import errno
import getpass
import os
import re
import shutil
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from batchreset.cli import logs
from batchreset.engine import events
from batchreset.errors import BatchResetError, RefusedError
from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Above this many accounts their number has to be typed.
_TYPE_ABOVE = 100
#: Longer lines are hard to read.
_WIDEST = 120
#: What moves a cursor, colours a screen or turns writing round: no text of somebody else's may do so here.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def can_draw(stream: TextIO) -> bool:
    """Say whether somebody looks on at a terminal that can be drawn on."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}


def width_of(stream: TextIO) -> int | None:
    """Return at which column lines are best broken; None where no person looks on."""
    return min(shutil.get_terminal_size().columns, _WIDEST) if stream.isatty() else None


def plain(text: str) -> str:
    """Return a text without what would do more on a terminal than be read."""
    return _CONTROLS.sub("", text)


def say(text: str) -> None:
    """Tell on standard error what goes on, as opposed to what was asked for. No run ends because nobody listens."""
    if logs.has_standard_error():
        events.tell("said", text=text.strip())
        return
    with suppress(OSError):
        sys.stderr.write(plain(text) + "\n")
        sys.stderr.flush()


def show(text: str) -> None:
    """Give on standard output what was asked for."""
    with output() as file:
        file.write(plain(text) + "\n")


@contextmanager
def output() -> Iterator[TextIO]:
    """Yield standard output. A reader that has gone (`| head`) ends the writing, and changes no exit status.

    Raises `BatchResetError` where it cannot be written for another cause.
    """
    try:
        yield sys.stdout
        sys.stdout.flush()
    except OSError as error:
        # What is still buffered would raise once more when the process ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        # Windows calls a pipe without a reader an invalid argument.
        if error.errno not in {errno.EPIPE, errno.EINVAL}:
            raise BatchResetError(f"Standard output cannot be written ({error.strerror}).") from error


def confirm(question: str, number: int, *, stdin_is_taken: bool, is_typed: bool = False) -> bool | None:
    """Ask on the terminal; None without one. Above a hundred accounts, or where it `is_typed`, the number is the yes.

    `stdin_is_taken` says that the cohort came through standard input: then the terminal itself is asked.
    """
    wanted = str(number) if is_typed or number > _TYPE_ABOVE else "yes"
    with _terminal(stdin_is_taken=stdin_is_taken) as terminal:
        if terminal is None:
            return None
        read, write = terminal
        write.write(f"{plain(question)}\nType {wanted} to go on, anything else to leave it: ")
        write.flush()
        return read.readline().strip().lower().replace(",", "") == wanted


def ask_secret(question: str) -> Secret | None:
    """Ask for something that is not shown while it is typed; None without a terminal, or where nothing is typed."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    try:
        text = getpass.getpass(f"{plain(question)}: ", sys.stderr)
    except (EOFError, UnicodeDecodeError):
        raise RefusedError("Nothing was typed that can be read as text, so nothing was done.") from None
    return Secret(text) if text else None


def ask_new_secret(question: str, check: Callable[[Secret], Secret]) -> Secret | None:
    """Ask twice for a secret that is to be set, `check`ed in between; None without a terminal, or for nothing.

    Raises `RefusedError` where the two differ, and what `check` raises.
    """
    typed = ask_secret(question)
    if typed is not None and ask_secret("The same again") != check(typed):
        raise RefusedError("The two passphrases are not the same; nothing was done.")
    return typed


@contextmanager
def _terminal(*, stdin_is_taken: bool) -> Iterator[tuple[TextIO, TextIO] | None]:
    """Yield where to read the answer and write the question; None where there is no terminal."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        yield sys.stdin, sys.stderr
        return
    if not (stdin_is_taken or sys.stdin.isatty()):
        # Somebody gave it something else to read than a person: that is no for an answer.
        yield None
        return
    names = ("CONIN$", "CONOUT$") if sys.platform == "win32" else ("/dev/tty", "/dev/tty")
    try:
        read = open(names[0], encoding="utf-8")  # noqa: SIM115, PTH123  a device, closed below
    except OSError:
        yield None
        return
    with read, open(names[1], "w", encoding="utf-8") as write:  # noqa: PTH123  a device
        yield read, write
