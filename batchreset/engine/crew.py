"""The workers of a stage: at work until all is done, sent home when the stage is stopped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers by their numbers, and when they stop.

    Those that only wait are sent home then. Those that have a request under way are not, and notice by themselves.
    """

    stopped: asyncio.Event
    under_way: set[int] = field(default_factory=set)

    async def work(self, numbers: Sequence[int], each: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        """Have each number at work until all are done."""
        async with asyncio.TaskGroup() as group:
            tasks = {number: group.create_task(each(number)) for number in numbers}
            stop = group.create_task(self._send_home(tasks))
            await asyncio.wait(tasks.values())
            stop.cancel()

    async def _send_home(self, tasks: dict[int, asyncio.Task[None]]) -> None:
        await self.stopped.wait()
        for number, task in tasks.items():
            if number not in self.under_way:
                task.cancel()
