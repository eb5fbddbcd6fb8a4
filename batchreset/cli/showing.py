"""Showing secrets to whoever sits at the terminal: one at a time, and off the screen again."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from batchreset.cli.terminal import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from batchreset.engine.passwords import OpenedPassword
    from batchreset.secret import Secret

#: To a terminal's second screen, which keeps no lines for scrolling back, and back to the first when it is empty again.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[H\x1b[J", "\x1b[H\x1b[J\x1b[?1049l"
_QUIT = "q"


def can_show() -> bool:
    """Say whether there is a person to show a secret to, at a terminal that can take it off its screen again."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    from rich.console import Console

    console = Console()
    return not (console.is_dumb_terminal or console.legacy_windows)


def show_one_by_one(passwords: Sequence[OpenedPassword], before: Callable[[OpenedPassword], None]) -> None:
    """Show each password after a question, until the answer is q; `before` is called with it before it is shown."""
    for number, each in enumerate(passwords, 1):
        show(f"{number:,} of {len(passwords):,}: {_account(each)}")
        if not _goes_on(f"Enter shows the password, {_QUIT} ends: "):
            return
        before(each)
        if not show_secret(f"Password of {_account(each)}", each.password):
            return


def show_secret(what: str, secret: Secret) -> bool:
    """Show a secret until Enter is pressed; False where the answer is q, or nobody answers any more."""
    text = secret.reveal()
    with _second_screen():
        if text.isprintable():
            show(f"{what} ({len(text)} characters):\n\n{text}\n")
        else:
            show(f"{what} ({len(text)} characters, some of them not to be seen; as Python writes it):\n\n{text!a}\n")
        return _goes_on(f"Enter takes it off the screen, {_QUIT} ends as well: ")


def _account(each: OpenedPassword) -> str:
    name = f" ({each.display_name})" if each.display_name else ""
    return f"{each.user}{name}, row {each.row} of {each.source}, {each.outcome}, {each.certainty}"


def _goes_on(question: str) -> bool:
    try:
        sys.stdout.write(question)
        sys.stdout.flush()
        answer = sys.stdin.readline()
    except OSError:  # the terminal was closed
        return False
    return answer.endswith("\n") and answer.strip().lower() != _QUIT


@contextmanager
def _second_screen() -> Iterator[None]:
    try:
        sys.stdout.write(_ENTER)
        yield
    finally:
        with suppress(OSError):  # the terminal was closed
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()
