"""What happened when, on an axis of working time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Hours in which nothing happened (between two starts, say) are cut out of the time axis.
_LONGEST_IDLE = 600.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened when, on an axis of working time: seconds since the first event, with long pauses cut out.

    `events` has, for each series, the places on the axis and the number of events at each (`learned`: the rate that was
    found there); `pauses` has the places where time was cut out, and how many seconds.
    """

    events: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    end: float
    pauses: Sequence[tuple[float, float]]

    def total(self, series: str) -> int:
        """Count a series' events."""
        return int(sum(self.events[series][1]))


def timeline_of(by_second: Mapping[str, Mapping[str, float]]) -> Timeline | None:
    """Lay events, counted by the second they fell in, on one axis; None when there are none."""
    moments = sorted({datetime.fromisoformat(second) for seconds in by_second.values() for second in seconds})
    if not moments:
        return None
    idle = [(after - before).total_seconds() for before, after in pairwise(moments)]
    cut_to = max(1.0, 0.05 * sum(seconds for seconds in idle if seconds <= _LONGEST_IDLE))
    at = 0.0
    place = {moments[0].isoformat(): at}
    pauses = []
    for moment, seconds in zip(moments[1:], idle, strict=True):
        if seconds > _LONGEST_IDLE:
            pauses.append((at + cut_to / 2, seconds))
        at += cut_to if seconds > _LONGEST_IDLE else seconds
        place[moment.isoformat()] = at
    events = {
        name: ([place[second] for second in seconds], list(seconds.values())) for name, seconds in by_second.items()
    }
    return Timeline(events, max(at, 1.0), pauses)
