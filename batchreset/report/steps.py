"""What went with each reset: the writes before it and after it. Pure: rows and their sends in, a line each out."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from batchreset.gather import restore
from batchreset.model import State, Step
from batchreset.policy.steps import after
from batchreset.report.summary import Sessions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchreset.status.record import RunRecord


class Taken(NamedTuple):
    """What went with the reset of one row: a line of `taken`.

    Times are ISO 8601 UTC, when the step was accepted, empty where it was not. `sessions` is empty where nothing is
    said of them, `is_blocked` whether this run left an account blocked that was not, as far as is known; `remarks`
    are what went wrong or is still to be done, in plain words.
    """

    sessions_revoked_at: str
    sessions_revoked_before_at: str
    disabled_at: str
    enabled_at: str
    sessions: str
    is_blocked: bool
    remarks: str


class _Past(NamedTuple):
    """What the sends of one step for one row came to."""

    at: str = ""
    is_lost: bool = False
    #: Why it was not done, by the last answer that says that.
    why_not: str = ""

    @property
    def is_done(self) -> bool:
        return bool(self.at)


_NOTHING = _Past()


def taken(resets: pd.DataFrame, sends: pd.DataFrame, run: RunRecord) -> pd.DataFrame:
    """Say what went with the resets of a chunk of rows, as `read_rows` yields it: a line each, in their order."""
    wanted = frozenset(after(restore(run.settings)))
    go_on = "" if run.rehearsal else f"; `batchreset resume {run.run_id}` does it"
    others = sends[sends["step"] != Step.RESET]
    pasts, blocked = _pasts(others), _blocked(others)
    columns = (resets[name] for name in ("id", "state", "enabled_before"))
    lines = [
        _taken(
            pasts.get(row, {}),
            wanted,
            go_on,
            is_reset=state == State.SUCCEEDED,
            is_blocked=row in blocked and enabled != 0,
        )
        for row, state, enabled in zip(*columns, strict=True)
    ]
    return pd.DataFrame(lines, columns=list(Taken._fields), index=resets.index, dtype=object)


def _pasts(sends: pd.DataFrame) -> dict[int, dict[Step, _Past]]:
    """Fold sends by row and step; they come in the order they were sent."""
    pasts: defaultdict[int, dict[Step, _Past]] = defaultdict(dict)
    columns = (sends[name] for name in ("reset_id", "step", "verdict", "answered_at", "detail"))
    for row, step, verdict, at, detail in zip(*columns, strict=True):
        past = pasts[row].get(step, _NOTHING)
        match verdict:
            case "accepted":
                past = _Past(at)
            case None | "ambiguous":
                past = past._replace(is_lost=True, why_not="")
            case "refused" | "transient" | "signedout":
                past = past._replace(why_not=detail or "no reason was given")
            case _:
                continue  # it is certain that nothing was applied, and it is to be sent again
        pasts[row][step] = past
    return pasts


def _blocked(sends: pd.DataFrame) -> set[int]:
    """Name the rows whose account was blocked, or may have been, and is not known to have been opened after that."""
    blocked: set[int] = set()
    for row, step, verdict in zip(sends["reset_id"], sends["step"], sends["verdict"], strict=True):
        if step == Step.DISABLE and verdict in {None, "ambiguous", "accepted"}:
            blocked.add(row)
        elif step == Step.ENABLE and verdict == "accepted":
            blocked.discard(row)
    return blocked


def _taken(
    pasts: Mapping[Step, _Past], wanted: frozenset[Step], go_on: str, *, is_reset: bool, is_blocked: bool
) -> Taken:
    disable, revoke_before, revoke, enable = (
        pasts.get(step, _NOTHING) for step in (Step.DISABLE, Step.REVOKE_BEFORE, Step.REVOKE, Step.ENABLE)
    )
    sessions = _sessions(revoke) if is_reset and Step.REVOKE in wanted else ""
    remarks = [
        *_remarks(disable, "sign-in could not be blocked", "sign-in may be blocked"),
        *_remarks(
            revoke_before,
            "sessions could not be revoked before the reset",
            "sessions may not have been revoked before the reset",
        ),
        *_remarks(revoke, "sessions could not be revoked", "sessions may not have been revoked"),
        *_remarks(enable, "sign-in could not be opened again", "sign-in may be open again"),
    ]
    if sessions == Sessions.LEFT and revoke is _NOTHING:
        remarks.append(f"sessions are not revoked yet{go_on}")
    if is_blocked and is_reset and Step.ENABLE in wanted and enable is _NOTHING:
        remarks.append(f"sign-in is not open again yet{go_on}")
    return Taken(revoke.at, revoke_before.at, disable.at, enable.at, sessions, is_blocked, "; ".join(remarks))


def _sessions(revoke: _Past) -> Sessions:
    if revoke.is_done:
        return Sessions.REVOKED
    return Sessions.FAILED if revoke.why_not else Sessions.LEFT


def _remarks(past: _Past, why_not: str, lost: str) -> Iterator[str]:
    """Say what became of a step that is not known to be done."""
    if past.is_done:
        return
    if past.why_not:
        yield f"{why_not}: {past.why_not}"
    if past.is_lost:
        yield f"{lost}: the answer was lost"
