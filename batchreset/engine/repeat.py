"""A cohort that has been carried out before, to the letter: the accounts that were reset would all be reset again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchreset.engine import folder as folders
from batchreset.model import Outcome, RunState

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan


@dataclass(frozen=True, slots=True)
class Earlier:
    """A run of the same cohort that has finished, at `finished_at` (ISO 8601 UTC); perhaps one of `users_at_risk`."""

    run_id: str
    finished_at: str
    succeeded: int
    users_at_risk: bool


def finished_earlier(plan: Plan) -> Earlier | None:
    """Find the latest finished run of the very same files and lists in the same tenant, among the folders beside it.

    None for a plan that has been begun: to go on with it repeats nothing. A run counts by its summary.json, so one
    whose report was taken away does not.
    """
    if plan.record.state is not RunState.PLANNED or plan.record.rehearsal:
        return None
    same = {source.sha256 for source in plan.record.sources}
    for folder in reversed(folders.listed(plan.folder.parent)):
        told = _summary(folder)
        if (
            told.get("state") == RunState.FINISHED
            and not told["rehearsal"]
            and told["tenant"]["id"] == plan.record.operator.tenant_id
            and {source["sha256"] for source in told["cohort"]["sources"]} == same
            and told["cohort"].get("where") == plan.record.settings.get("where")
        ):
            were_at_risk = bool(plan.record.settings.get("risky_users"))
            return Earlier(told["run_id"], told["finished_at"], told["counts"][Outcome.SUCCEEDED], were_at_risk)
    return None


def _summary(folder: Path) -> dict[str, Any]:
    """Read what a run came to; nothing where it has no summary, or one that somebody else wrote to."""
    try:
        told = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
