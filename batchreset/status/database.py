"""Opening the status table: SQLite in WAL mode, every commit on disk before it counts."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event, inspect, select
from sqlalchemy.exc import DatabaseError

from batchreset.errors import RunNotFoundError, SettingsError, StatusTableError
from batchreset.status import schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

FILE_NAME = "status.sqlite"


def _engine(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": 30})

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


def connect(folder: Path) -> Engine:
    """Open the status table of the run in `folder`.

    Raises `RunNotFoundError` when there is none, `StatusTableError` when it cannot be read or is of another version.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise RunNotFoundError(f"{folder}: no run here ({FILE_NAME} is missing); `batchreset runs` lists them.")
    engine = _engine(path)
    with _disposed_on_error(engine):
        try:
            if not inspect(engine).has_table(schema.run.name):
                raise StatusTableError(f"{path}: this is not a status table of batchreset.")
            with engine.connect() as connection:
                version = connection.execute(select(schema.run.c.schema_version)).scalar()
        except DatabaseError as error:
            raise StatusTableError(f"{path}: the status table cannot be read ({error.orig}).") from error
        if version != schema.SCHEMA_VERSION:
            raise StatusTableError(
                f"{path}: written by another version of batchreset (schema {version}); use that one."
            )
    return engine


@contextmanager
def _disposed_on_error(engine: Engine) -> Iterator[None]:
    """Close the file again where it turns out not to be usable: Windows does not delete or move open ones."""
    try:
        yield
    except BaseException:
        engine.dispose()
        raise
