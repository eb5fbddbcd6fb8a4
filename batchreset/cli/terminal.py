"""Talking to a person: questions, and whether there is one to ask."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Above this many accounts their number has to be typed.
_TYPE_ABOVE = 100


def confirm(question: str, number: int) -> bool:
    """Ask on the terminal; without one the answer is no. Above a hundred accounts the number itself is the yes."""
    wanted = str(number) if number > _TYPE_ABOVE else "yes"
    with _terminal() as terminal:
        if terminal is None:
            return False
        read, write = terminal
        write.write(f"{question}\nType {wanted} to go on, anything else to leave it: ")
        write.flush()
        return read.readline().strip().lower().replace(",", "") == wanted


@contextmanager
def _terminal() -> Iterator[tuple[TextIO, TextIO] | None]:
    """Open the terminal itself where standard input or error is something else; None where there is no terminal."""
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        yield sys.stdin, sys.stderr
        return
    names = ("CONIN$", "CONOUT$") if sys.platform == "win32" else ("/dev/tty", "/dev/tty")
    try:
        read = open(names[0], encoding="utf-8")  # noqa: SIM115, PTH123  a device, closed below
    except OSError:
        yield None
        return
    with read, open(names[1], "w", encoding="utf-8") as write:  # noqa: PTH123  a device
        yield read, write


def say(text: str = "") -> None:
    """Tell on standard error: what goes on, as opposed to what was asked for."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def show(text: str = "") -> None:
    """Give on standard output what was asked for."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
