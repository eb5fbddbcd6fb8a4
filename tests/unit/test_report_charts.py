from __future__ import annotations

import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from batchreset.report.charts import LOOKS, Look, _draw_pace, draw_timeline, pictures
from batchreset.report.timeline import timeline_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = {f"2026-11-21T18:00:{second:02}": second % 3 for second in range(20)}
SERIES = ("accepted", "succeeded", "failed", "sent", "refused", "learned")
WIDE = LOOKS[-1]


def test_a_dark_picture_is_the_one_that_would_have_been_drawn() -> None:
    """Each look's picture is as if drawn in its own colours, though it is drawn once for each size only."""
    timeline = timeline_of(dict.fromkeys(SERIES, SECONDS))
    assert timeline is not None
    drawn: list[Look] = []

    def noting(look: Look) -> str:
        drawn.append(look)
        return draw_timeline(timeline, look)

    found = {media: b64decode(uri.partition(",")[2]).decode() for media, uri in pictures(noting)}
    assert found == {look.media: draw_timeline(timeline, look) for look in LOOKS}
    assert len(drawn) == len({look.width for look in LOOKS}) < len(LOOKS)


def labels(**series: Mapping[str, float]) -> set[str]:
    timeline = timeline_of({name: series.get(name, {}) for name in SERIES})
    assert timeline is not None
    return set(re.findall(r">([a-z ]+)</text>", draw_timeline(timeline, WIDE)))


def test_the_pace_is_drawn_below_with_what_there_is_of_it() -> None:
    """Sent, refused and the learned quota, each named where it occurred."""
    at = "2026-11-21T18:00:00"
    everything = {"accepted", "succeeded", "failed", "sent", "refused", "quota learned", "writes a second"}
    assert labels(**{name: {at: 3} for name in SERIES}) == everything | {"seconds of work"}
    assert labels(sent={at: 3}, accepted={at: 3}) == {"sent", "accepted", "writes a second", "seconds of work"}


def test_a_pace_is_by_the_second_however_long_the_run() -> None:
    """Five sent in each second of an hour and a half are drawn as five a second throughout: one step up, one down."""
    start = datetime(2026, 11, 21, 18, tzinfo=UTC)
    steady = {(start + timedelta(seconds=second)).isoformat(): 5.0 for second in range(5440)}
    timeline = timeline_of({name: steady if name == "sent" else {} for name in SERIES})
    assert timeline is not None
    figure = Figure()
    axes = figure.subplots()
    _draw_pace(axes, timeline, WIDE, 60.0)
    (stairs,) = axes.patches
    assert isinstance(stairs, StepPatch)
    values, edges, _ = stairs.get_data()
    assert set(values[:160]) == {5.0}
    assert edges[160] == pytest.approx(5440 / 60)


def test_long_pauses_are_cut_out_of_the_time_axis() -> None:
    """A run resumed the next day shows its two hours of work, not the night between."""
    timeline = timeline_of(
        {
            "accepted": {"2026-11-21T12:00:00": 2, "2026-11-21T12:05:00": 1},
            "succeeded": {"2026-11-22T12:05:00": 3},
        }
    )
    assert timeline
    assert timeline.events["accepted"] == ([0.0, 300.0], [2.0, 1.0])
    assert timeline.events["succeeded"] == ([315.0], [3.0])  # 5% of the 300 seconds stand for the pause
    assert timeline.pauses == [(307.5, 86400.0)]
    assert (timeline.end, timeline.total("succeeded")) == (315.0, 3)
    assert timeline_of({"accepted": {}}) is None
