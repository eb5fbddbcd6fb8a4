"""A plan, a run's end and its state in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchreset.model import Method, Outcome, PasswordSource, PasswordStyle, RunState, State
from batchreset.recipe import Recipe
from batchreset.report.wording import quota_text, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.engine.progress import Snapshot
    from batchreset.report import Summary

#: What a route means for a cohort.
_ROUTE_NOTES = {Method.PASSWORD_PROFILE: "; it cannot reach synchronised accounts"}


def plan_text(plan: Plan) -> str:
    """Say on a page what would happen."""
    line = plan.record
    lines = [f"Plan {plan.run_id}" + (" (a rehearsal, on a simulated tenant)" if line.rehearsal else ""), ""]
    facts = [
        ("tenant", line.operator.tenant_text),
        ("signed in as", line.operator.user),
        *(
            ("cohort", f"{source.name}: {source.records:,} rows, accounts in column {source.column}")
            for source in line.sources
        ),
        ("to be reset", f"{plan.ready:,} of {plan.rows:,} rows"),
        ("route", f"{line.method}, {plan.because}{_ROUTE_NOTES.get(line.method, '')}"),
        ("passwords", _passwords_text(line.settings)),
        ("duration", f"about {duration(plan.duration.seconds)} to send, {plan.duration.because}"),
        *((name, text) for name, text in (("ticket", line.ticket), ("justification", line.justification)) if text),
    ]
    lines += [f"  {name:<14} {text}" for name, text in facts]
    if plan.excluded:
        lines += ["", "Left out:"]
        lines += [
            f"  {count:>7,}  {reason}" for reason, count in sorted(plan.excluded.items(), key=lambda item: -item[1])
        ]
    if plan.warnings:
        lines += ["", "Mind:", *(f"  {sentence}" for sentence in plan.warnings)]
    if line.unchecked:
        lines += ["", "Not checked:", *(f"  {sentence}" for sentence in line.unchecked)]
    if plan.first_request:
        lines += ["", "First request:", *(f"  {part}".rstrip() for part in plan.first_request.splitlines())]
    return "\n".join(lines)


def _passwords_text(settings: Mapping[str, Any]) -> str:
    """Say where a run's passwords come from, how strong they are, and whether they are kept."""
    told = {
        PasswordSource.SYSTEM: "system (made by the service)",
        PasswordSource.COLUMN: f"from the cohort's column {settings['password_column']!r}",
        PasswordSource.GENERATED: f"generated: {_recipe(settings).described}",
    }[PasswordSource(settings["password_source"])]
    return told + ("; none is kept" if settings["discard_passwords"] else "")


def _recipe(settings: Mapping[str, Any]) -> Recipe:
    names = ("password_style", "password_length", "password_alphabet")
    style, length, alphabet = (settings[name] for name in names)
    return Recipe.of(PasswordStyle(style), length, alphabet)


def plan_values(plan: Plan) -> dict[str, object]:
    """Return the plan as JSON values."""
    line = plan.record
    return {
        "run_id": plan.run_id,
        "folder": str(plan.folder),
        "rehearsal": line.rehearsal,
        "state": line.state,
        "rows": plan.rows,
        "ready": plan.ready,
        "excluded": dict(plan.excluded),
        "tenant": {"id": line.operator.tenant_id, "name": line.operator.tenant},
        "operator": line.operator.user,
        "method": line.method,
        "method_because": plan.because,
        "password_source": line.settings["password_source"],
        "passwords": _passwords_text(line.settings),
        "predicted_seconds": round(plan.duration.seconds, 1),
        "predicted_because": plan.duration.because,
        "warnings": list(plan.warnings),
        "unchecked": list(line.unchecked),
        "first_request": plan.first_request,
        "sources": [
            {"name": source.name, "sha256": source.sha256, "records": source.records} for source in line.sources
        ],
    }


def end_text(folder: Path, summary: Summary) -> str:
    """Say how a run ended and where its report is."""
    counts = summary.counts
    told = ", ".join(f"{counts[outcome]:,} {outcome.replace('_', ' ')}" for outcome in Outcome if counts[outcome])
    state = {
        RunState.FINISHED: "Finished",
        RunState.HALTED: "Halted",
        RunState.INTERRUPTED: "Interrupted",
    }.get(RunState(summary.state), str(summary.state))
    lines = [f"{state}{' (rehearsal)' if summary.rehearsal else ''}: {summary.rows:,} rows: {told}."]
    if summary.halted_because:
        lines.append(f"Because: {summary.halted_because}.")
    if summary.state in {RunState.HALTED, RunState.INTERRUPTED} and not summary.rehearsal:
        lines.append(f"Go on with: batchreset resume {quoted(folder)}")
    lines += [f"Report:    {folder / 'report.html'}", f"Rows:      {folder / 'reconciliation.csv'}"]
    if not summary.passwords_kept:
        lines.append("Passwords: none were kept; users reset their own by self-service.")
    elif counts[Outcome.SUCCEEDED] or counts[Outcome.UNRESOLVED]:
        lines.append(f"Passwords: batchreset passwords {quoted(folder)} -o passwords.csv")
    learned = (("Quota:", quota_text(summary)), ("Time:", time_text(summary)))
    lines += [f"{name:<10} {text}" for name, text in learned if text]
    lines.append(f"Manifest:  sha256 {summary.manifest_sha256}")
    return "\n".join(lines)


def snapshot_text(snapshot: Snapshot) -> str:
    """Say in a line where a run stands."""
    failed = snapshot.counts[State.FAILED] + snapshot.counts[State.UNRESOLVED]
    parts = [
        f"{snapshot.counts[State.SUCCEEDED]:,} done",
        f"{snapshot.in_flight:,} in flight",
        f"{failed:,} failed",
        f"{snapshot.left:,} left",
    ]
    if snapshot.left:
        parts.append(f"{snapshot.rate:.1f}/s")
    if snapshot.quota is not None:
        parts.append(f"quota {snapshot.quota:.1f}/s")
    if snapshot.throttled:
        parts.append(f"refused {snapshot.throttled:,}")
    if snapshot.left and snapshot.eta is not None:
        parts.append(f"about {duration(snapshot.eta)} left")
    if snapshot.note:
        parts.append(snapshot.note)
    if snapshot.quota is not None and snapshot.left:
        parts.append(f"waiting for quota {snapshot.spent.quota / snapshot.seconds:.0%} of the time")
    return ", ".join(parts)


def quoted(path: Path) -> str:
    """Write a path as it can be pasted into a shell."""
    return f'"{path}"' if " " in str(path) else str(path)


def accounts(number: int) -> str:
    """Write a number of accounts."""
    return f"{number:,} account{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write seconds as a person says them."""
    if seconds < 90:  # noqa: PLR2004  a minute and a half
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:  # noqa: PLR2004  an hour and a half
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
