"""What went with each reset: the writes before it and after it. Pure: rows and their sends in, a line each out."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from batchreset.gather import restore
from batchreset.model import State, Step
from batchreset.policy.steps import after, before
from batchreset.report.summary import Sessions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchreset.status.record import RunRecord


class Taken(NamedTuple):
    """What went with the reset of one row: a line of `taken`.

    Times are ISO 8601 UTC, when the step was accepted, empty where it was not. `sessions` is empty where nothing is
    said of them, `is_blocked` whether this run left an account blocked that was not, as far as is known; `is_unblocked`
    that it was to be blocked before its reset, and was sent that without; `remarks` are what went wrong or is still to
    be done, in plain words.
    """

    sessions_revoked_at: str
    sessions_revoked_before_at: str
    disabled_at: str
    enabled_at: str
    sessions: str
    is_blocked: bool
    is_unblocked: bool
    remarks: str


class _Past(NamedTuple):
    """What the sends of one step for one row came to."""

    at: str = ""
    is_lost: bool = False
    #: Why it was not done, by the last answer that says that, and whether that was for good.
    why_not: str = ""
    is_refused: bool = False

    @property
    def is_done(self) -> bool:
        return bool(self.at)

    @property
    def is_possible(self) -> bool:
        return self.is_done or self.is_lost

    @property
    def why(self) -> str:
        return f": {self.why_not}" if self.why_not else ""


class _Row(NamedTuple):
    """What is known of a row besides its steps; `is_sent` that its reset was, and is not to be sent again."""

    is_reset: bool
    is_sent: bool
    is_blocked: bool
    #: Whether it could sign in before, as far as is known.
    was_open: bool
    #: Whether it is left as it is, since it is protected by now.
    is_spared: bool


_NOTHING = _Past()
_NOT_SENT = frozenset({State.READY, State.EXCLUDED})


def taken(resets: pd.DataFrame, sends: pd.DataFrame, run: RunRecord) -> pd.DataFrame:
    """Say what went with the resets of a chunk of rows, as `read_rows` yields it: a line each, in their order."""
    settings = restore(run.wanted)
    wanted = frozenset((*before(settings), *after(settings)))
    go_on = "" if run.rehearsal else f"; `batchreset resume {run.run_id}` does it"
    is_of_reset = sends["step"] == Step.RESET
    sent = set(sends["reset_id"][is_of_reset & (sends["verdict"] != "unsent")])
    others = sends[~is_of_reset]
    pasts, blocked = _pasts(others), _blocked(others)
    columns = (resets[name] for name in ("id", "state", "enabled_before", "is_excepted"))
    lines = [
        _taken(
            pasts.get(number, {}),
            wanted,
            go_on,
            _Row(
                is_reset=state == State.SUCCEEDED,
                is_sent=number in sent and state not in _NOT_SENT,
                is_blocked=number in blocked and enabled != 0,
                was_open=enabled != 0,
                is_spared=bool(is_excepted),
            ),
        )
        for number, state, enabled, is_excepted in zip(*columns, strict=True)
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
                past = past._replace(is_lost=True, why_not="", is_refused=False)
            case "refused" | "transient" | "signedout":
                past = past._replace(why_not=detail or "no reason was given", is_refused=verdict == "refused")
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


def _taken(pasts: Mapping[Step, _Past], wanted: frozenset[Step], go_on: str, row: _Row) -> Taken:
    disable, revoke_before, revoke, enable = (
        pasts.get(step, _NOTHING) for step in (Step.DISABLE, Step.REVOKE_BEFORE, Step.REVOKE, Step.ENABLE)
    )
    is_unblocked = row.is_sent and row.was_open and Step.DISABLE in wanted and not disable.is_possible
    is_unrevoked = row.is_sent and Step.REVOKE_BEFORE in wanted and not revoke_before.is_possible
    is_counted = row.is_reset and Step.REVOKE in wanted
    is_revocation_due = is_counted and not revoke.is_done
    is_opening_due = row.is_reset and row.is_blocked and Step.ENABLE in wanted
    is_left = row.is_spared and (is_revocation_due or is_opening_due)
    remarks = [
        *_remarks(
            disable,
            "sign-in was not blocked before the reset" if is_unblocked else "sign-in could not be blocked",
            "sign-in may be blocked",
            is_missing=is_unblocked,
        ),
        *_remarks(
            revoke_before,
            f"sessions {'were not' if is_unrevoked else 'could not be'} revoked before the reset",
            "sessions may not have been revoked before the reset",
            is_missing=is_unrevoked,
        ),
        *_remarks(
            revoke,
            "sessions could not be revoked",
            "sessions may not have been revoked",
            not_yet=f"sessions are not revoked yet{revoke.why}{go_on}" if is_revocation_due and not is_left else "",
        ),
        *_remarks(
            enable,
            "sign-in could not be opened again",
            "sign-in may be open again",
            not_yet=f"sign-in is not open again yet{enable.why}{go_on}" if is_opening_due and not is_left else "",
        ),
        *(["left as it is: protected by now"] if is_left else []),
    ]
    return Taken(
        sessions_revoked_at=revoke.at,
        sessions_revoked_before_at=revoke_before.at,
        disabled_at=disable.at,
        enabled_at=enable.at,
        sessions=_sessions(revoke, is_due=is_revocation_due and not is_left) if is_counted else "",
        is_blocked=row.is_blocked,
        is_unblocked=is_unblocked,
        remarks="; ".join(remarks),
    )


def _sessions(revoke: _Past, *, is_due: bool) -> str:
    if not is_due:
        return Sessions.REVOKED if revoke.is_done else ""
    return Sessions.FAILED if revoke.is_refused else Sessions.LEFT


def _remarks(past: _Past, why_not: str, lost: str, *, is_missing: bool = False, not_yet: str = "") -> Iterator[str]:
    """Say what became of a step that is not known to be done.

    It `is_missing` where that cannot be made up for; `not_yet` is what to say where it can, unless it was refused.
    """
    if past.is_done:
        return
    if not_yet and not past.is_refused:
        if past.why_not or not past.is_lost:
            yield not_yet
    elif past.why_not or is_missing:
        yield f"{why_not}{past.why}"
    if past.is_lost:
        yield f"{lost}: the answer was lost"
