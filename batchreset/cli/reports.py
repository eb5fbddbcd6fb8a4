"""status, report, runs: reading what runs have left behind."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchreset.cli.options import AsJson, Config, Flags, Run, takes
from batchreset.cli.terminal import say, show
from batchreset.cli.words import quoted
from batchreset.clock import seconds_since
from batchreset.errors import BatchResetError, LockedError
from batchreset.gather import gather

if TYPE_CHECKING:
    from collections.abc import Mapping

_WATCH_SECONDS = 1.0
#: After a week, in seconds, passwords should have been handed over.
_LONG_SEALED = 7 * 86400


@takes("out")
def status(
    run: Annotated[str | None, typer.Argument(metavar="RUN", hidden=True)] = None,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again every second until the run ends; with --json, only then.")
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
    flags: Flags,
) -> None:
    """Say where a run stands: the latest, or the one named.

    Examples:
      batchreset status
      batchreset status 20261121T175502Z-leak-cohort-7f3a --watch
    """
    from batchreset.engine import folder as folders
    from batchreset.model import RunState

    folder = folders.find(run, gather(flags, config).out)
    found = _standing(folder, is_checked=True)
    while watch and found["state"] == RunState.RUNNING:
        if not as_json:
            show(_standing_text(found))
        time.sleep(_WATCH_SECONDS)
        found = _standing(folder)
    show(json.dumps(found, indent=2) if as_json else _standing_text(found))


@takes("out")
def report(run: Run, *, config: Config = None, flags: Flags) -> None:
    """Write the report again from the status table.

    Examples:
      batchreset report 20261121T175502Z-leak-cohort-7f3a
    """
    from batchreset.cli.words import end_text
    from batchreset.engine import folder as folders
    from batchreset.engine.rewrite import write_again

    folder = folders.find(run, gather(flags, config).out)
    show(end_text(folder, write_again(folder)))


@takes("out")
def runs(*, as_json: AsJson = False, config: Config = None, flags: Flags) -> None:
    """List runs, oldest first.

    Runs whose passwords have lain sealed beside their key for more than a week are pointed out.

    Examples:
      batchreset runs
      batchreset runs --out /srv/resets --json
    """
    from batchreset.engine import folder as folders

    out = gather(flags, config).out
    found = []
    for folder in folders.listed(out):
        try:
            found.append(_standing(folder))
        except BatchResetError as error:
            # One run that cannot be read, of another version perhaps, hides none of the others.
            say(f"batchreset: {error}")
    if as_json:
        show(json.dumps({"runs": found}, indent=2))
    else:
        show("\n".join(map(_listed_text, found)) or f"There are no runs in {out}.")


def _standing(folder: Path, *, is_checked: bool = False) -> dict[str, Any]:
    """Return where a run stands, as JSON values; counts are by outcome, open rows apart. The table may be checked."""
    from batchreset.engine.forgetting import sealed_since
    from batchreset.model import IN_FLIGHT, Outcome, RunState, State
    from batchreset.status import database, record, rows

    engine = database.connect(folder, is_checked=is_checked)
    try:
        line = record.load(engine)
        is_dead = line.state is RunState.RUNNING and not _is_worked_on(folder)
        if is_dead:
            line = record.load(engine)  # it may have ended in this moment
        counts, sealed = rows.counts(engine), sealed_since(folder, engine, line)
    finally:
        engine.dispose()
    in_flight = sum(counts[state] for state in IN_FLIGHT)
    ended = {outcome.value: counts[State(outcome.value)] for outcome in Outcome if outcome is not Outcome.NOT_ATTEMPTED}
    return {
        "run_id": line.run_id,
        "folder": str(folder),
        "state": RunState.INTERRUPTED if is_dead and line.state is RunState.RUNNING else line.state,
        "rehearsal": line.rehearsal,
        "tenant": line.operator.tenant,
        "rows": sum(counts.values()),
        "counts": {**ended, Outcome.NOT_ATTEMPTED.value: counts[State.READY]},
        "in_flight": in_flight,
        "halted_because": line.halted_because,
        "created_at": line.created_at,
        "started_at": line.started_at,
        "finished_at": line.finished_at,
        "sealed_since": sealed,
    }


def _is_worked_on(folder: Path) -> bool:
    """Say whether a process works on a run: one that was killed left its state, and holds no lock."""
    from batchreset.engine import folder as folders

    try:
        with folders.locked(folder):
            return False
    except LockedError:
        return True


def _listed_text(found: Mapping[str, Any]) -> str:
    """Write a run's line, and one below it where its passwords have been sealed for long."""
    line, since = _standing_text(found), found["sealed_since"]
    if since is None or seconds_since(since) < _LONG_SEALED:
        return line
    forget = f"batchreset passwords {quoted(Path(found['folder']))} --forget"
    return f"{line}\n  its passwords have been sealed since {since[:10]}; once they are handed over: {forget}"


def _standing_text(found: Mapping[str, Any]) -> str:
    told = [f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in found["counts"].items() if count]
    if found["in_flight"]:
        told.append(f"{found['in_flight']:,} in flight")
    rehearsal = ", rehearsal" if found["rehearsal"] else ""
    because = f" ({found['halted_because']})" if found["halted_because"] else ""
    return f"{found['run_id']}  {found['state']}{because}{rehearsal}  {found['rows']:,} rows: {', '.join(told)}"
