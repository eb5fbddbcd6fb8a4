"""Opening the status table: SQLite in WAL mode, every commit on disk before it counts."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event, inspect, select
from sqlalchemy.exc import DatabaseError

from batchreset.errors import RefusedError, RunNotFoundError, SettingsError
from batchreset.status import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

FILE_NAME = "status.sqlite"
#: Seconds to wait for another process that has the table locked.
_PATIENCE = 30
#: Primary result codes of SQLite's for a file that is not what it was.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY = 0xFF


def _engine(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": _PATIENCE})

    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        mode = cursor.fetchone()[0]
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()
        if mode != "wal":
            raise SettingsError(
                f"{path.parent}: SQLite cannot keep its write-ahead log here (journal mode {mode}); "
                "choose a folder on a local disk with --out."
            )

    event.listen(engine, "connect", prepare)
    return engine


def create(folder: Path) -> Engine:
    """Make the status table in `folder`. Raises `SettingsError` where the folder cannot hold one."""
    path = folder / FILE_NAME
    engine = _engine(path)
    try:
        path.touch(mode=0o600)
        with _disposed_on_error(engine):
            schema.metadata.create_all(engine)
    except (OSError, DatabaseError) as error:
        reason = error.orig if isinstance(error, DatabaseError) else error.strerror
        raise SettingsError(
            f"{folder}: the status table cannot be made here ({reason}); choose another --out."
        ) from error
    return engine


def connect(folder: Path, *, is_checked: bool = False) -> Engine:
    """Open the status table of the run in `folder`; one that comes from an earlier process is to be checked.

    Raises `RunNotFoundError` when there is none, `RefusedError` when it is damaged, cannot be read or is of another
    version.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise RunNotFoundError(f"{folder}: no run here ({FILE_NAME} is missing); `batchreset runs` lists them.")
    if not path.stat().st_size:  # SQLite would make a table of it
        raise RefusedError(f"{path}: this is not a status table of batchreset.")
    if is_checked:
        _check(folder)
    engine = _engine(path)
    with _disposed_on_error(engine):
        try:
            if not inspect(engine).has_table(schema.run.name):
                raise RefusedError(f"{path}: this is not a status table of batchreset.")
            with engine.connect() as connection:
                version = connection.execute(select(schema.run.c.schema_version)).scalar()
        except DatabaseError as error:
            raise RefusedError(
                unusable(folder, error, "cannot be opened; this user has to be able to write there")
            ) from error
        if version != schema.SCHEMA_VERSION:
            raise RefusedError(f"{path}: written by another version of batchreset (schema {version}); use that one.")
    return engine


def unusable(folder: Path, error: DatabaseError, how: str = "cannot be used") -> str:
    """Say why the status table in `folder` can be used no further, and what to do where it is damaged."""
    why = str(error.orig)
    return _damaged(folder, why) if _is_damage(error.orig) else f"{folder}: the status table {how} ({why})."


def _check(folder: Path) -> None:
    """Raise `RefusedError` for a damaged table: 2.3 s for 100,000 rows, or 200 MB.

    SQLite's quick check takes 0.8 s and tells nothing of an index that lacks rows, by which they are found and counted.
    It is opened for reading only: any other way, closing it moves what an earlier process left in the log into it.
    """
    uri = f"{(folder / FILE_NAME).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            return  # opening it to be used says what is wrong
        found = str(error)
    if found != "ok":
        raise RefusedError(_damaged(folder, found.splitlines()[-1]))


def _is_damage(error: BaseException | None) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGED


def _damaged(folder: Path, why: str) -> str:
    table, rescued = folder / FILE_NAME, folder / "recovered.sqlite"
    return (
        f"{folder}: the status table is damaged ({why}); nothing more is written to it. What can be read of it is "
        f'copied by the sqlite3 of sqlite.org: sqlite3 -readonly "{table}" .recover | sqlite3 "{rescued}" '
        f"- then move {FILE_NAME} and every {FILE_NAME}-* elsewhere, rename {rescued.name} to {FILE_NAME}, and "
        f"`batchreset report {folder.name}` says whether all rows are there."
    )


@contextmanager
def _disposed_on_error(engine: Engine) -> Iterator[None]:
    """Close the file again where it turns out not to be usable: Windows does not delete or move open ones."""
    try:
        yield
    except BaseException:
        engine.dispose()
        raise
