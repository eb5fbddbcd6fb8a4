"""Whether a run is still what was agreed to: its cohort, who works on it, and the age of its plan."""

from __future__ import annotations

from functools import partial
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batchreset.clock import seconds_since
from batchreset.engine import excepting, gathering
from batchreset.errors import CohortError, RefusedError
from batchreset.model import RunState
from batchreset.values import seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batchreset import cohort
    from batchreset.model import Operator
    from batchreset.settings import Settings
    from batchreset.status.record import RunRecord, SourceRecord

#: Of a SHA-256, enough to tell two files apart by eye.
_SHOWN = 12
#: Reads a file anew, by its path.
Understand: TypeAlias = "Callable[[str], cohort.Source]"


def differences(line: RunRecord, operator: Operator, settings: Settings) -> tuple[str, ...]:
    """Say what is no longer as it was when the run in `line` was planned or last worked on, one clause each.

    A run that has started holds all its rows and is not asked about its files or its plan's age.
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
        found += _all_changed("its cohort", line.sources, partial(_as_cohort, settings=settings))
        found += _all_changed("--except", line.exceptions, partial(excepting.understood, settings=settings))
    return tuple(found)


def refuse(line: RunRecord, found: tuple[str, ...]) -> None:
    """Raise `RefusedError` that names what is different, and says what to do."""
    remedy = "Plan again" if line.state is RunState.PLANNED else f"Sign in as {line.operator.user}"
    raise RefusedError(f"{line.run_id}: {'; '.join(found)}. {remedy}, or add --anyway to go on with it as it is.")


def _is_same(before: Operator, now: Operator) -> bool:
    """Compare by object id, which outlives a changed name; an application has none, and goes by its client id."""
    return (before.object_id or before.user) == (now.object_id or now.user)


def _all_changed(what: str, sources: Iterable[SourceRecord], understood: Understand) -> Iterator[str]:
    for source in sources:
        if changed := _changed(f"{what} {source.path}", source, understood):
            yield changed


def _as_cohort(path: str, settings: Settings) -> cohort.Source:
    return gathering.understood([path], settings)[0]


def _changed(what: str, source: SourceRecord, understood: Understand) -> str | None:
    """Say how a file differs from the one that was planned; None where it does not, or came through a pipe."""
    if source.path is None:
        return None
    try:
        with Path(source.path).open("rb") as file:
            now = file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{what} is no longer there"
    except OSError as error:
        return f"{what} cannot be read ({error.strerror})"
    if now == source.sha256:
        return None
    return (
        f"{what} has changed: it held {source.records:,} records (SHA-256 {source.sha256[:_SHOWN]}), "
        f"and holds {_records(source.path, understood)} ({now[:_SHOWN]})"
    )


def _records(path: str, understood: Understand) -> str:
    try:
        return f"{understood(path).records:,}"
    except CohortError:
        return "nothing that can be understood"
