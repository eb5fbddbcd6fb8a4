"""The ready rows of one on-premises domain, or of none, in the order in which they are sent."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from batchreset.model import State
from batchreset.status import rows, turns
from batchreset.status.turns import Place

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from batchreset.status.rows import Work

_CHUNK = 500
_BEFORE_ALL = Place(-1, 0)


class Lane:
    """Reads the status table a chunk at a time, and not before somebody asks what is next."""

    def __init__(self, engine: Engine, domain: str, known: set[int]) -> None:
        """Leave out the rows that are `known` when their turn comes: those that are taken out of turn are added."""
        self.domain = domain
        self._engine = engine
        self._known = known
        self._waiting: deque[tuple[Place, Work]] = deque()
        self._read_until = _BEFORE_ALL
        self._is_read_out = False

    @property
    def is_empty(self) -> bool:
        """Whether it is known that there is no more."""
        return self._is_read_out and not self._waiting

    def head(self) -> tuple[Place, Work] | None:
        """Return the next row in turn, and its place."""
        while True:
            while self._waiting and self._waiting[0][1].id in self._known:
                self._waiting.popleft()
            if self._waiting:
                return self._waiting[0]
            if self._is_read_out:
                return None
            self._read_on()

    def scout(self) -> Work | None:
        """Return the next row of an ordinary account, or where there is none, the next in turn."""
        # As many as are known may be among them.
        ordinary = turns.ordinary(self._engine, self.domain, len(self._known) + 1)
        found = next((row for _, row in ordinary if row.id not in self._known), None)
        if found is not None:
            return self.read(found.id)
        head = self.head()
        return head[1] if head else None

    def read(self, reset_id: int) -> Work:
        """Return the row of that id."""
        (work,) = rows.work(self._engine, State.READY, among=[reset_id])
        return work

    def drop(self, work: Work) -> None:
        """Take a row out that is handed out now."""
        if self._waiting and self._waiting[0][1] is work:
            self._waiting.popleft()
        else:
            self._known.add(work.id)

    def _read_on(self) -> None:
        places = turns.places(self._engine, self.domain, self._read_until, _CHUNK)
        works = {work.id: work for work in rows.work(self._engine, State.READY, among=[place.id for place in places])}
        self._waiting.extend((place, works[place.id]) for place in places if place.id in works)
        self._is_read_out = len(places) < _CHUNK
        if places:
            self._read_until = places[-1]
