"""What stops a run from outside: Ctrl-C, signals, a terminal or a console window that is closed."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchreset.engine.control import Control

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
#: Windows' events for a console window that is closed, a user who logs off, a machine that shuts down. When their
#: handler returns, or five seconds have passed, the process is ended. Source: "HandlerRoutine callback function".
_CONSOLE_ENDS = frozenset({2, 5, 6})
#: Seconds for requests under way to end; then seconds for what is queued to be written.
_GENTLY, _AT_ONCE = 1.5, 3.0


@contextmanager
def heard(control: Control) -> Iterator[None]:
    """Stop gently on the first Ctrl-C or termination signal, at once on the second; what is queued is still written.

    A signal that whoever started us wants ignored (nohup) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, is_over = asyncio.get_running_loop(), threading.Event()

    def interrupt() -> None:
        loop.call_soon_threadsafe(control.interrupt)

    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    wanted = [number for number in numbers if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, lambda *_: interrupt()) for number in wanted}
    try:
        with _console(lambda event: console_event(event, interrupt, is_over)):
            yield
    finally:
        is_over.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def console_event(event: int, interrupt: Callable[[], None], is_over: threading.Event) -> bool:
    """Handle a console event of Windows', in the thread that it brings; False leaves it to the handlers before ours.

    To return is to be ended, so this waits for the run to be written down.
    """
    if event not in _CONSOLE_ENDS:
        return False
    for patience in (_GENTLY, _AT_ONCE):
        interrupt()
        if is_over.wait(patience):
            break
    return True


@contextmanager
def _console(handle: Callable[[int], bool]) -> Iterator[None]:
    """Have Windows call `handle` for each event of the console's; Python's own signals do not tell of all."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  not needed elsewhere
        from ctypes import wintypes  # noqa: PLC0415  the same

        routine = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)(handle)
        kernel = ctypes.WinDLL("kernel32")
        kernel.SetConsoleCtrlHandler(routine, True)
        try:
            yield
        finally:
            kernel.SetConsoleCtrlHandler(routine, False)
    else:
        yield
