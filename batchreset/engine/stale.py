"""Whether a run is still what was agreed to: its cohort, who works on it, and the age of its plan."""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from batchreset import cohort
from batchreset.clock import seconds_since
from batchreset.errors import CohortError, RefusedError
from batchreset.model import RunState
from batchreset.values import seconds

if TYPE_CHECKING:
    from batchreset.model import Operator
    from batchreset.settings import Settings
    from batchreset.status.record import RunRecord, SourceRecord

#: Of a SHA-256, enough to tell two files apart by eye.
_SHOWN = 12


def differences(line: RunRecord, operator: Operator, settings: Settings) -> tuple[str, ...]:
    """Say what is no longer as it was when the run in `line` was planned or last worked on, one clause each.

    A run that has started holds all its rows and is not asked about its cohort's files or its plan's age.
    """
    is_planned = line.state is RunState.PLANNED
    found = []
    if not _is_same(line.operator, operator):
        how = "it was planned by" if is_planned else "it was last worked on by"
        found.append(f"{how} {line.operator.user}, and you are signed in as {operator.user}")
    if is_planned:
        if seconds_since(line.created_at) > seconds(settings.max_plan_age, "--max-plan-age"):
            when = line.created_at[:16].replace("T", " ")
            found.append(
                f"it was planned on {when} UTC, which is longer ago than --max-plan-age {settings.max_plan_age}"
            )
        found += [changed for source in line.sources if (changed := _changed(source, settings))]
    return tuple(found)


def refuse(line: RunRecord, found: tuple[str, ...]) -> None:
    """Raise `RefusedError` that names what is different, and says what to do."""
    remedy = "Plan again" if line.state is RunState.PLANNED else f"Sign in as {line.operator.user}"
    raise RefusedError(f"{line.run_id}: {'; '.join(found)}. {remedy}, or add --anyway to go on with it as it is.")


def _is_same(before: Operator, now: Operator) -> bool:
    """Compare by object id, which outlives a changed name; an application has none, and goes by its client id."""
    return (before.object_id or before.user) == (now.object_id or now.user)


def _changed(source: SourceRecord, settings: Settings) -> str | None:
    """Say how a cohort's file differs from the one that was planned; None where it does not, or came through a pipe."""
    if source.path is None:
        return None
    try:
        with Path(source.path).open("rb") as file:
            now = file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return f"its cohort {source.path} is no longer there"
    except OSError as error:
        return f"its cohort {source.path} cannot be read ({error.strerror})"
    if now == source.sha256:
        return None
    return (
        f"its cohort {source.path} has changed: it held {source.records:,} records (SHA-256 {source.sha256[:_SHOWN]}), "
        f"and holds {_records(source.path, settings)} ({now[:_SHOWN]})"
    )


def _records(path: str, settings: Settings) -> str:
    try:
        (found,) = cohort.inspect([path], column=settings.column, password_column=settings.password_column)
    except CohortError:
        return "nothing that can be understood"
    return f"{found.records:,}"
