"""What a run came to."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.model import AS_INTENDED, Outcome, RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from batchreset.report import Summary

FINISHED, WITH_FAILURES, HALTED, WITH_EXCLUSIONS, INTERRUPTED = 0, 3, 4, 6, 130


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run: its folder and its summary."""

    folder: Path
    summary: Summary

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows by outcome; they add up to the input."""
        return self.summary.counts

    def rows(self) -> Iterator[dict[str, str]]:
        """Yield the lines of the reconciliation, one per input row."""
        return reconciled(self.folder)


def reconciled(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the lines of a run's reconciliation.csv, one per input row."""
    with (folder / "reconciliation.csv").open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def exit_status(summary: Summary, accepted: Collection[str]) -> int:
    """Say with which status a run's command ends; `accepted` are reasons of exclusion that are as intended."""
    if summary.state == RunState.HALTED:
        return HALTED
    if summary.state == RunState.INTERRUPTED:
        return INTERRUPTED
    counts = summary.counts
    if counts[Outcome.FAILED] or counts[Outcome.UNRESOLVED] or counts[Outcome.NOT_ATTEMPTED]:
        return WITH_FAILURES
    left_out = counts[Outcome.EXCLUDED] - sum(
        count for reason, count in summary.reasons.items() if reason in AS_INTENDED or reason in accepted
    )
    return WITH_EXCLUSIONS if left_out > 0 else FINISHED
