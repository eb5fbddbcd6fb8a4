"""passwords: opening what is sealed, handing it over, and forgetting how to open it."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from batchreset.cli.exporting import Target, export, pour, refuse_place
from batchreset.cli.keys import passphrase_to_open
from batchreset.cli.options import Config, Flags, Run, takes
from batchreset.cli.showing import show_one_by_one
from batchreset.cli.terminal import confirm, say, show
from batchreset.errors import RefusedError, UsageError
from batchreset.gather import gather
from batchreset.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Engine

#: Which options cannot be given together, and which only with another.
_APART = {
    "--forget": ("--hand-over", "--user", "--only", "-o", "--encrypt", "--split-by", "--contact", "--again"),
    "--hand-over": ("-o", "--encrypt", "--split-by"),
}
_ONLY_WITH = {
    "--contact": ("--hand-over",),
    "--again": ("--hand-over",),
    "--anyway": ("--forget",),
    "--yes": ("--forget", "--hand-over"),
    "--split-by": ("--encrypt",),
    "--encrypt": ("-o",),
}


class _Only(StrEnum):
    SUCCEEDED = Outcome.SUCCEEDED.value
    UNRESOLVED = Outcome.UNRESOLVED.value


@takes("out")
def passwords(
    run: Run,
    *,
    user: Annotated[
        str | None, typer.Option("--user", help="Only those of this account, by UPN or object id.", metavar="UPN|ID")
    ] = None,
    only: Annotated[
        _Only | None,
        typer.Option("--only", help="Only those of rows that ended so: succeeded | unresolved.", metavar="OUTCOME"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="A new .csv or .xlsx file, or - for CSV on standard output; with --split-by a new folder.",
            metavar="FILE",
        ),
    ] = None,
    encrypt: Annotated[
        bool,
        typer.Option("--encrypt", help="Encrypt the workbook with a passphrase, which is asked for, or made for you."),
    ] = False,
    split_by: Annotated[
        str | None,
        typer.Option(
            "--split-by", help="One encrypted workbook for each value of this cohort column.", metavar="COLUMN"
        ),
    ] = None,
    hand_over: Annotated[
        str | None,
        typer.Option(
            "--hand-over",
            help="Run this command once for each account, with a JSON object on its standard input; what it prints "
            "on standard output is thrown away.",
            metavar="COMMAND",
        ),
    ] = None,
    contact: Annotated[
        str | None,
        typer.Option("--contact", help="The cohort column that says where to reach people.", metavar="COLUMN"),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Hand over once more what was handed over.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Destroy the run's key: its sealed passwords open no more.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Forget although rows are still open; none of them is sent then.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before handing over or forgetting.")] = False,
    config: Config = None,
    flags: Flags,
) -> None:
    """Open, hand over or forget the passwords of a run.

    All that took effect or may have are opened; where one is not sure, certainty says candidate. Without -o they are
    shown on the terminal, one at a time. BATCHRESET_WORKBOOK_PASSPHRASE gives the passphrase for --encrypt. Which
    were opened, by whom and where to is written to the audit trail.

    Examples:
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a --user ann@contoso.example
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a -o passwords.xlsx --encrypt
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a -o for-managers --encrypt --split-by manager
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a -o - | gpg --encrypt ...
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a --hand-over ./one-time-link --contact "Private mail"
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a --forget
    """
    from batchreset.engine import folder as folders

    _refuse_contradictions(
        {
            "--user": user is not None,
            "--only": only is not None,
            "-o": target is not None,
            "--encrypt": encrypt,
            "--split-by": split_by is not None,
            "--hand-over": hand_over is not None,
            "--contact": contact is not None,
            "--again": again,
            "--forget": forget,
            "--anyway": anyway,
            "--yes": yes,
        }
    )
    where, outcome = Target(target, encrypt, split_by), Outcome(only.value) if only else None
    if not forget and hand_over is None:
        refuse_place(where)
    folder = folders.find(run, gather(flags, config).out)
    if forget:
        _forget(folder, anyway=anyway, yes=yes)
    elif hand_over is not None:
        from batchreset.cli import handing_over

        handing_over.hand_over(folder, hand_over, contact=contact, user=user, only=outcome, again=again, yes=yes)
    else:
        _open(folder, where, user, outcome)


def _refuse_contradictions(given: Mapping[str, bool]) -> None:
    for option, others in _APART.items():
        for other in others:
            if given[option] and given[other]:
                raise UsageError(f"{option} and {other} cannot be given together.")
    for option, needed in _ONLY_WITH.items():
        if given[option] and not any(given[each] for each in needed):
            raise UsageError(f"{option} is for use with {' or '.join(needed)} only.")


def _open(folder: Path, where: Target, user: str | None, only: Outcome | None) -> None:
    from batchreset.engine.keys import key_needed
    from batchreset.engine.passwords import note_opening, opened, why_none

    told = None
    with _table(folder) as engine:
        key = key_needed(folder, passphrase_to_open)
        found = list(opened(engine, key, only=only, user=user))
        if user is not None and not found:
            raise RefusedError(why_none(engine, user, only))
        if where.is_stdout:
            note_opening(engine, str(where), found)
            pour(found)
        elif where.path is None:
            show_one_by_one(found, lambda each: note_opening(engine, str(where), [each]))
        elif found or not where.is_encrypted:  # no passphrase is asked for, and no folder made, for nothing
            told = export(engine, where, where.path, found)
    if not found:
        say("There are no such passwords in this run that are, or may be, in force.")
    elif told:
        say(told)


@contextmanager
def _table(folder: Path) -> Iterator[Engine]:
    from batchreset.engine.faults import plain_errors
    from batchreset.status import database

    engine = database.connect(folder, is_checked=True)
    try:
        with plain_errors(folder):
            yield engine
    finally:
        engine.dispose()


def _forget(folder: Path, *, anyway: bool, yes: bool) -> None:
    from batchreset.engine.forgetting import forget

    question = (
        f"Destroy the key of {folder.name}? Its sealed passwords can then be opened by nobody. What survives: backups "
        "and copies of the run folder, and whatever was opened before."
    )
    answer = True if yes else confirm(question, 1, stdin_is_taken=False)
    if answer is None:
        raise RefusedError("Nothing was forgotten: there is no terminal to ask on, and --yes was not given.")
    if not answer:
        raise RefusedError("Nothing was forgotten: the answer was no.")
    done = forget(folder, anyway=anyway)
    show(
        f"The key of {folder.name} is destroyed: {done.passwords:,} sealed passwords open no more. Backups and copies "
        "of the run folder, if there are any, still open them."
    )
    if done.openings:
        show("They were opened before, and files among these hold them still:")
        show("\n".join(f"  {where}" for where in done.openings))
