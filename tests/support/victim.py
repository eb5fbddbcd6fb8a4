"""A process that carries out a run and dies when it is told to.

Processes are forked from one that has everything imported, where the system can do that: a life takes a tenth of a
second of work. A victim commits one move at a time and waits for nothing longer than it must, so that it gets to every
moment of a run's life soon.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import multiprocessing
import os
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from aiohttp import ClientResponse

from batchreset.auth.token import GivenToken
from batchreset.engine import leftovers, pool, steps
from batchreset.engine.keys import key_needed
from batchreset.engine.result import exit_status
from batchreset.engine.resume import agree, prepare
from batchreset.engine.runner import Means, carry_out
from batchreset.gather import restore
from batchreset.graph.resets import send_reset
from batchreset.graph.steps import send_step
from batchreset.policy import attempts, schedule
from batchreset.policy.durations import Durations
from batchreset.secret import Secret
from batchreset.status import database, record, writer
from batchreset.status.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from batchreset.secret import Secret as Password

#: To start a process is to ask after all others, whose statuses can be read once only.
_ONE_AT_A_TIME = threading.Lock()
_EVERY = 0.01
_HAS_FORK = sys.platform != "win32"
_PROCESSES: Any = multiprocessing.get_context("forkserver" if _HAS_FORK else "spawn")
if _HAS_FORK:
    _PROCESSES.set_forkserver_preload(["tests.support.victim", "batchreset.report.publish", "matplotlib.figure"])


class Moment(IntEnum):
    """At which a victim can die by its own hand; as numbers, the exit statuses that say so."""

    BEFORE_COMMIT = 91
    AFTER_COMMIT = 92
    #: The bytes of a write are out, and no answer has been read.
    AFTER_SEND = 93
    #: It has been read, and nothing of it has been put.
    AFTER_ANSWER = 94


@dataclass(frozen=True)
class Life:
    """What a process is to do: carry out the run in `folder`, up to its `last` moment, with the key or without."""

    folder: Path
    token: str
    last: float = math.inf
    has_key: bool = True


def begin(target: Any, *arguments: Any) -> BaseProcess:
    """Start a process that calls `target`."""
    process: BaseProcess = _PROCESSES.Process(target=target, args=arguments, daemon=True)
    with _ONE_AT_A_TIME:
        process.start()
    return process


def ended(process: BaseProcess, within: float) -> int | None:
    """Return the status that a process ends with in so many seconds; None where it does not."""
    last = time.monotonic() + within
    while True:
        with _ONE_AT_A_TIME:
            if process.exitcode is not None or time.monotonic() >= last:
                return process.exitcode
        time.sleep(_EVERY)


def pipe() -> Any:
    """Make two ends to talk through."""
    return _PROCESSES.Pipe()


@contextmanager
def victim(life: Life) -> Iterator[BaseProcess]:
    """Run a victim beside this process; it is not left behind."""
    names = ("BATCHRESET_IDENTITY", "BATCHRESET_TOKEN_CACHE", "XDG_STATE_HOME")
    environment = {name: os.environ[name] for name in names if name in os.environ}
    process = begin(_live, life, environment)
    try:
        yield process
    finally:
        process.kill()
        ended(process, math.inf)


def _live(life: Life, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    # Whoever has a run of its own has no other's tenant to wait for.
    os.environ["XDG_STATE_HOME"] = str(life.folder.parent / "state")
    _hurry()
    _die_at(life.last)
    os._exit(asyncio.run(_go_on(life)))


async def _go_on(life: Life) -> int:
    tokens, folder = GivenToken(Secret(life.token)), life.folder
    engine = database.connect(folder)
    settings = restore(record.load(engine).settings)
    engine.dispose()
    agree(await prepare(folder, settings, tokens))
    summary = await carry_out(folder, settings, Means(tokens, key_needed(folder) if life.has_key else None))
    return exit_status(summary, ())


def _hurry() -> None:
    """Look at operations, ask the directory and try again at once: what is waited for here takes milliseconds."""
    schedule._FIRST, schedule._LONGEST, schedule._LEAST = 0.05, 0.2, 0.02
    attempts.FIRST_BACKOFF = 0.02
    leftovers._FOLLOWED_AT_LEAST = 1.0
    Durations.next_wait = lambda *_: 0.05  # type: ignore[method-assign]


def _die_at(last: float) -> None:
    """See to it that this process makes one move a commit, and dies at its `last` moment."""
    numbers, write, start = itertools.count(1), Writer._write, ClientResponse.start

    def come_to(moment: Moment) -> None:
        if next(numbers) == last:
            os._exit(moment)

    def write_one_by_one(self: Writer, items: Any) -> None:
        for item in items:
            come_to(Moment.BEFORE_COMMIT)
            write(self, [item])
            come_to(Moment.AFTER_COMMIT)

    async def start_reading(self: ClientResponse, connection: Any) -> ClientResponse:
        if self.method == "PATCH" or self.url.path.endswith(("/resetPassword", "/revokeSignInSessions")):
            await asyncio.sleep(0.005)  # the last bytes may go out by a task of their own
            come_to(Moment.AFTER_SEND)
        return await start(self, connection)

    async def send(graph: Any, request: Any) -> tuple[Any, Password | None]:
        told = await send_reset(graph, request)
        come_to(Moment.AFTER_ANSWER)
        return told

    async def take_step(*request: Any) -> Any:
        told = await send_step(*request)
        come_to(Moment.AFTER_ANSWER)
        return told

    writer._GATHER = 0.0
    Writer._write = write_one_by_one  # type: ignore[method-assign]
    ClientResponse.start = start_reading  # type: ignore[method-assign]
    vars(pool)["send_reset"] = send
    vars(steps)["send_step"] = take_step
