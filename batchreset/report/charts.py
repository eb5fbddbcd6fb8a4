"""The report's picture, as SVG in data URIs: matplotlib takes a second to import, so import this where it is drawn."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from batchreset.model import Outcome
from batchreset.report.wording import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from matplotlib.axes import Axes

    from batchreset.report.timeline import Timeline

#: Text stays text, in the reader's own font; ids are the same each time, so that the same run gives the same file.
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "batchreset",
    "font.family": "sans-serif",
    "font.sans-serif": ["Segoe UI", "Helvetica Neue", "Roboto", "Noto Sans", "Arial", "DejaVu Sans"],
}
_HUE = re.compile("#[0-9a-f]{6}")
_BINS = 160
#: What the picture says of itself, which nobody sees, is left out; and what lies between its parts.
_UNSAID = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_BETWEEN = re.compile(r"\s*\n\s*")


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of a page and the size of its pictures, in inches; `media` says where it applies."""

    media: str
    ink: str
    line: str
    colours: Mapping[str, str]
    width: float
    height: float


_LIGHT = {
    "accepted": "#3b6fd4",
    "sent": "#9db6e4",
    "refused": "#8a5cd1",
    "learned": "#c2410c",
    Outcome.SUCCEEDED: "#1b7f53",
    Outcome.FAILED: "#cf3341",
}
_DARK = {
    "accepted": "#7aa7ff",
    "sent": "#3f5c91",
    "refused": "#b993f5",
    "learned": "#ff9d5c",
    Outcome.SUCCEEDED: "#4fc38c",
    Outcome.FAILED: "#ff7a80",
}
#: The first that fits is shown; the last one has no condition.
LOOKS = (
    Look("screen and (prefers-color-scheme: dark) and (max-width: 640px)", "#a3adba", "#39424e", _DARK, 4.4, 4),
    Look("screen and (prefers-color-scheme: dark)", "#a3adba", "#39424e", _DARK, 10, 4.4),
    Look("screen and (max-width: 640px)", "#5a6573", "#dde2e8", _LIGHT, 4.4, 4),
    Look("", "#5a6573", "#dde2e8", _LIGHT, 10, 4.4),
)


def pictures(draw: Callable[[Look], str]) -> Iterator[tuple[str, str]]:
    """Draw a picture for every look; yield each one's media condition and the SVG as a data URI.

    It is drawn once for each size, in the colours of a light page: in a dark one it is the same in other colours.
    """
    drawn = {look.width: (look, draw(look)) for look in LOOKS if look.colours is _LIGHT}
    for look in LOOKS:
        light, svg = drawn[look.width]
        others = dict(zip(_hues(light), _hues(look), strict=True))
        picture = _HUE.sub(lambda hue: others.get(hue[0], hue[0]), svg)  # noqa: B023  called at once
        yield look.media, f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}"


def _hues(look: Look) -> list[str]:
    return [look.ink, look.line, *(look.colours[name] for name in _LIGHT)]


def draw_timeline(timeline: Timeline, look: Look) -> str:
    """Draw how many were accepted, succeeded and failed over time, and below at which pace that went, as SVG."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(look.width, look.height))
        axes = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        # Set by hand, in inches: a layout that is reckoned out takes as long as the drawing.
        figure.subplots_adjust(
            0.55 / look.width, 0.5 / look.height, 1 - 0.1 / look.width, 1 - 0.1 / look.height, 0, 0.25
        )
        unit, seconds = _unit(timeline.end)
        edges = np.linspace(0, timeline.end, _BINS + 1)
        for name, dashes in (("accepted", (4, 2)), (Outcome.SUCCEEDED, ()), (Outcome.FAILED, (1, 1))):
            if timeline.total(name):
                so_far = np.cumsum(_binned(timeline, name, edges))
                axes[0].plot(
                    edges / seconds,
                    np.append(0, so_far),
                    color=look.colours[name],
                    dashes=dashes,
                    linewidth=2,
                    label=name,
                )
        _draw_pace(axes[1], timeline, look, seconds)
        for position, idle in timeline.pauses:
            for each in axes:
                each.axvline(position / seconds, color=look.ink, linewidth=1, dashes=(2, 3))
            axes[0].annotate(
                f"{describe(idle)} without events",
                (position / seconds, 1),
                (4, -4),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
                fontsize=9,
                color=look.ink,
            )
        axes[-1].set_xlabel(f"{unit} of work", fontsize=9, color=look.ink)
        for each in axes:
            _dress(each, look)
        _name_series(axes[0], look)
        return _svg(figure)


def _draw_pace(axes: Axes, timeline: Timeline, look: Look, unit: float) -> None:
    """Draw the writes a second that were sent, those of them refused, and the quota as it was learned."""
    width = max(1, math.ceil(timeline.end / _BINS))  # whole seconds, since events are known by the second
    edges = np.arange(0, timeline.end + 1 + width, width)
    for name in ("sent", "refused"):
        if timeline.total(name):
            rate = _binned(timeline, name, edges) / width
            axes.stairs(rate, edges / unit, fill=True, color=look.colours[name], label=name)
    places, rates = timeline.events["learned"]
    if places:
        line = np.array([*places, edges[-1]]) / unit
        axes.step(line, [*rates, rates[-1]], where="post", color=look.colours["learned"], label="quota learned")
    axes.set_title("writes a second", loc="left", fontsize=9, color=look.ink)
    _name_series(axes, look, bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0, columnspacing=1, handlelength=1)


def _unit(end: float) -> tuple[str, float]:
    """Choose the unit of an axis: the largest of which it has three at least."""
    return next((unit for unit in (("hours", 3600.0), ("minutes", 60.0)) if end >= 3 * unit[1]), ("seconds", 1.0))


def _binned(timeline: Timeline, series: str, edges: np.ndarray) -> np.ndarray:
    places, numbers = timeline.events[series]
    return np.histogram(places, bins=edges, weights=numbers)[0]


def _name_series(axes: Axes, look: Look, **place: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", frameon=False, labelcolor=look.ink, fontsize=9, **place)


def _dress(axes: Axes, look: Look) -> None:
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(look.line)
    axes.grid(axis="y", color=look.line, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=look.ink, labelsize=9, length=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.set_xlim(left=0)


def _svg(figure: Figure) -> str:
    picture = BytesIO()
    figure.savefig(picture, format="svg", transparent=True, metadata=_UNSAID)
    return _BETWEEN.sub(" ", picture.getvalue().decode())
