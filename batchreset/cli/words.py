"""A plan, a run's end and its state in plain words."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

from batchreset.engine import outline
from batchreset.model import Outcome, RunState, State
from batchreset.policy.steps import before
from batchreset.report.wording import accounts, duration, quota_text, time_text

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.engine.progress import Snapshot
    from batchreset.report import Summary


def plan_text(plan: Plan, width: int | None = None) -> str:
    """Say on a page what would happen, its lines broken at so many columns if any."""

    def broken(line: str, indent: int) -> str:
        return textwrap.fill(line, width, subsequent_indent=" " * indent, break_on_hyphens=False) if width else line

    lines = [outline.title(plan), "", *(broken(f"  {label:<14} {text}", 17) for label, text in outline.facts(plan))]
    for heading, told in (("Left out", tuple(outline.left_out(plan))), *outline.sections(plan)):
        if told:
            lines += ["", f"{heading}:", *(broken(f"  {line}", 30 if heading == "Left out" else 4) for line in told)]
    if plan.first_request:
        lines += [
            "",
            "First reset request:" if before(plan.settings) else "First request:",
            *(f"  {part}".rstrip() for part in plan.first_request.splitlines()),
        ]
    return "\n".join((*lines, "", f"Digest: sha256 {plan.record.plan_digest}"))


def plan_values(plan: Plan) -> dict[str, object]:
    """Return the plan as JSON values."""
    line, found = plan.record, plan.contents
    return {
        "run_id": plan.run_id,
        "folder": str(plan.folder),
        "rehearsal": line.rehearsal,
        "state": line.state,
        "plan_digest": line.plan_digest,
        "rows": plan.rows,
        "ready": plan.ready,
        "kinds": dict(found.kinds),
        "marks": {mark: len(names) for mark, names in found.marks.items()},
        "excluded": dict(plan.excluded),
        "looked_up": found.looked_up,
        "outside": dict(found.outside),
        "canaries": list(plan.canaries),
        "order_by": plan.settings.order_by,
        "tenant": {"id": line.operator.tenant_id, "name": line.operator.tenant},
        "operator": line.operator.user,
        "method": line.method,
        "method_because": plan.because,
        "password_source": plan.settings.password_source,
        "passwords": outline.passwords_text(plan.settings),
        "revoke_sessions": plan.settings.revoke_sessions,
        "disable": plan.settings.disable,
        "enable": plan.settings.enable,
        "due": dict(plan.due),
        "predicted_seconds": round(plan.duration.seconds, 1),
        "predicted_because": plan.duration.because,
        "warnings": list(outline.warnings(plan)),
        "unchecked": list(line.unchecked),
        "ticket": line.ticket,
        "justification": line.justification,
        "first_request": plan.first_request,
        "where": line.settings.get("where"),
        "sources": [
            {name: value for name, value in asdict(source).items() if name != "path"} for source in line.sources
        ],
    }


def end_text(folder: Path, summary: Summary) -> str:
    """Say how a run ended and where its report is."""
    counts = summary.counts
    rows = ", ".join(f"{counts[outcome]:,} {outcome.replace('_', ' ')}" for outcome in Outcome if counts[outcome])
    state = {
        RunState.FINISHED: "Finished",
        RunState.HALTED: "Halted",
        RunState.INTERRUPTED: "Interrupted",
    }.get(RunState(summary.state), str(summary.state))
    lines = [f"{state}{' (rehearsal)' if summary.rehearsal else ''}: {summary.rows:,} rows: {rows}."]
    if summary.halted_because:
        lines.append(f"Because: {summary.halted_because}.")
    if summary.state in {RunState.HALTED, RunState.INTERRUPTED} and not summary.rehearsal:
        lines.append(f"Go on with: batchreset resume {quoted(folder)}")
    if summary.blocked:
        opens = f"; batchreset resume {quoted(folder)} --enable opens it again for those that were reset"
        lines.append(f"Sign-in is still blocked for {accounts(summary.blocked)}{'' if summary.rehearsal else opens}.")
    if summary.not_blocked:
        lines.append(
            f"Sign-in was not blocked before the reset for {accounts(summary.not_blocked)}; the report says why."
        )
    lines += [f"Report:    {folder / 'report.html'}", f"Rows:      {folder / 'reconciliation.csv'}"]
    if not summary.passwords_kept:
        lines.append("Passwords: none were kept; users reset their own by self-service.")
    elif counts[Outcome.SUCCEEDED] or counts[Outcome.UNRESOLVED]:
        lines.append(f"Passwords: batchreset passwords {quoted(folder)} -o passwords.csv")
    told = (("Sessions:", _sessions(folder, summary)), ("Quota:", quota_text(summary)), ("Time:", time_text(summary)))
    lines += [f"{name:<10} {text}" for name, text in told if text]
    lines.append(f"Manifest:  sha256 {summary.manifest_sha256}")
    return "\n".join(lines)


def _sessions(folder: Path, summary: Summary) -> str:
    """Say what became of the sessions; empty where they were not to be revoked."""
    words = {"revoked": "revoked", "failed": "could not be revoked", "left": "not revoked yet"}
    sessions = summary.sessions
    told = ", ".join(f"{sessions[name]:,} {word}" for name, word in words.items() if sessions[name])
    is_open = (sessions["failed"] or sessions["left"]) and not summary.rehearsal
    return f"{told}; batchreset resume {quoted(folder)} tries again" if is_open else told


def snapshot_text(snapshot: Snapshot) -> str:
    """Say in a line where a run stands."""
    failed = snapshot.counts[State.FAILED] + snapshot.counts[State.UNRESOLVED]
    parts = [
        f"{snapshot.counts[State.SUCCEEDED]:,} done",
        f"{snapshot.in_flight:,} in flight",
        f"{failed:,} failed",
        f"{snapshot.left:,} left",
    ]
    if snapshot.to_revoke:
        parts.append(f"sessions revoked {snapshot.revoked:,} of {snapshot.to_revoke:,}")
    if snapshot.left and not snapshot.is_waiting:
        parts.append(f"{snapshot.rate:.1f}/s")
    if snapshot.quota is not None:
        parts.append(f"quota {snapshot.quota:.1f}/s")
    if snapshot.throttled:
        parts.append(f"refused {snapshot.throttled:,}")
    if snapshot.left and not snapshot.is_waiting and snapshot.eta is not None:
        parts.append(f"about {duration(snapshot.eta)} left")
    if snapshot.note:
        parts.append(snapshot.note)
    if snapshot.quota is not None and snapshot.left:
        parts.append(f"waiting for quota {snapshot.spent.quota / snapshot.seconds:.0%} of the time")
    return ", ".join(parts)


def quoted(path: Path) -> str:
    """Write a path as it can be pasted into a shell."""
    return f'"{path}"' if " " in str(path) else str(path)
