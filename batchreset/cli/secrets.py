"""passwords, keys: the sealed passwords, and who can open them."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchreset.cli.options import Flags, Run, takes
from batchreset.cli.terminal import say, show
from batchreset.errors import SettingsError, UsageError
from batchreset.gather import gather

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchreset.engine.passwords import OpenedPassword

_COLUMNS = ("source", "row", "user", "object_id", "password", "certainty", "outcome")


@takes("out")
def passwords(
    run: Run,
    *,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="A .csv or .xlsx file, or - for CSV on standard output.", metavar="FILE"),
    ] = None,
    flags: Flags,
) -> None:
    """Open the sealed passwords of a run.

    Examples:
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a -o passwords.xlsx
      batchreset passwords 20261121T175502Z-leak-cohort-7f3a -o - | gpg --encrypt ...
    """
    from batchreset.engine import folder as folders
    from batchreset.engine.passwords import key_needed, note_opening, opened
    from batchreset.status import database

    if output is None and not sys.stdout.isatty():
        raise UsageError(
            "passwords: name a file with -o FILE.csv or -o FILE.xlsx, or -o - to have them on standard output."
        )
    if output not in (None, "-") and Path(output or "").suffix.lower() not in {".csv", ".xlsx"}:
        raise UsageError(f"-o {output}: give a file that ends in .csv or .xlsx, or -.")
    folder = folders.find(run, gather(flags).out)
    engine = database.connect(folder)
    try:
        key = key_needed(folder)
        note_opening(engine, output or "the screen")
        count = _write(output, opened(engine, key))
    finally:
        engine.dispose()
    if not count:
        say("There are no passwords in this run that are, or may be, in force.")
    elif output not in (None, "-"):
        say(f"{count:,} passwords in clear are now in {output}: hand them over, then delete the file.")


def keys(*, make: Annotated[bool, typer.Option("--make", help="Make a key where there is none.")] = False) -> None:
    """Show the key that opens sealed passwords, or make it.

    Examples:
      batchreset keys
      batchreset keys --make
    """
    from batchreset.vault import identity

    own = identity.load()
    if own is None and make:
        own = identity.make()
    if own is None:
        show(f"There is no key yet; the first run makes it, or `batchreset keys --make`. Its place: {identity.path()}")
    else:
        show(f"key:        {identity.path()}\npublic key: {own.to_public()}")


def _write(output: str | None, found: Iterator[OpenedPassword]) -> int:
    rows = (_row(each) for each in found)
    if output is None or output == "-":
        return _write_csv(sys.stdout, rows)
    path, content = Path(output), io.BytesIO()
    if path.suffix.lower() == ".csv":
        text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="", write_through=True)
        count = _write_csv(text, rows)
    else:
        count = _write_workbook(content, rows)
    from batchreset.vault.sealing import write_private

    try:
        write_private(path, content.getvalue())
    except FileExistsError:
        raise SettingsError(f"-o {path}: this file exists already; it was left as it is.") from None
    except OSError as error:
        raise SettingsError(f"-o {path}: this file cannot be written ({error.strerror}).") from error
    return count


def _row(each: OpenedPassword) -> Sequence[str]:
    """Write a password out exactly, without the guard against formulas that reports have."""
    return (each.source, str(each.row), each.user, each.object_id, each.password.reveal(), each.certainty, each.outcome)


def _write_csv(file: Any, rows: Iterator[Sequence[str]]) -> int:
    writer = csv.writer(file, lineterminator="\n" if file is sys.stdout else "\r\n")
    writer.writerow(_COLUMNS)
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007  the last number is the count
        writer.writerow(row)
    return count


def _write_workbook(content: io.BytesIO, rows: Iterator[Sequence[str]]) -> int:
    from xlsxwriter import Workbook

    # Nothing in clear goes to temporary files.
    with Workbook(content, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("Passwords")
        count = 0
        for number, row in enumerate((_COLUMNS, *rows)):
            count = number
            for column, text in enumerate(row):
                sheet.write_string(number, column, text)
    return count
