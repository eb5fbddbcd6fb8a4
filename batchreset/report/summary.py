"""What `summary.json` says, as a value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from batchreset.model import Outcome, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.report.findings import Findings
    from batchreset.status.record import RunRecord


class Sessions(StrEnum):
    """What became of the sessions of an account whose reset succeeded, where they were to be revoked."""

    REVOKED = "revoked"
    #: Refused.
    FAILED = "failed"
    #: Not done yet: not tried, not taken by the service, or its answer was lost.
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in figures: the keys of `summary.json`, and the hash of the manifest that vouches for the files.

    Times are ISO 8601 UTC, `seconds` is time spent working. `counts` has every outcome and adds up to `rows`;
    `reasons` has those that occur. `quota` has the writes a second that were learned (None where none were), how many
    resets were sent, and how many of them refused for it, in number and as a `share`; `time_spent` has the seconds in
    which it was waited for the `quota`, for `answers` and for `operations`. `sessions` counts, of the rows that were
    reset, those whose sessions were `revoked`, could not be (`failed`) and are not yet (`left`); all are 0 where they
    were not to be. `blocked` counts the accounts that this run left with sign-in blocked, or may have; `not_blocked`
    those that were to be blocked before their reset, and were sent that without.
    """

    run_id: str
    version: str
    rehearsal: bool
    state: RunState
    rows: int
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    started_at: str | None
    finished_at: str | None
    seconds: float
    traffic: Mapping[str, int]
    cohort: Mapping[str, Any]
    operator: Mapping[str, Any]
    tenant: Mapping[str, Any]
    method: str
    passwords_kept: bool
    ticket: str | None
    justification: str | None
    halted_because: str | None
    quota: Mapping[str, Any]
    time_spent: Mapping[str, float]
    sessions: Mapping[str, int]
    blocked: int
    not_blocked: int
    manifest_sha256: str = ""

    def recorded(self) -> dict[str, Any]:
        """Return the contents of `summary.json`."""
        values = asdict(self)
        del values["manifest_sha256"]  # the manifest is made from the file
        return values


def quota_of(by_second: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Put what was learned of the quota in figures, and what that cost."""
    sent, refused = (int(sum(by_second[name].values())) for name in ("sent", "refused"))
    learned = list(by_second["learned"].values())
    share = round(refused / sent, 4) if sent else 0.0
    return {"learned": learned[-1] if learned else None, "sent": sent, "refused": refused, "share": share}


def summarise(
    run: RunRecord,
    findings: Findings,
    traffic: Mapping[str, int],
    quota: Mapping[str, Any],
    time_spent: Mapping[str, float],
) -> Summary:
    """Put a run in figures."""
    counts = {outcome.value: 0 for outcome in Outcome}
    reasons: dict[str, int] = {}
    for (outcome, reason), rows in sorted(findings.tally.items()):
        counts[outcome] += rows
        if reason:
            reasons[reason] = reasons.get(reason, 0) + rows
    return Summary(
        run_id=run.run_id,
        version=run.version,
        rehearsal=run.rehearsal,
        state=run.state,
        rows=findings.tally.total(),
        counts=counts,
        reasons=reasons,
        started_at=run.started_at,
        finished_at=run.finished_at,
        seconds=round(run.seconds, 3),
        traffic=traffic,
        cohort={
            "sources": [
                {"name": each.name, "sha256": each.sha256, "records": each.records, "column": each.column}
                for each in run.sources
            ],
            "where": run.settings.get("where"),
        },
        operator={"object_id": run.operator.object_id, "user": run.operator.user},
        tenant={"id": run.operator.tenant_id, "name": run.operator.tenant},
        method=run.method,
        passwords_kept=not run.settings.get("discard_passwords"),
        ticket=run.ticket,
        justification=run.justification,
        halted_because=run.halted_because,
        quota=quota,
        time_spent=time_spent,
        sessions={each.value: findings.sessions[each] for each in Sessions},
        blocked=findings.blocked.total,
        not_blocked=findings.not_blocked.total,
    )
