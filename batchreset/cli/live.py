"""The live view of a run: a bar on a terminal, plain lines where output is piped."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from batchreset.cli.terminal import say
from batchreset.cli.words import snapshot_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchreset.engine.progress import Snapshot

#: Between two plain lines, in seconds.
_EVERY = 10.0


@contextmanager
def live(*, quiet: bool = False) -> Iterator[Callable[[Snapshot], None]]:
    """Yield what to call with each snapshot. Everything goes to standard error."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        yield from _bar()
    else:
        yield _lines()


def _lines() -> Callable[[Snapshot], None]:
    last = time.monotonic()

    def tell(snapshot: Snapshot) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            say(snapshot_text(snapshot))

    return tell


def _bar() -> Iterator[Callable[[Snapshot], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def tell(snapshot: Snapshot) -> None:
            total = snapshot.done + snapshot.in_flight + snapshot.left
            progress.update(task, total=total, completed=snapshot.done, description=snapshot_text(snapshot))

        yield tell
