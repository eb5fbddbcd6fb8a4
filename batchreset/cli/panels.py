"""Where runs stand, as a terminal shows it: in colours where there are some, at any width."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.console import Group
from rich.table import Table
from rich.text import Text

from batchreset.cli.standing import doing, next_step, sealed_text, source_of, when
from batchreset.cli.terminal import plain
from batchreset.model import Outcome, RunState
from batchreset.report.advice import advice_on
from batchreset.report.wording import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console, RenderableType

    from batchreset.engine.glance import Glance


class _Part(NamedTuple):
    """A part of the cohort: its colour, and how it is drawn with colours, without, and where there is ASCII only."""

    colour: str
    glyphs: tuple[str, str, str]


_IN_FLIGHT = "in flight"
_PARTS = {
    Outcome.SUCCEEDED: _Part("green", ("█", "█", "#")),
    Outcome.FAILED: _Part("red", ("█", "▚", "x")),
    Outcome.UNRESOLVED: _Part("yellow", ("█", "▒", "?")),
    _IN_FLIGHT: _Part("blue", ("█", "▓", "+")),
    Outcome.EXCLUDED: _Part("bright_black", ("█", "░", "-")),
    Outcome.NOT_ATTEMPTED: _Part("bright_black", ("─", "─", ".")),
}
_STATES = {
    RunState.PLANNED: "blue",
    RunState.RUNNING: "blue",
    RunState.HALTED: "red",
    RunState.INTERRUPTED: "yellow",
    RunState.FINISHED: "green",
}
#: What a row that has had no turn is called where that is as it should be.
_WAITING = {RunState.PLANNED: "to be reset", RunState.RUNNING: "waiting"}
_WIDEST = 100
_SMALL_BAR, _TINY_BAR = 12, 7
_MOST_REASONS = 5
#: What a table of runs leaves for a cohort's name; where there is less room, each run gets lines of its own.
_SHORTEST_NAME, _LONGEST_NAME = 8, 24
_GAP = 2


def view_of(glance: Glance, console: Console, *, is_watched: bool = False) -> RenderableType:
    """Draw where a run stands; one that is watched is drawn in fewer lines."""
    run = glance.run
    about = [source_of(glance), run.operator.tenant, run.ticket or "", f"{when(glance)} UTC"]
    if run.seconds and run.state is not RunState.RUNNING:
        about.append(f"took {describe(run.seconds)}")
    parts: list[RenderableType] = [
        Text.assemble(_id_of(glance), "  ", _state_of(glance)),
        Text(plain(", ".join(filter(None, about))), "dim"),
    ]
    if run.halted_because:
        parts.append(Text(plain(f"Because {run.halted_because}"), "red"))
    parts += ["", _bar(glance, min(console.width, _WIDEST), console), _legend(glance, console), ""]
    if glance.attention:
        parts += [_attention(glance, is_brief=is_watched), ""]
    facts = [*doing(glance), ("Next", next_step(glance, is_watched=is_watched))]
    if sealed := sealed_text(glance):
        facts.append(("Mind", sealed))
    return Group(*parts, _facts(facts))


def show_runs(glances: Sequence[Glance], console: Console) -> None:
    """Print runs as a table; on a narrow terminal as lines of their own. Nothing is cut but the cohorts' names."""
    lines = [
        {
            "Run": _id_of(glance),
            "State": _state_of(glance),
            "Cohort": Text(plain(source_of(glance))),
            "Rows": Text(f"{glance.rows:,}"),
            "": _bar(glance, _SMALL_BAR, console),
            "UTC": Text(when(glance)),
            "Took": Text(_took(glance)),
        }
        for glance in glances
    ]
    widths = {name: max(cell_len(name), *(line[name].cell_len for line in lines)) for name in lines[0]}
    widths["Cohort"] = min(widths["Cohort"], _LONGEST_NAME)
    widths["Cohort"] -= max(sum(widths.values()) + _GAP * len(widths) - console.width, 0)
    if widths["Cohort"] < _SHORTEST_NAME:
        for glance in glances:
            state = _state_of(glance)
            state.pad_right(widths["State"] - len(state))
            told = Text("  ").append_text(state).append(f"{glance.rows:>8,} rows {when(glance)} ")
            console.print(_id_of(glance), soft_wrap=True)
            console.print(told.append_text(_bar(glance, _TINY_BAR, console)))
            _print_mind(glance, console)
        return
    table = Table(box=None, pad_edge=False, header_style="bold dim", padding=(0, _GAP, 0, 0))
    for name, width in widths.items():
        table.add_column(name, width=width, no_wrap=True, justify="right" if name == "Rows" else "left")
    for line in lines:
        table.add_row(*line.values())
    console.print(table)
    for glance in glances:
        _print_mind(glance, console)


def _print_mind(glance: Glance, console: Console) -> None:
    if sealed := sealed_text(glance):
        console.print(Text(plain(f"  {glance.run.run_id}: {sealed}"), "yellow"), soft_wrap=True)


def _id_of(glance: Glance) -> Text:
    return Text(plain(glance.run.run_id), "bold")


def _took(glance: Glance) -> str:
    return describe(glance.run.seconds) if glance.run.seconds else ""


def _state_of(glance: Glance) -> Text:
    state = glance.run.state
    told = Text(state, f"bold {_STATES[state]}")
    return told.append(" (rehearsal)", "magenta") if glance.run.rehearsal else told


def _counts(glance: Glance) -> Mapping[str, int]:
    """Count the rows by the parts that are drawn, in their order."""
    return {part: glance.in_flight if part is _IN_FLIGHT else glance.outcomes[Outcome(part)] for part in _PARTS}


def _glyph(part: str, console: Console) -> tuple[str, str]:
    """Return what a part is drawn as, and its style."""
    colour, (coloured, shade, ascii_) = _PARTS[part]
    is_coloured = console.color_system is not None and not console.no_color
    return ascii_ if console.options.ascii_only else coloured if is_coloured else shade, colour


def _bar(glance: Glance, width: int, console: Console) -> Text:
    """Draw the parts of the cohort side by side; none that occurs is too small to be seen."""
    counts = {part: count for part, count in _counts(glance).items() if count}
    cells = {part: max(1, count * width // glance.rows) for part, count in counts.items()}
    if cells:
        cells[max(cells, key=cells.__getitem__)] += width - sum(cells.values())
    drawn = Text()
    for part, number in cells.items():
        glyph, style = _glyph(part, console)
        drawn.append(glyph * number, style)
    return drawn


def _legend(glance: Glance, console: Console) -> Table:
    grid = Table.grid(padding=(0, 1))
    for justify in ("left", "right", "left", "right"):
        grid.add_column(justify=justify, no_wrap=True)
    for part, count in _counts(glance).items():
        if count or part is Outcome.SUCCEEDED:
            glyph, style = _glyph(part, console)
            name = _WAITING.get(glance.run.state, "not attempted") if part is Outcome.NOT_ATTEMPTED else part
            share = Text(_share(count, glance.rows), "dim")
            grid.add_row(Text(glyph, style), Text(f"{count:,}", "bold"), Text(name), share)
    return grid


def _share(count: int, rows: int) -> str:
    """Write a part in per cent: 0 is none, and 100 is all."""
    if not 0 < count < rows:
        return f"{count / rows:.1%}" if rows else ""
    return f"{min(max(count / rows, 0.001), 0.999):.1%}"


def _attention(glance: Glance, *, is_brief: bool) -> Table:
    """Name the reasons that need somebody, with what to do unless it is to be brief."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column()
    told = glance.attention
    for outcome, reason, count in told[:_MOST_REASONS]:
        advice = advice_on(reason)
        line = Text.assemble((advice.title, "bold"), f" ({outcome}, {reason})")
        if not is_brief:
            line.append(f"\n{advice.step}", "dim")
        grid.add_row(Text(f"{count:,}", f"bold {_PARTS[outcome].colour}"), line)
    if more := told[_MOST_REASONS:]:
        grid.add_row(Text(f"{sum(count for *_, count in more):,}"), Text("for other reasons", "dim"))
    return grid


def _facts(facts: Iterable[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in facts:
        grid.add_row(Text(name, "dim"), Text(plain(text)))
    return grid
