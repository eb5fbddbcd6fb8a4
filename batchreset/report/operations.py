"""How long operations took, counted in little memory however many there were."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from batchreset.model import Outcome
from batchreset.report.wording import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where the bars of the histogram begin, in seconds.
_EDGES = (0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)
#: Fewer than that are told by their figures alone.
_WORTH_DRAWING = 20


class Bar(NamedTuple):
    """How many operations took from so long to so long, and their share of the highest bar."""

    label: str
    operations: int
    share: float


class Operations:
    """The time from the service's yes to the end that was seen.

    Where the directory told that a password had changed, nobody knows how long that took: those are counted only.
    """

    def __init__(self) -> None:
        """Begin with none."""
        #: Operations by their seconds, to three figures: some hundreds for each power of ten.
        self._seconds: Counter[float] = Counter()
        self.by_directory = 0

    def add(self, lines: pd.DataFrame) -> None:
        """Count lines of the reconciliation."""
        is_reset = lines["outcome"] == Outcome.SUCCEEDED
        has_ended = is_reset | (lines["outcome"] == Outcome.FAILED)
        followed = lines[
            has_ended & (lines["operation_url"] != "") & (lines["accepted_at"] != "") & (lines["finished_at"] != "")
        ]
        # The directory's word ends a row that nothing else had ended; later on it only confirms.
        by_directory = (followed["verified_at"] != "") & (followed["verified_at"] <= followed["finished_at"])
        self.by_directory += int(by_directory.sum())
        times = followed[~by_directory]
        begin, end = (pd.to_datetime(times[name], format="ISO8601") for name in ("accepted_at", "finished_at"))
        took = (end - begin).dt.total_seconds().clip(lower=0)
        self._seconds.update(float(f"{seconds:.3g}") for seconds in took)

    @property
    def total(self) -> int:
        """How many took a time that is known."""
        return self._seconds.total()

    def figures(self) -> list[tuple[str, str]]:
        """Say how long the median, the slower ones and the longest took; empty where none did."""
        if not self.total:
            return []
        ordered = sorted(self._seconds)
        up_to = list(accumulate(self._seconds[seconds] for seconds in ordered))
        found = [
            (name, ordered[bisect_left(up_to, share * self.total)])
            for name, share in (("Half within", 0.5), ("90% within", 0.9), ("99% within", 0.99))
        ]
        return [(name, describe(seconds)) for name, seconds in (*found, ("Longest", ordered[-1]))]

    def bars(self) -> Sequence[Bar]:
        """Draw the histogram, without empty bars at its ends; none at all where the figures say as much."""
        if self.total < _WORTH_DRAWING:
            return ()
        bins: Counter[int] = Counter()
        for seconds, operations in self._seconds.items():
            bins[bisect_right(_EDGES, seconds) - 1] += operations
        highest = max(bins.values())
        return [Bar(_label(place), bins[place], bins[place] / highest) for place in range(min(bins), max(bins) + 1)]


def _label(place: int) -> str:
    edges = _EDGES[place : place + 2]
    begin, *end = (describe(seconds).removesuffix(" 0 min").removesuffix(" 0 h") for seconds in edges)
    if not end:
        return f"over {begin}"
    return f"{begin} to {end[0]}" if place else f"under {end[0]}"
