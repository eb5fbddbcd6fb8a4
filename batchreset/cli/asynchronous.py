"""From the command line into the event loop, and out again."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from batchreset.cli.terminal import say
from batchreset.engine.result import INTERRUPTED

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine

#: Between two looks for garbage in cycles. A reset makes none to speak of, and Python's own 700 costs it a tenth.
_ALLOCATIONS = 50_000

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; Ctrl-C where nobody handles it ends the command with the status for that."""
    import asyncio

    gc.set_threshold(_ALLOCATIONS)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    except KeyboardInterrupt:
        say("\nbatchreset: stopped.")
        raise typer.Exit(INTERRUPTED) from None


def _loop_factory() -> Callable[[], AbstractEventLoop] | None:
    """Take uvloop where it runs."""
    if sys.platform == "win32" or sys.implementation.name != "cpython":
        return None
    factory: Callable[[], AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
