"""Where opened passwords go besides the screen: standard output, files, encrypted workbooks."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from batchreset.cli.showing import can_show, show_secret
from batchreset.cli.terminal import ask_new_secret, output
from batchreset.errors import RefusedError, UsageError
from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Engine

    from batchreset.engine.passwords import OpenedPassword

#: A promise: scripts go by these names. More may come behind.
_COLUMNS = ("source", "row", "user", "object_id", "password", "certainty", "outcome")
_PASSPHRASE = "BATCHRESET_WORKBOOK_PASSPHRASE"  # noqa: S105  the name of a variable


@dataclass(frozen=True, slots=True)
class Target:
    """Where opened passwords go: `name` is what -o was given, None for the screen."""

    name: str | None
    is_encrypted: bool
    split_by: str | None

    @property
    def path(self) -> Path | None:
        """The file, or with --split-by the folder; None for the screen and for standard output."""
        return None if self.name is None or self.is_stdout else Path(self.name)

    @property
    def is_stdout(self) -> bool:
        """Whether it is standard output."""
        return self.name == "-"

    def __str__(self) -> str:
        """Name it for the audit trail."""
        if self.path is None:
            return "standard output" if self.is_stdout else "the screen"
        return f"{self.path.absolute()}{', encrypted' if self.is_encrypted else ''}"


def refuse_place(where: Target) -> None:
    """Raise `UsageError` for a place where passwords cannot go."""
    if where.name is None:
        if not can_show():
            raise UsageError(
                "passwords: name a file with -o FILE.csv or -o FILE.xlsx, or -o - to have them on standard output; "
                "they are shown on a terminal only, one that can clear its screen."
            )
        return
    ending = where.path.suffix.lower() if where.path else None
    if where.is_encrypted and where.path is None:
        raise UsageError("-o -: what is encrypted goes to a file; give -o FILE.xlsx.")
    if where.split_by is not None:
        if ending in {".csv", ".xlsx"}:
            raise UsageError(f"-o {where.name}: with --split-by give the name of a new folder.")
    elif where.is_encrypted and ending != ".xlsx":
        raise UsageError(f"-o {where.name}: only workbooks are encrypted; give a file that ends in .xlsx.")
    elif ending not in {None, ".csv", ".xlsx"}:
        raise UsageError(f"-o {where.name}: give a file that ends in .csv or .xlsx, or -.")


def pour(found: Sequence[OpenedPassword]) -> None:
    """Write passwords to standard output as CSV."""
    from batchreset.vault.exports import write_csv

    with output() as stdout:
        write_csv(stdout, _rows(found))


def export(engine: Engine, where: Target, path: Path, found: Sequence[OpenedPassword]) -> str:
    """Write passwords to new files, and return what to say of them.

    What can be refused is refused first; then the audit trail is written to, and then the files.
    """
    from batchreset.engine.passwords import cohort_column, note_opening
    from batchreset.vault import exports

    column = where.split_by and cohort_column(engine, where.split_by, "--split-by")
    exports.refuse_existing(path)
    passphrase = _workbook_passphrase() if where.is_encrypted else None
    if column and passphrase:
        note_opening(engine, str(where), found)
        exports.write_new_folder(path, _workbooks(found, column, passphrase))
        return (
            f"{len(found):,} passwords are now in {path}, a workbook for each {column}, encrypted with one passphrase."
        )
    content = exports.csv_file(_rows(found)) if path.suffix.lower() == ".csv" else exports.workbook(_rows(found))
    if passphrase:
        content = exports.encrypted(content, passphrase)
    note_opening(engine, str(where), found)
    exports.write_new(path, content)
    if passphrase:
        return (
            f"{len(found):,} passwords are now in {path}, encrypted; tell the passphrase by another way than the file."
        )
    return f"{len(found):,} passwords in clear are now in {path}: hand them over, then delete the file."


def _rows(found: Sequence[OpenedPassword]) -> Iterator[Sequence[str]]:
    """Yield the header, and passwords to the letter, without the guard against formulas that reports have."""
    yield _COLUMNS
    for each in found:
        yield (
            each.source,
            str(each.row),
            each.user,
            each.object_id,
            each.password.reveal(),
            each.certainty,
            each.outcome,
        )


def _workbooks(found: Sequence[OpenedPassword], column: str, passphrase: Secret) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of an encrypted workbook for each value of a cohort column.

    The value itself stands behind the other columns: a file's name cannot say all that a cell can.
    """
    from batchreset.policy.naming import file_names
    from batchreset.vault.exports import encrypted, workbook

    def value_of(each: OpenedPassword) -> str:
        return each.cohort.get(column, "").strip()

    names = file_names(map(value_of, found))
    for value, group in groupby(sorted(found, key=value_of), value_of):
        header, *rows = _rows(list(group))
        table = [(*header, f"cohort.{column}"), *((*row, value) for row in rows)]
        yield f"{names[value]}.xlsx", encrypted(workbook(table), passphrase)


def _workbook_passphrase() -> Secret:
    """Have the passphrase from the environment, else from the person at the terminal, else make one and show it once.

    Raises `RefusedError` where there is neither.
    """
    from batchreset.vault.exports import check_workbook_passphrase, made_passphrase

    if given := os.environ.get(_PASSPHRASE):
        return check_workbook_passphrase(Secret(given))
    if not (can_show() and sys.stderr.isatty()):
        raise RefusedError(f"--encrypt: there is no terminal to ask for a passphrase on; set {_PASSPHRASE}.")
    question = "Passphrase for the workbook (at least 12 characters; nothing to have one made)"
    if (typed := ask_new_secret(question, check_workbook_passphrase)) is not None:
        return typed
    made = made_passphrase()
    if not show_secret("Passphrase, shown this once: write it down now", made):
        raise RefusedError("--encrypt: ended before the passphrase was taken; nothing was written.")
    return made
