"""What people do to a run besides carrying it out, in its audit trail: what, when and who."""

from __future__ import annotations

import getpass
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from batchreset.status.changes import logged
from batchreset.status.schema import audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did to a run; `at` is ISO 8601 UTC."""

    at: str
    by: str
    fields: dict[str, Any]


@contextmanager
def noted(engine: Engine, event: str, **fields: Any) -> Iterator[Connection]:
    """Write to the audit trail what is done in this context, and by whom, if it is done.

    The trail is written to first: what cannot be noted is not done. What is written to the yielded connection is on
    disk together with it.
    """
    with engine.begin() as connection:
        connection.execute(audit.insert(), logged(event, by=_user(), **fields).values)
        yield connection


def deeds(engine: Engine, event: str) -> list[Deed]:
    """Return what was noted under this name, oldest first."""
    query = select(audit.c.at, audit.c.fields).where(audit.c.event == event).order_by(audit.c.id)
    with engine.connect() as connection:
        found = [(line.at, json.loads(line.fields)) for line in connection.execute(query)]
    return [Deed(at, str(fields.pop("by", "somebody")), fields) for at, fields in found]


def _user() -> str:
    """Name whoever is at work; a container's user need not have a name."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "a user without a name"
