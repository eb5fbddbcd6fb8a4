"""status, report, runs: reading what runs have left behind."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchreset.cli.options import AsJson, Config, Flags, Run, takes
from batchreset.cli.terminal import can_draw, output, plain, say, show
from batchreset.errors import BatchResetError, RefusedError, UsageError
from batchreset.gather import gather

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from batchreset.engine.glance import Glance

_WATCH_SECONDS = 1.0
#: What a verification that found something ends with: it was carried out, and not all is well.
_NOT_AS_IT_WAS = 3


@takes("out")
def status(
    run: Annotated[str | None, typer.Argument(metavar="RUN", hidden=True)] = None,
    *,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Keep it up to date until the run ends; with --json, show only how it has ended."),
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
    flags: Flags,
) -> None:
    """Say where a run stands: the latest, or the one named.

    A terminal shows a bar, what needs attention and what to do next; a pipe gets a line, and with --watch another one
    whenever it has changed. Ctrl-C ends the watching and not the run, with exit status 0.

    Examples:
      batchreset status
      batchreset status 20261121T175502Z-leak-cohort-7f3a --watch
      batchreset status --json
    """
    from batchreset.cli.standing import values_of
    from batchreset.engine import folder as folders
    from batchreset.engine.glance import looking

    folder = folders.find(run, gather(flags, config).out)
    with looking(folder, is_checked=True, in_detail=True) as look:
        glances = _until_it_ends(look) if watch else iter([look()])
        if as_json:
            show(json.dumps(values_of(_last(glances)), indent=2))
        elif can_draw(sys.stdout):
            _draw(glances, is_watched=watch)
        else:
            _tell(glances)


@takes("out")
def report(
    run: Run,
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Write nothing; check the files of the report against its manifest.")
    ] = False,
    manifest_sha256: Annotated[
        str | None,
        typer.Option(
            "--manifest-sha256",
            help="With --verify: the manifest's own SHA-256, as it was printed at the end and kept in a ticket.",
            metavar="SHA256",
        ),
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
    flags: Flags,
) -> None:
    """Write the report of a run again, or verify it.

    It is made from the status table anew.

    --verify says which files are not as they were: exit status 0 where all are, 3 where not, 5 where there is no
    manifest of this run that can be read. It finds damage. Whoever changes files on purpose can write a manifest that
    fits them: against that only its hash helps, if it was kept elsewhere.

    Examples:
      batchreset report 20261121T175502Z-leak-cohort-7f3a
      batchreset report 20261121T175502Z-leak-cohort-7f3a --verify --manifest-sha256 5d41402abc4b2a76b9719d911017c592...
    """
    from batchreset.engine import folder as folders

    if manifest_sha256 is not None and not verify:
        raise UsageError("--manifest-sha256 goes with --verify.")
    out = gather(flags, config).out
    if verify:
        _verify(run, out, manifest_sha256, as_json=as_json)
        return
    from batchreset.cli.words import end_text
    from batchreset.engine.rewrite import write_again

    folder = folders.find(run, out)
    summary = write_again(folder)
    values = {**summary.recorded(), "folder": str(folder)}
    show(json.dumps(values, indent=2) if as_json else end_text(folder, summary))


@takes("out")
def runs(*, as_json: AsJson = False, config: Config = None, flags: Flags) -> None:
    """List runs, the newest first.

    Runs whose passwords have lain sealed beside their key for more than a week are pointed out.

    Examples:
      batchreset runs
      batchreset runs --out /srv/resets --json
    """
    from batchreset.cli.standing import values_of
    from batchreset.engine import folder as folders
    from batchreset.engine.glance import looking

    out = gather(flags, config).out
    found = []
    for folder in reversed(folders.listed(out)):
        try:
            with looking(folder) as look:
                found.append(look())
        except BatchResetError as error:
            # One run that cannot be read, of another version perhaps, hides none of the others.
            say(f"batchreset: {error}")
    if as_json:
        show(json.dumps({"runs": [values_of(glance) for glance in found]}, indent=2))
    elif not found:
        show(f"There are no runs in {out}.")
    else:
        _list(found)


def _until_it_ends(look: Callable[[], Glance]) -> Iterator[Glance]:
    """Look at a run now, and again and again as long as it is worked on, which is until its report is there."""
    from batchreset.engine.glance import is_worked_on
    from batchreset.model import RunState

    is_awaited = False
    while True:
        glance = look()
        if glance.run.state is RunState.RUNNING:
            is_awaited = True
        elif is_awaited and is_worked_on(glance.folder):
            glance = replace(glance, run=replace(glance.run, state=RunState.RUNNING))
        yield glance
        if glance.run.state is not RunState.RUNNING:
            return
        _pause()


def _pause() -> None:
    time.sleep(_WATCH_SECONDS)


def _draw(glances: Iterator[Glance], *, is_watched: bool) -> None:
    """Show a run on the terminal, each view in the place of the one before; Ctrl-C leaves the last, in full."""
    from rich.console import Console
    from rich.live import Live

    from batchreset.cli.panels import view_of

    latest = next(glances)
    with output() as file:
        console = Console(file=file, highlight=False)
        if not is_watched:
            console.print(view_of(latest, console))
            return
        with Live(console=console, auto_refresh=False) as view:
            with suppress(KeyboardInterrupt):
                for glance in chain([latest], glances):
                    latest = glance
                    view.update(view_of(latest, console, is_watched=True), refresh=True)
            view.update(view_of(latest, console), refresh=True)


def _last(glances: Iterator[Glance]) -> Glance:
    """Return the last of them; Ctrl-C makes it the latest."""
    latest = next(glances)
    with suppress(KeyboardInterrupt):
        for glance in glances:
            latest = glance
    return latest


def _tell(glances: Iterable[Glance]) -> None:
    """Show a run in a line, and in another one whenever that has changed, as long as somebody reads them."""
    from batchreset.cli.standing import line_of

    told = None
    with suppress(KeyboardInterrupt), output() as file:
        for glance in glances:
            line = line_of(glance)
            if line != told:
                file.write(plain(line) + "\n")
                file.flush()
            told = line


def _list(glances: Sequence[Glance]) -> None:
    if can_draw(sys.stdout):
        from rich.console import Console

        from batchreset.cli.panels import show_runs

        with output() as file:
            show_runs(glances, Console(file=file, highlight=False))
        return
    from batchreset.cli.standing import line_of, sealed_text

    for glance in glances:
        sealed = sealed_text(glance)
        show(line_of(glance) + (f"\n  {sealed}" if sealed else ""))


def _verify(run: str, out: Path, kept: str | None, *, as_json: bool) -> None:
    """Check a run's report and exit with 3 where it is not as it was; a folder without the status table will do."""
    from batchreset.cli.verified import verified_text, verified_values
    from batchreset.engine import folder as folders
    from batchreset.report.verify import MANIFEST, verify

    if kept is not None and not re.fullmatch("[0-9a-fA-F]{64}", kept):
        raise UsageError(f"--manifest-sha256 {kept}: a SHA-256 has 64 hexadecimal digits.")
    # Path's own question would raise for what is too long, or for others alone.
    folder = Path(run) if os.path.isfile(Path(run) / MANIFEST) else folders.find(run, out)  # noqa: PTH113  see above
    found = verify(folder, kept and kept.lower())
    name = folder.absolute().name
    if folders.is_run_id(name) and name != found.run_id:
        raise RefusedError(f"{folder}: its manifest is that of another run, {found.run_id}; verify the one you mean.")
    show(json.dumps(verified_values(folder, found), indent=2) if as_json else verified_text(folder, found))
    if not found.is_as_it_was:
        raise typer.Exit(_NOT_AS_IT_WAS)
