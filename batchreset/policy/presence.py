"""For how many seconds there was anybody, of those who come and go."""

from __future__ import annotations


class Presence:
    """A place and those in it, counted. `now` is of any clock that does not go back, the same one every time."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._there = 0
        self._since = 0.0
        self._lasted = 0.0

    def come(self, now: float) -> None:
        """Note that one more is there."""
        if not self._there:
            self._since = now
        self._there += 1

    def go(self, now: float) -> None:
        """Note that one has gone."""
        self._there -= 1
        if not self._there:
            self._lasted += now - self._since

    def lasted(self, now: float) -> float:
        """Return the seconds until now in which somebody was there."""
        return self._lasted + (now - self._since if self._there else 0.0)
