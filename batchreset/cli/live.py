"""The live view: a bar on a terminal, plain lines now and then where output is piped."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from batchreset.cli import logs
from batchreset.cli.terminal import can_draw, say
from batchreset.cli.words import snapshot_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from batchreset.engine.progress import Snapshot

#: Between two plain lines, in seconds.
_EVERY = 5.0


def live() -> AbstractContextManager[Callable[[Snapshot], None]]:
    """Return a context that yields what to call with each snapshot. Everything goes to standard error."""
    if can_draw(sys.stderr) and not logs.is_verbose():
        return _bar()
    tell = unhurried(first=0.0)
    return nullcontext(lambda snapshot: tell(snapshot_text(snapshot)))


def unhurried(first: float = _EVERY) -> Callable[[str], None]:
    """Return what says a line after `first` seconds, then one every few seconds; those in between are left out."""
    due = time.monotonic() + first

    def tell(text: str) -> None:
        nonlocal due
        if (now := time.monotonic()) >= due:
            due = now + _EVERY
            say(text)

    return tell


@contextmanager
def _bar() -> Iterator[Callable[[Snapshot], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    columns = (
        TimeElapsedColumn(),
        BarColumn(bar_width=16),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    # Drawn when there is news, so no thread of its own is needed.
    progress = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
    task = progress.add_task("", total=None)

    def tell(snapshot: Snapshot) -> None:
        total = snapshot.done + snapshot.in_flight + snapshot.left
        text = snapshot_text(snapshot)
        with suppress(OSError):  # the terminal was closed: no run ends because nobody looks on
            progress.update(task, total=total, completed=snapshot.done, description=text, refresh=True)

    with suppress(OSError):
        progress.start()
    try:
        yield tell
    finally:
        with suppress(OSError):
            progress.stop()
