"""Virtual time: an event loop whose clock jumps to the next timer as soon as nothing else has anything to say."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

#: Virtual seconds on the clock of a new loop: not 0, so that nobody takes the beginning for "never".
BEGINNING = 1000.0


def run_virtual(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` to its end in virtual time: hours of `asyncio.sleep` pass in milliseconds.

    Real loopback sockets may be used, and threads may work: `loop.time()` stands still while they have something to
    say. Tasks left over are cancelled and the loop is closed, as `asyncio.run` does it.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a clock of its own, in seconds."""

    def __init__(self) -> None:
        self._selector_with_clock = _Selector()
        super().__init__(self._selector_with_clock)

    def time(self) -> float:
        return self._selector_with_clock.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]  # typeshed has TypeVarTuples here
        future = super().run_in_executor(executor, func, *args)
        self._selector_with_clock.working += 1
        future.add_done_callback(self._worked)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109  Python 3.12's signature; joining threads takes real time, which this clock cannot measure
        await super().shutdown_default_executor()

    def _worked(self, _future: asyncio.Future[Any]) -> None:
        self._selector_with_clock.working -= 1


class _Selector(selectors.DefaultSelector):
    """Waits for I/O a moment of real time instead of for the next timer, then moves the clock there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGINNING
        #: Calls under way in executors.
        self.working = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        # The longer the jump, the more likely it is a timeout that should not strike a thread that is merely slow.
        events = super().select(min(max(0.002, timeout / 10_000), 0.05))
        if not events and not self.working:
            self.now += timeout
        return events
