"""Accounts that are excepted from a run, as they were when it was planned: by object id or UPN in lower case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from batchreset.status.schema import excepted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Engine


def write(connection: Connection, sources: Mapping[str, str]) -> None:
    """Put the excepted accounts in, each with the file or the group that it was named in."""
    if sources:
        connection.execute(insert(excepted), [{"key": key, "source": source} for key, source in sources.items()])


def read(engine: Engine) -> dict[str, str]:
    """Return the excepted accounts, and where each was named."""
    with engine.connect() as connection:
        return {line.key: line.source for line in connection.execute(select(excepted))}
