"""passwords: opening what is sealed."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from batchreset.cli.options import Config, Flags, Run, takes
from batchreset.cli.terminal import output, say
from batchreset.errors import SettingsError, UsageError
from batchreset.gather import gather

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchreset.engine.passwords import OpenedPassword

_COLUMNS = ("source", "row", "user", "object_id", "password", "certainty", "outcome")


@takes("out")
def passwords(
    run: Run,
    *,
    target: Annotated[
        str | None,
        typer.Option("-o", "--output", help="A .csv or .xlsx file, or - for CSV on standard output.", metavar="FILE"),
    ] = None,
    config: Config = None,
    flags: Flags,
) -> None:
    """Open the sealed passwords of a run.

    Without -o they are shown on the terminal. That they were opened is written to the audit trail.

    Examples:
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a -o passwords.xlsx
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a -o - | gpg --encrypt ...
    """
    from batchreset.engine import folder as folders
    from batchreset.engine.keys import key_needed
    from batchreset.engine.passwords import note_opening, opened
    from batchreset.status import database

    if target is None and not sys.stdout.isatty():
        raise UsageError(
            "passwords: name a file with -o FILE.csv or -o FILE.xlsx, or -o - to have them on standard output."
        )
    file = None if target in (None, "-") else Path(target or "")
    if file is not None and file.suffix.lower() not in {".csv", ".xlsx"}:
        raise UsageError(f"-o {target}: give a file that ends in .csv or .xlsx, or -.")
    folder = folders.find(run, gather(flags, config).out)
    engine = database.connect(folder, is_checked=True)
    try:
        key = key_needed(folder)
        note_opening(engine, target or "the screen")
        lines = [_cells(each) for each in opened(engine, key)]
    finally:
        engine.dispose()
    if file is None:
        with output() as stdout:
            _write_csv(stdout, lines, "\n")
    else:
        _write_file(file, lines)
    if not lines:
        say("There are no passwords in this run that are, or may be, in force.")
    elif file is not None:
        say(f"{len(lines):,} passwords in clear are now in {file}: hand them over, then delete the file.")


def _cells(each: OpenedPassword) -> Sequence[str]:
    """Write a password out exactly, without the guard against formulas that reports have."""
    return (each.source, str(each.row), each.user, each.object_id, each.password.reveal(), each.certainty, each.outcome)


def _write_file(path: Path, lines: Iterable[Sequence[str]]) -> None:
    """Write a new file, readable by its owner only."""
    from batchreset.vault.sealing import write_private

    if path.suffix.lower() == ".csv":
        text = io.StringIO(newline="")
        _write_csv(text, lines, "\r\n")
        content = text.getvalue().encode("utf-8-sig")
    else:
        content = _workbook(lines)
    try:
        write_private(path, content)
    except FileExistsError:
        raise SettingsError(f"-o {path}: this file exists already; it was left as it is.") from None
    except OSError as error:
        raise SettingsError(f"-o {path}: this file cannot be written ({error.strerror}).") from error


def _write_csv(file: TextIO, lines: Iterable[Sequence[str]], line_end: str) -> None:
    csv.writer(file, lineterminator=line_end).writerows((_COLUMNS, *lines))


def _workbook(lines: Iterable[Sequence[str]]) -> bytes:
    from xlsxwriter import Workbook

    content = io.BytesIO()
    # Nothing in clear goes to temporary files.
    with Workbook(content, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("Passwords")
        for number, line in enumerate((_COLUMNS, *lines)):
            for column, text in enumerate(line):
                sheet.write_string(number, column, text)
    return content.getvalue()
