"""The feed: which row is next."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from batchreset.model import State
from batchreset.status import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine

    from batchreset.engine.control import Control
    from batchreset.status.rows import Work

_CHUNK = 500


class Feed:
    """Rows for the workers: first those found in doubt at the start, then the ready ones in input order."""

    def __init__(self, engine: Engine, first: Iterable[Work], control: Control, limit: int | None = None) -> None:
        """Read the status table a chunk at a time; hand out no more rows than `limit`."""
        self._engine = engine
        self._waiting = deque(first)
        # They pass through `ready` on their way, and must not be handed out again then.
        self._handed_out = {work.id for work in self._waiting}
        self._control = control
        self._limit = limit
        self._taken = 0
        self._last = 0

    def take(self) -> Work | None:
        """Return the next row; None when there is no more, or sending has stopped."""
        if self._control.sending_stopped.is_set():
            return None
        if self._taken == self._limit:
            # Those handed out go on: a row that is begun is carried through, retries and all.
            self._control.cut_short_by = f"--limit {self._limit}"
            return None
        while not self._waiting:
            chunk = rows.work(self._engine, State.READY, after=self._last, limit=_CHUNK)
            if not chunk:
                return None
            self._last = chunk[-1].id
            self._waiting.extend(work for work in chunk if work.id not in self._handed_out)
        self._taken += 1
        return self._waiting.popleft()
