from __future__ import annotations

from base64 import b64decode
from functools import partial
from typing import TYPE_CHECKING

import pytest

from batchreset.report.charts import LOOKS, Look, draw_outcomes, draw_timeline, pictures, timeline_of

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = {f"2026-11-21T18:00:{second:02}": second % 3 for second in range(20)}
TIMELINE = timeline_of(dict.fromkeys(("accepted", "succeeded", "failed", "throttled"), SECONDS))
assert TIMELINE is not None


@pytest.mark.parametrize(
    "draw",
    [partial(draw_outcomes, {"succeeded": 7, "failed": 2, "unresolved": 1}), partial(draw_timeline, TIMELINE)],
    ids=["outcomes", "timeline"],
)
def test_a_dark_picture_is_the_one_that_would_have_been_drawn(draw: Callable[[Look], str]) -> None:
    """Each look's picture is as if drawn in its own colours, though it is drawn once for each size only."""
    drawn: list[Look] = []

    def noting(look: Look) -> str:
        drawn.append(look)
        return draw(look)

    found = {media: b64decode(uri.partition(",")[2]).decode() for media, uri in pictures(noting)}
    assert found == {look.media: draw(look) for look in LOOKS}
    assert len(drawn) == len({look.width for look in LOOKS}) < len(LOOKS)
