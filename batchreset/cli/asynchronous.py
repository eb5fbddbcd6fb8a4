"""From the command line into the event loop, and out again."""

from __future__ import annotations

import gc
import importlib
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from batchreset.cli.terminal import say
from batchreset.engine.result import INTERRUPTED

if TYPE_CHECKING:
    import asyncio
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine, Iterator

#: Between two looks for garbage in cycles. A reset makes none to speak of, and Python's own 700 costs it a tenth.
_ALLOCATIONS = 50_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EventLoop:
    """One event loop for all that a command awaits, so that one source of tokens can serve it from plan to end."""

    _runner: asyncio.Runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end; Ctrl-C where nobody handles it ends the command with the status for that."""
        try:
            return self._runner.run(work)
        except KeyboardInterrupt:
            say("\nbatchreset: stopped.")
            raise typer.Exit(INTERRUPTED) from None


@contextmanager
def event_loop() -> Iterator[EventLoop]:
    """Yield an event loop to run things in, one after the other."""
    import asyncio

    gc.set_threshold(_ALLOCATIONS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        yield EventLoop(runner)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run one thing to its end in an event loop of its own."""
    with event_loop() as loop:
        return loop.run(work)


def _loop_factory() -> Callable[[], AbstractEventLoop] | None:
    """Take uvloop where it runs."""
    if sys.platform == "win32" or sys.implementation.name != "cpython":
        return None
    factory: Callable[[], AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
