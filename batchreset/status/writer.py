"""The one thread that writes the status table while a run is under way.

`put` is a plain call, so a cancelled task cannot lose an answer; `commit` is awaited, for intents. Whatever queued up
during one commit makes up the next, so the cost of a sync to disk is shared by all workers.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from sqlalchemy.exc import DatabaseError, IntegrityError

from batchreset.errors import StatusTableError
from batchreset.status.changes import MOVE, ORDER, Change, IllegalMoveError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from sqlalchemy import Connection, CursorResult, Engine
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.dml import Insert, Update

#: While the disk refuses: how long between two tries, and how long the end of a run waits for it.
_RETRY_EVERY = 0.5
_LAST_CHANCE = 10.0
#: How long a commit waits for others to share it. Next to a request it is nothing, and it saves most of the syncs.
_GATHER = 0.002


class _Item(NamedTuple):
    changes: tuple[Change, ...]
    done: asyncio.Future[None] | None


class Writer:
    """Writes changes in the order they were put. Use as a context manager; leaving it drains what is queued.

    `on_broken` is called, from the writer's thread, when a commit fails: sending has to stop. What was put stays in
    memory and is tried again until the disk takes it. Leaving raises `StatusTableError` when it never did.
    """

    def __init__(self, engine: Engine, on_broken: Callable[[str], None]) -> None:
        """Write through `engine`."""
        self._engine = engine
        self._on_broken = on_broken
        self._texts = {statement: _Text(statement.compile(dialect=engine.dialect)) for statement in ORDER}
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._fault: BaseException | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="status-writer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._queue.put(None)
        self._thread.join()
        if self._fault is not None:
            raise self._fault from error

    def put(self, *changes: Change) -> None:
        """Queue changes that belong together; they are on disk together or not at all.

        Raises `StatusTableError` where nothing can be written any more.
        """
        self._refuse_if_stopped()
        self._queue.put(_Item(changes, None))

    async def commit(self, *changes: Change) -> None:
        """Queue changes and wait until they are on disk."""
        self._refuse_if_stopped()
        done = asyncio.get_running_loop().create_future()
        self._queue.put(_Item(changes, done))
        await done

    def _refuse_if_stopped(self) -> None:
        if self._fault is not None or self._closing.is_set():
            raise StatusTableError

    def _work(self) -> None:
        open_ = True
        while open_:
            items, open_ = self._take()
            if not items:
                continue
            try:
                self._write(items)
            except BaseException as error:  # noqa: BLE001  handed to whoever waits, puts or closes
                self._fault = error
            _settle(items, is_written=self._fault is None)
            if self._fault is not None:
                self._on_broken(str(self._fault))
                self._refuse_the_rest()
                return

    def _take(self) -> tuple[list[_Item], bool]:
        """Wait for one item and take all that queued up meanwhile; False when the writer is to close."""
        items: list[_Item] = []
        item = self._queue.get()
        if item is not None and not self._closing.is_set():
            time.sleep(_GATHER)
        while True:
            if item is None:
                return items, False
            items.append(item)
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return items, True

    def _write(self, items: Sequence[_Item]) -> None:
        """Commit the items, trying for as long as the run lasts and a little longer."""
        last_chance: float | None = None
        while True:
            try:
                with self._engine.begin() as connection:
                    self._apply(connection, items)
            except IntegrityError:  # a fault of ours, which time does not mend
                raise
            except DatabaseError as error:
                why = f"the status table cannot be written ({error.orig})"
                self._on_broken(why)
                if self._closing.is_set():
                    last_chance = last_chance or time.monotonic() + _LAST_CHANCE
                    if time.monotonic() > last_chance:
                        raise StatusTableError(f"{why}; what the last answers said is not on disk.") from error
                time.sleep(_RETRY_EVERY)
            else:
                return

    def _refuse_the_rest(self) -> None:
        while not self._closing.is_set() or not self._queue.empty():
            items, open_ = self._take()
            _settle(items, is_written=False)
            if not open_:
                return

    def _apply(self, connection: Connection, items: Sequence[_Item]) -> None:
        rows: dict[Insert | Update, list[dict[str, Any]]] = {statement: [] for statement in ORDER}
        for item in items:
            for change in item.changes:
                rows[change.statement].append(change.values)
        for statement, values in rows.items():
            if not values:
                continue
            result = self._texts[statement].execute(connection, values)
            if statement is MOVE and result.rowcount != len(values):
                raise IllegalMoveError(f"{len(values)} moves, {result.rowcount} of them from the state the row is in")


class _Text:
    """A statement compiled once for all: its values are plain, and what SQLAlchemy does for each adds up."""

    def __init__(self, compiled: SQLCompiler) -> None:
        self._sql = compiled.string
        self._names = compiled.positiontup  # None where the driver takes values by name

    def execute(self, connection: Connection, values: Sequence[dict[str, Any]]) -> CursorResult[Any]:
        if self._names is None:
            return connection.exec_driver_sql(self._sql, list(values))
        return connection.exec_driver_sql(self._sql, [tuple(map(row.__getitem__, self._names)) for row in values])


def _settle(items: Sequence[_Item], *, is_written: bool) -> None:
    waiting = [item.done for item in items if item.done is not None]
    if waiting:
        try:
            waiting[0].get_loop().call_soon_threadsafe(_resolve, waiting, is_written)
        except RuntimeError:  # the loop has closed: nobody waits any more
            return


def _resolve(waiting: Sequence[asyncio.Future[None]], is_written: bool) -> None:  # noqa: FBT001  called by the loop
    for done in waiting:
        if done.cancelled():
            continue
        if is_written:
            done.set_result(None)
        else:
            done.set_exception(StatusTableError())
