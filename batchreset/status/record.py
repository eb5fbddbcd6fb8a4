"""The run's own line: what it is, in whose name, against which tenant."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import insert, select, update

from batchreset.clock import timestamp
from batchreset.errors import StatusTableError
from batchreset.model import Method, Operator, RunState
from batchreset.status.schema import SCHEMA_VERSION, run
from batchreset.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Engine, Row

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One input as it was understood: the file's `sha256`, its number of records, the column that named the account.

    `path` is where the file was; None for standard input, and in tables of before it was kept. Of its records those are
    apart that are `blank`, `invalid` or `not_selected`; the others name so many `accounts`, None where nobody counted.
    """

    name: str
    sha256: str
    records: int
    column: str
    path: str | None = None
    #: Whether the column was found by its header or its content, or named by an option; and the first accounts in it.
    found_by: str = ""
    examples: Sequence[str] = ()
    #: The encoding, where it was guessed at.
    encoding: str = ""
    accounts: int | None = None
    blank: int = 0
    invalid: int = 0
    not_selected: int = 0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the status table says of the run as a whole. Times are ISO 8601 UTC, `seconds` the work of all starts."""

    run_id: str
    operator: Operator
    graph_url: str
    method: Method
    settings: dict[str, Any]
    sources: tuple[SourceRecord, ...]
    cohort_columns: tuple[str, ...]
    recipient: str = ""
    rehearsal: bool = False
    unchecked: tuple[str, ...] = ()
    #: What was found when planning, and cannot be found again: of what is `unchecked`, and of what is to be minded.
    noted: tuple[str, ...] = ()
    foreseen: tuple[str, ...] = ()
    #: The files that named exceptions.
    exceptions: tuple[SourceRecord, ...] = ()
    ticket: str | None = None
    justification: str | None = None
    domains: tuple[str, ...] = ()
    plan_digest: str | None = None
    state: RunState = RunState.PLANNED
    halted_because: str | None = None
    created_at: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    seconds: float = 0.0
    settings_now: dict[str, Any] | None = None
    version: str = __version__

    @property
    def wanted(self) -> dict[str, Any]:
        """The settings of the latest start, else those of the plan."""
        return self.settings if self.settings_now is None else self.settings_now

    @property
    def records(self) -> int:
        """How many records the cohort's files held, as they were counted when they were read."""
        return sum(source.records for source in self.sources)


def save(engine: Engine, record: RunRecord) -> None:
    """Write the run's line for the first time."""
    operator = record.operator
    values = {
        "run_id": record.run_id,
        "schema_version": SCHEMA_VERSION,
        "version": record.version,
        "state": record.state,
        "rehearsal": int(record.rehearsal),
        "created_at": timestamp(),
        "operator": _as_text(operator),
        "tenant": json.dumps({"id": operator.tenant_id, "name": operator.tenant}),
        "graph_url": record.graph_url,
        "method": record.method,
        "settings": json.dumps(record.settings),
        "sources": json.dumps([asdict(source) for source in record.sources]),
        "cohort_columns": json.dumps(record.cohort_columns),
        "unchecked": json.dumps(record.unchecked),
        "noted": json.dumps(record.noted),
        "foreseen": json.dumps(record.foreseen),
        "exceptions": json.dumps([asdict(source) for source in record.exceptions]),
        "recipient": record.recipient,
        "ticket": record.ticket,
        "justification": record.justification,
        "domains": json.dumps(record.domains),
        "plan_digest": record.plan_digest,
    }
    with engine.begin() as connection:
        connection.execute(insert(run), values)


def load(engine: Engine) -> RunRecord:
    """Read the run's line."""
    with engine.connect() as connection:
        return read(connection)


def read(connection: Connection) -> RunRecord:
    """Read the run's line within a transaction of the caller's.

    Raises `StatusTableError` where it does not hold what was written.
    """
    line = connection.execute(select(run)).one()
    try:
        return _record(line)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StatusTableError(
            f"{line.run_id}: what the status table says of the run itself cannot be read; use a copy from before."
        ) from error


def _record(line: Row[Any]) -> RunRecord:
    return RunRecord(
        run_id=line.run_id,
        rehearsal=bool(line.rehearsal),
        operator=_read_operator(_parsed(line.operator, dict), _parsed(line.tenant, dict)),
        graph_url=line.graph_url,
        method=Method(line.method),
        settings=_parsed(line.settings, dict),
        sources=tuple(SourceRecord(**source) for source in _parsed(line.sources, list)),
        cohort_columns=_texts(_parsed(line.cohort_columns, list)),
        unchecked=_texts(_parsed(line.unchecked, list)),
        noted=_texts(_parsed(line.noted, list)),
        foreseen=_texts(_parsed(line.foreseen, list)),
        exceptions=tuple(SourceRecord(**source) for source in _parsed(line.exceptions, list)),
        recipient=line.recipient,
        ticket=line.ticket,
        justification=line.justification,
        domains=_texts(_parsed(line.domains, list)),
        plan_digest=line.plan_digest,
        state=RunState(line.state),
        halted_because=line.halted_because,
        created_at=line.created_at,
        started_at=line.started_at,
        finished_at=line.finished_at,
        seconds=line.seconds,
        settings_now=None if line.settings_now is None else _parsed(line.settings_now, dict),
        version=line.version,
    )


def _parsed(text: str, kind: type[T]) -> T:
    found = json.loads(text)
    if not isinstance(found, kind):
        raise TypeError(kind)
    return found


def _texts(found: Iterable[Any]) -> tuple[str, ...]:
    texts = tuple(found)
    if not all(isinstance(each, str) for each in texts):
        raise TypeError(str)
    return texts


def note(engine: Engine, **values: Any) -> None:
    """Set columns of the run's line."""
    with engine.begin() as connection:
        connection.execute(update(run).values(**values))


def note_screening(engine: Engine, operator: Operator, unchecked: tuple[str, ...]) -> None:
    """Set who is signed in, and what could not be checked, as the latest screening found it."""
    note(engine, operator=_as_text(operator), unchecked=json.dumps(unchecked))


def _as_text(operator: Operator) -> str:
    roles = None if operator.roles is None else sorted(operator.roles)
    return json.dumps({"object_id": operator.object_id, "user": operator.user, "roles": roles})


def _read_operator(operator: dict[str, Any], tenant: dict[str, Any]) -> Operator:
    roles = operator.get("roles")
    object_id = operator["object_id"]
    user, tenant_id, name = _texts([operator["user"], tenant["id"], tenant["name"]])
    return Operator(
        object_id if object_id is None else _texts([object_id])[0],
        user,
        tenant_id,
        name,
        None if roles is None else frozenset(_texts(roles)),
    )
