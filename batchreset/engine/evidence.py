"""What the directory says of each account once all is over, kept beside what it said before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchreset.clock import timestamp
from batchreset.engine import events
from batchreset.errors import DirectoryError, SignInError
from batchreset.graph.directory import LookUpRefusedError
from batchreset.graph.queries import LOOKUP_SIZE
from batchreset.status.changes import logged, witnessed
from batchreset.status.evidence import unwitnessed

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from batchreset.engine.control import Control
    from batchreset.graph.directory import Directory
    from batchreset.status.writer import Writer

#: $batch requests under way at once.
_BATCHES = 4
#: Seconds that all of it may take: there may be no end to being throttled.
_AT_MOST = 900.0
#: What it says of an account that it does not know any more.
_NOBODY = "null"


async def look_after(engine: Engine, directory: Directory, writer: Writer, control: Control) -> None:
    """Ask the directory once more of each row that was sent, unless the run is being stopped; that ends it at once.

    What has ended is on disk by now. Where the directory is refused, cannot be reached or takes too long, the audit
    trail says so, and the next start asks again.
    """
    if control.caring_stopped.is_set():
        return
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(_ask(engine, directory, writer))
        stopped = group.create_task(control.caring_stopped.wait())
        ended, _ = await asyncio.wait({asking, stopped}, timeout=_AT_MOST, return_when=asyncio.FIRST_COMPLETED)
        if not ended:
            _tell(writer, f"the directory took longer than {_AT_MOST / 60:.0f} minutes")
        elif asking not in ended:
            _tell(writer, "it was interrupted")
        asking.cancel()
        stopped.cancel()


async def _ask(engine: Engine, directory: Directory, writer: Writer) -> None:
    places = asyncio.Semaphore(_BATCHES)

    async def ask(chunk: dict[str, int]) -> None:
        try:
            found = await directory.find(list(chunk))
        finally:
            places.release()
        now = timestamp()
        said = {key: accounts[0].said if (accounts := found.get(key)) else _NOBODY for key in chunk}
        writer.put(*(witnessed(reset_id, now, said[key]) for key, reset_id in chunk.items()))

    try:
        async with asyncio.TaskGroup() as group:
            for chunk in unwitnessed(engine, LOOKUP_SIZE):
                await places.acquire()
                group.create_task(ask(chunk))
    except* (DirectoryError, LookUpRefusedError, SignInError) as refused:
        _tell(writer, str(refused.exceptions[0]))


def _tell(writer: Writer, because: str) -> None:
    writer.put(logged("evidence not taken", because=because))
    events.tell("evidence not taken", because=because)
