"""Where runs stand, in plain words and as JSON values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchreset.cli.words import quoted
from batchreset.clock import seconds_since
from batchreset.model import Outcome, RunState, State
from batchreset.report.wording import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchreset.engine.glance import Glance

#: After a week, in seconds, passwords should have been handed over.
_LONG_SEALED = 7 * 86400
#: Seconds without a send from which on a run is told to be waiting.
_WAITS = 5.0


def values_of(glance: Glance) -> dict[str, Any]:
    """Return where a run stands as JSON values; counts are by outcome, open rows apart."""
    run, details = glance.run, glance.details
    values = {
        "run_id": run.run_id,
        "folder": str(glance.folder),
        "state": run.state,
        "rehearsal": run.rehearsal,
        "tenant": run.operator.tenant,
        "cohort": [source.name for source in run.sources],
        "rows": glance.rows,
        "counts": glance.outcomes,
        "in_flight": glance.in_flight,
        "halted_because": run.halted_because,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "sealed_since": glance.sealed_since,
    }
    if details is None:
        return values
    reasons: dict[str, int] = {}
    for (_, reason), count in details.reasons.items():
        reasons[reason] = reasons.get(reason, 0) + count
    return values | {
        "reasons": reasons,
        "rate": round(details.rate, 3),
        "quota": details.quota,
        "throttled": details.throttled,
        "seconds_left": glance.seconds_left and round(glance.seconds_left, 1),
    }


def line_of(glance: Glance) -> str:
    """Say in a line where a run stands."""
    run = glance.run
    told = [f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in glance.outcomes.items() if count]
    if glance.in_flight:
        told.append(f"{glance.in_flight:,} in flight")
    rehearsal = ", rehearsal" if run.rehearsal else ""
    because = f" ({run.halted_because})" if run.halted_because else ""
    return f"{run.run_id}  {run.state}{because}{rehearsal}  {glance.rows:,} rows: {', '.join(told)}"


def sealed_text(glance: Glance) -> str | None:
    """Point out that a run's passwords have been sealed for long, and what to do; None where they have not."""
    since = glance.sealed_since
    if since is None or seconds_since(since) < _LONG_SEALED:
        return None
    forget = f"batchreset passwords {quoted(glance.folder)} --forget"
    return f"its passwords have been sealed since {since[:10]}; once they are handed over: {forget}"


def doing(glance: Glance) -> Iterator[tuple[str, str]]:
    """Say what a run does just now, and what it has learned: a few lines, each under its name."""
    run, details, left = glance.run, glance.details, glance.counts[State.READY]
    if details is None:
        return
    if run.state is RunState.RUNNING:
        if run.finished_at:
            yield "Now", "it has ended; its report is being written"
        elif left and details.idle is None:
            yield "Now", "no reset has been sent yet"
        elif left and details.idle and details.idle > _WAITS:
            yield "Now", f"waiting; the last reset was sent {duration(details.idle)} ago"
        elif left:
            yield "Now", f"sending {details.rate:.1f} resets a second"
        elif glance.in_flight:
            yield "Now", f"all are sent; {glance.in_flight:,} are followed to their end"
        else:
            yield "Now", "all rows have ended; what comes after a reset is being done"
        if glance.seconds_left is not None:
            yield "Left", f"about {duration(glance.seconds_left)} until all are sent"
    if details.quota is not None or details.throttled:
        learned = "" if details.quota is None else f"{details.quota:.1f} writes a second"
        refused = f"{details.throttled:,} refused for it" if details.throttled else ""
        yield "Quota", "; ".join(filter(None, (learned, refused)))


def next_step(glance: Glance, *, is_watched: bool = False) -> str:
    """Say what to do next."""
    run, folder, counts = glance.run, quoted(glance.folder), glance.outcomes
    page = glance.folder / ("plan.html" if run.state is RunState.PLANNED else "report.html")
    if run.state is RunState.RUNNING:
        return "Ctrl-C leaves this view; the run goes on" if is_watched else f"batchreset status {folder} --watch"
    if run.rehearsal:
        return f"read {page}"
    if run.state is RunState.PLANNED:
        return f"read {page}, then batchreset resume {folder}"
    if run.state in {RunState.HALTED, RunState.INTERRUPTED}:
        return f"batchreset resume {folder}"
    if counts[Outcome.FAILED] or counts[Outcome.UNRESOLVED] or glance.in_flight:
        return f"read {page}, then batchreset resume {folder} --retry-failed"
    return f"batchreset passwords {folder}" if glance.sealed_since else f"read {page}"


def when(glance: Glance) -> str:
    """Say when a run was started, or else planned, to the minute in UTC."""
    return (glance.run.started_at or glance.run.created_at)[:16].replace("T", " ")


def source_of(glance: Glance) -> str:
    """Name the cohort, without its folder."""
    first, *more = [Path(source.name).name for source in glance.run.sources] or ["-"]
    return f"{first} and {len(more)} more" if more else first
