"""plan.json, by whose SHA-256 a plan is agreed to, and plan.html, which says the same to people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from batchreset.model import State
from batchreset.report.advice import advice_on
from batchreset.report.templating import fill
from batchreset.report.wording import NAMELESS
from batchreset.status.record import read
from batchreset.status.schema import candidates, resets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection

    from batchreset.model import Reason
    from batchreset.report.advice import Advice
    from batchreset.status.record import RunRecord

FILE, PAGE = "plan.json", "plan.html"
#: Names on the page, in each of its lists.
NAMES_SHOWN = 2_000
_CHUNK_ROWS = 10_000
_RESET = ("row", "source", "object_id", "user", "kind", "marks", "turn")
_ASKED_ANEW = frozenset({"user", "kind", "marks"})
_LEFT_OUT = ("row", "source", "identifier", "object_id", "user", "reason", "detail")
_ROWS: Mapping[str, tuple[Sequence[str], ColumnElement[bool]]] = MappingProxyType(
    {
        "reset": (_RESET, resets.c.state != State.EXCLUDED),
        "left_out": (_LEFT_OUT, resets.c.state == State.EXCLUDED),
    }
)
#: Written when a plan is agreed to, by whoever takes it up.
OF_WHOEVER_IS_SIGNED_IN = frozenset({"operator", "unchecked"})


@dataclass(frozen=True, slots=True)
class Page:
    """What plan.html says: `facts` are labels and texts, `sections` headings and sentences, `names` those left out."""

    title: str
    line: RunRecord
    facts: Sequence[tuple[str, str]]
    sections: Sequence[tuple[str, Sequence[str]]]
    left_out: Mapping[Reason, Sequence[str]]
    to_be_reset: Sequence[str]
    first_request: str | None


class Group(NamedTuple):
    """Accounts under a heading, as many by name as a page can show."""

    reason: Reason
    advice: Advice
    names: Sequence[str]
    total: int


def save(folder: Path, connection: Connection) -> str:
    """Write plan.json from the status table, and return its SHA-256: 1.5 s for 100,000 rows, in little memory."""
    found = sha256()
    path = folder / FILE
    path.touch(mode=0o600)
    with path.open("wb") as file:
        for line in _lines(connection):
            file.write(line)
            found.update(line)
    return found.hexdigest()


def write_page(folder: Path, page: Page) -> None:
    """Write plan.html: complete in itself, it loads nothing and runs nothing."""
    groups = [
        Group(reason, advice_on(reason), () if reason in NAMELESS else names[:NAMES_SHOWN], len(names))
        for reason, names in sorted(page.left_out.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    shown = page.to_be_reset[:NAMES_SHOWN]
    text = fill("plan.html.j2", page=page, run=page.line, groups=groups, to_be_reset=shown)
    path = folder / PAGE
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8", errors="replace", newline="\n")


def told(connection: Connection) -> Iterator[tuple[str, Any]]:
    """Yield what plan.json would say if it were written now: each fact by its name, and each row by its list's."""
    facts = header(connection)
    for name in sorted({*facts, *_ROWS}):
        if name in _ROWS:
            yield from ((name, _lasting(entry)) for entry in _entries(connection, *_ROWS[name]))
        else:
            yield name, json.loads(_as_json(facts[name]))


def read_back(folder: Path, expected: str | None) -> Iterator[tuple[str, Any]] | None:
    """Yield the same from plan.json; None where it is gone, or its SHA-256 is not the one that is `expected`."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            if file_digest(file, "sha256").hexdigest() != expected:
                return None
    except OSError:
        return None
    return _read(path)


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    """Read the file line by line, as it was written: 100,000 rows are not held in memory."""
    name = ""
    with path.open(encoding="utf-8") as file:
        for line in file:
            text = line.strip().removesuffix(",")
            if text.startswith('{"'):
                yield name, _lasting(json.loads(text))
            elif text.endswith(": ["):
                name = json.loads(text.removesuffix(": ["))
            elif text.startswith('"'):
                yield from json.loads(f"{{{text}}}").items()


def _lasting(entry: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the directory is asked for anew when a plan is taken up: a row is its account, by object id."""
    return {name: value for name, value in entry.items() if name not in _ASKED_ANEW}


def header(connection: Connection) -> dict[str, Any]:
    """Return all of plan.json but its rows."""
    line = read(connection)
    operator = line.operator
    return {
        "run_id": line.run_id,
        "version": line.version,
        "rehearsal": line.rehearsal,
        "created_at": line.created_at,
        "tenant": {"id": operator.tenant_id, "name": operator.tenant},
        "domains": line.domains,
        "operator": {"object_id": operator.object_id, "user": operator.user, "roles": sorted(operator.roles or ())},
        "method": line.method,
        "settings": line.settings,
        "cohort": [_source(asdict(source)) for source in line.sources],
        "ticket": line.ticket,
        "justification": line.justification,
        "unchecked": line.unchecked,
        "noted": line.noted,
        "foreseen": line.foreseen,
        "exceptions": [_source(asdict(source)) for source in line.exceptions],
        "recipient": line.recipient,
        "given_passwords": _sealed_digest(connection),
    }


def _source(told: dict[str, Any]) -> dict[str, Any]:
    del told["path"]  # where a file lies says nothing of what was planned
    return told


def _lines(connection: Connection) -> Iterator[bytes]:
    """Write a run that is planned: the same table always gives the same bytes, a row to a line."""
    facts = header(connection)
    names = sorted({*facts, *_ROWS})
    yield b"{\n"
    for name in names:
        if name in _ROWS:
            yield f'"{name}": ['.encode()
            separator = "\n"
            for entry in _entries(connection, *_ROWS[name]):
                yield f"{separator}{_as_json(entry)}".encode()
                separator = ",\n"
            text = "\n]"
        else:
            text = f'"{name}": {_as_json(facts[name])}'
        yield f"{text}{'' if name == names[-1] else ','}\n".encode()
    yield b"}\n"


def _entries(connection: Connection, columns: Sequence[str], which: ColumnElement[bool]) -> Iterator[dict[str, Any]]:
    query = select(*(resets.c[name] for name in columns)).where(which).order_by(resets.c.turn, resets.c.id)
    for row in connection.execution_options(yield_per=_CHUNK_ROWS).execute(query):
        entry = dict(zip(columns, row, strict=True))
        if "marks" in entry:
            entry["marks"] = json.loads(entry["marks"])
        yield entry


_as_json = json.JSONEncoder(sort_keys=True).encode


def _sealed_digest(connection: Connection) -> str | None:
    """Return the SHA-256 of the passwords that came with the cohort, as they are sealed; None where none did."""
    query = select(candidates.c.reset_id, candidates.c.sealed).order_by(candidates.c.id)
    found, is_any = sha256(), False
    for reset_id, sealed in connection.execution_options(yield_per=_CHUNK_ROWS).execute(query):
        found.update(b"%d:%d:" % (reset_id, len(sealed)) + sealed)
        is_any = True
    return found.hexdigest() if is_any else None
