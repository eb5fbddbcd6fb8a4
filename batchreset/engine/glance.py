"""Where a run stands, as its folder tells it, also while another process works on it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from batchreset.clock import seconds_since
from batchreset.engine import folder as folders
from batchreset.engine.faults import plain_errors
from batchreset.engine.forgetting import sealed_since
from batchreset.errors import LockedError, RefusedError, RunNotFoundError
from batchreset.model import AS_INTENDED, IN_FLIGHT, Outcome, RunState, State, Step
from batchreset.status import database, record, rows, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Engine

    from batchreset.status.record import RunRecord

#: Seconds over which the rate is measured, and the sends that are looked at for it.
_RATE_OVER = 10.0
_LATEST_SENDS = 1_000
#: What needs attention, the most urgent first.
_URGENCY = (Outcome.FAILED, Outcome.UNRESOLVED, Outcome.EXCLUDED)


@dataclass(frozen=True, slots=True)
class Details:
    """What takes longer to find out of a run: 0.1 s where it has 100,000 rows.

    `reasons` are the rows that have ended, by outcome and reason. `rate` is resets sent a second of late, but for those
    that were refused for the quota, and `idle` seconds since the last one: 0 and None unless the run is at work and one
    was sent. `quota` is the last that was learned, in writes a second (None where none was), `throttled` how many
    writes were refused for it.
    """

    reasons: Mapping[tuple[Outcome, str], int]
    rate: float
    idle: float | None
    quota: float | None
    throttled: int


@dataclass(frozen=True, slots=True)
class Glance:
    """A run at a moment. `counts` has every state; `run` is told as interrupted where its process was killed.

    `sealed_since` says since when passwords that may be in force have lain sealed beside their key (ISO 8601 UTC).
    """

    folder: Path
    run: RunRecord
    counts: Mapping[State, int]
    sealed_since: str | None
    details: Details | None

    @property
    def rows(self) -> int:
        """All rows of the cohort."""
        return sum(self.counts.values())

    @property
    def in_flight(self) -> int:
        """Rows sent and not ended."""
        return sum(self.counts[state] for state in IN_FLIGHT)

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """Rows by outcome; those in flight have none yet."""
        return {
            outcome: self.counts[State.READY if outcome is Outcome.NOT_ATTEMPTED else State(outcome)]
            for outcome in Outcome
        }

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all is sent, at the present rate; None where that says nothing."""
        left, rate = self.counts[State.READY], self.details.rate if self.details else 0.0
        return left / rate if self.run.state is RunState.RUNNING and left and rate else None

    @property
    def attention(self) -> list[tuple[Outcome, str, int]]:
        """What somebody has to look at: outcome, reason, rows; the most urgent and the most numerous first."""
        quiet = AS_INTENDED | set(self.run.wanted.get("accept_excluded", ()))
        found = [
            (outcome, reason, count)
            for (outcome, reason), count in (self.details.reasons if self.details else {}).items()
            if not (outcome is Outcome.EXCLUDED and reason in quiet)
        ]
        return sorted(found, key=lambda each: (_URGENCY.index(each[0]), -each[2], each[1]))


@contextmanager
def looking(folder: Path, *, is_checked: bool = False, in_detail: bool = False) -> Iterator[Callable[[], Glance]]:
    """Yield what looks at a run, as often as it is called; the status table may be checked first.

    Raises what `database.connect` does, also while it is looked at.
    """
    engine = database.connect(folder, is_checked=is_checked)
    try:
        yield lambda: _look(folder, engine, in_detail=in_detail)
    finally:
        engine.dispose()


def _look(folder: Path, engine: Engine, *, in_detail: bool) -> Glance:
    with plain_errors(folder, RefusedError):
        run = record.load(engine)
        if run.state is RunState.RUNNING and not is_worked_on(folder):
            run = record.load(engine)  # it may have ended in this moment
            if run.state is RunState.RUNNING:
                run = replace(run, state=RunState.INTERRUPTED)
        try:
            sealed = sealed_since(folder, engine, run)
            return Glance(folder, run, rows.counts(engine), sealed, _details(engine, run) if in_detail else None)
        except (ValueError, TypeError, KeyError) as error:
            raise RefusedError(
                f"{folder}: what the status table says of its rows cannot be read; use a copy from before."
            ) from error


def is_worked_on(folder: Path) -> bool:
    """Say whether a process works on a run: one that was killed left its state, and holds no lock.

    Raises `RunNotFoundError` where the folder has gone: asking for its lock would make it anew.
    """
    if not folder.is_dir():
        raise RunNotFoundError(f"{folder}: this folder is not here any more; `batchreset runs` lists those that are.")
    try:
        with folders.locked(folder):
            return False
    except LockedError:
        return True


def _details(engine: Engine, run: RunRecord) -> Details:
    resets, sends, audit = schema.resets.c, schema.sends.c, schema.audit.c
    by_reason = (
        select(resets.state, resets.reason, func.count())
        .where(resets.state.in_(_URGENCY), resets.reason.is_not(None))
        .group_by(resets.state, resets.reason)
    )
    throttled = select(func.count()).where(sends.verdict == "throttled")
    learned = select(audit.fields).where(audit.event == "quota learned").order_by(audit.id.desc()).limit(1)
    is_taken = func.coalesce(sends.verdict, "").not_in(("throttled", "unsent"))
    latest = select(sends.intent_at).where(sends.step == Step.RESET, is_taken).order_by(sends.id.desc())
    with engine.connect() as connection:
        quota = connection.execute(learned).scalar()
        at_work = _LATEST_SENDS if run.state is RunState.RUNNING else 0
        ages = [seconds_since(at) for at in connection.execute(latest.limit(at_work)).scalars()]
        of_late = [age for age in ages if age <= _RATE_OVER]
        return Details(
            reasons={(Outcome(state), reason): count for state, reason, count in connection.execute(by_reason)},
            rate=len(of_late) / max(of_late[-1], 1.0) if of_late else 0.0,
            idle=ages[0] if ages else None,
            quota=json.loads(quota)["rate"] if quota else None,
            throttled=connection.execute(throttled).scalar_one(),
        )
