"""Accounts that are excepted from a run, by object id or UPN in lower case.

They were when it was planned, or were found to be protected when it was taken up with steps due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from batchreset.status.schema import excepted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Engine


def write(connection: Connection, sources: Mapping[str, str]) -> None:
    """Put the excepted accounts in, each with the file or the group that it was named in, but for those known."""
    known = set(connection.execute(select(excepted.c.key)).scalars())
    lines = [{"key": key, "source": source} for key, source in sources.items() if key not in known]
    if lines:
        connection.execute(insert(excepted), lines)


def read(engine: Engine) -> dict[str, str]:
    """Return the excepted accounts, and where each was named."""
    with engine.connect() as connection:
        return {line.key: line.source for line in connection.execute(select(excepted))}
