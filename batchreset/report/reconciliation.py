"""The reconciliation: what became of every input row. Pure: rows and sends in, lines out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from batchreset.gather import restore
from batchreset.model import IN_FLIGHT, Kind, Outcome, Reason, RunState, State, Step, outcome_of
from batchreset.policy.routing import makes_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchreset.status.record import RunRecord

COLUMNS = (
    *("row", "source", "identifier", "user", "object_id", "outcome", "reason", "detail", "method", "operation_url"),
    *("attempts", "polls", "submitted_at", "accepted_at", "finished_at", "verified_at", "sessions_revoked_at"),
    *("client_request_id", "request_id", "display_name", "kind", "must_change"),
    *("sessions_revoked_before_at", "disabled_at", "enabled_at"),
)
COHORT_PREFIX = "cohort."

_OUTCOMES = {state.value: outcome_of(state).value for state in State}
#: Why a row was not taken to its end, where only the run's end is to blame.
_CUT_SHORT = {RunState.HALTED: Reason.HALTED.value, RunState.INTERRUPTED: Reason.INTERRUPTED.value}
_NOT_STARTED = {
    RunState.PLANNED: "planned, not started",
    RunState.RUNNING: "waiting for its turn when this report was written",
    RunState.HALTED: "the run was halted before its turn",
    RunState.INTERRUPTED: "the run was interrupted before its turn",
}
_HELD_BACK = "password writeback failed for the first account of its on-premises domain"


def reconcile(resets: pd.DataFrame, sends: pd.DataFrame, steps: pd.DataFrame, run: RunRecord) -> pd.DataFrame:
    """Say what became of a chunk of rows, as `read_rows` yields it: a line each, in `COLUMNS` and the cohort's own.

    `steps` are what `taken` says of them. Texts are never missing (an empty text says nothing is known); `row`,
    `attempts` and `polls` are whole numbers.
    """
    lines = resets.join(_by_reset(sends[sends["step"] == Step.RESET]), on="id").join(steps)
    state, reason, detail = lines["state"], lines["reason"].fillna(""), lines["detail"].fillna("")
    is_ready, is_under_way = state == State.READY, state.isin(IN_FLIGHT)
    is_held_back = is_ready & (reason == Reason.WRITEBACK)
    cut_short = _CUT_SHORT.get(run.state, "")

    lines["outcome"] = state.map(_OUTCOMES)
    lines["reason"] = reason.mask((is_ready & ~is_held_back) | (is_under_way & (reason == "")), cut_short)
    detail = detail.mask(is_held_back & (detail == ""), _HELD_BACK)
    detail = detail.mask(is_ready & (detail == ""), _NOT_STARTED.get(run.state, ""))
    detail = detail.mask(is_under_way & (detail == ""), _under_way(run))
    remarks = lines["remarks"]
    lines["detail"] = detail + ((detail != "") & (remarks != "")).map({True: "; ", False: ""}) + remarks
    lines["method"] = lines["submitted_at"].notna().map({True: run.method, False: ""})
    lines["must_change"] = _must_change(lines, "yes" if makes_change(restore(run.settings), run.method) else "no")
    for count in ("attempts", "polls"):
        lines[count] = lines[count].fillna(0).astype(int)
    return pd.concat([lines[list(COLUMNS)].fillna(""), _cohort(lines["cohort"], run.cohort_columns)], axis="columns")


def _by_reset(sends: pd.DataFrame) -> pd.DataFrame:
    """Fold each row's sends into one line; they come in the order they were sent."""
    row = sends["reset_id"]
    # Without a verdict, or with an ambiguous one, it may have left; a refused connection proves that it did not.
    may_have_left = sends["verdict"].isna() | (sends["verdict"] == "ambiguous") | sends["status"].notna()
    accepted = sends[sends["verdict"] == "accepted"]
    last = sends.drop_duplicates("reset_id", keep="last").set_index("reset_id")
    return pd.DataFrame(
        {
            "attempts": (may_have_left & (sends["verdict"] != "throttled")).groupby(row).sum(),
            "polls": sends["polls"].groupby(row).sum(),
            "submitted_at": sends["intent_at"].groupby(row).first(),
            "accepted_at": accepted["answered_at"].groupby(accepted["reset_id"]).last(),
            # The last one known: a later send may have got no answer.
            "operation_url": sends["operation_url"].groupby(row).last(),
            "client_request_id": last["client_request_id"],
            "request_id": last["request_id"],
        },
        dtype=object,
    )


def _under_way(run: RunRecord) -> str:
    sentence = "an operation was still under way when this report was written"
    return sentence if run.rehearsal else f"{sentence}; `batchreset resume {run.run_id}` settles it"


def _must_change(lines: pd.DataFrame, of_cloud_accounts: str) -> pd.Series[str]:
    """Say whether the owner must choose a new password at the next sign-in.

    The route sets it for all cloud accounts alike; for a synchronised one it depends on settings nobody here can read.
    """
    succeeded = lines["outcome"] == Outcome.SUCCEEDED
    unknown = succeeded | (lines["outcome"] == Outcome.UNRESOLVED)
    answer = pd.Series("no", index=lines.index, dtype=object).mask(unknown, "unknown")
    return answer.mask(succeeded & (lines["kind"] == Kind.CLOUD), of_cloud_accounts)


def _cohort(texts: pd.Series[str], columns: Sequence[str]) -> pd.DataFrame:
    """Spread the cohort's own columns, each under its name with `cohort.` before it."""
    cells = [json.loads(text) for text in texts]
    return pd.DataFrame(
        {f"{COHORT_PREFIX}{column}": [cell.get(column, "") for cell in cells] for column in columns},
        index=texts.index,
        dtype=object,
    )
