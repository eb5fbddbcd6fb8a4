"""What can be written to the status table: a `Change` is one statement and its values, made by the functions here.

Changes that belong together are put to the writer in one call, and are on disk together or not at all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, func, insert, update

from batchreset.clock import timestamp
from batchreset.model import ENDED, MOVES, Fate, Reason, State, Step
from batchreset.status.schema import audit, candidates, evidence, resets, sends

if TYPE_CHECKING:
    from sqlalchemy.sql.dml import Insert, Update

_INSERT_CANDIDATE = insert(candidates).values(
    {name: bindparam(name) for name in ("id", "reset_id", "sealed", "fate", "made_at")}
)
_INSERT_SEND = insert(sends).values(
    {name: bindparam(name) for name in ("client_request_id", "reset_id", "step", "candidate_id", "intent_at")}
)
_UPDATE_SEND = (
    update(sends)
    .where(sends.c.client_request_id == bindparam("send"))
    .values(
        {
            name: bindparam(name)
            for name in ("request_id", "answered_at", "status", "verdict", "detail", "operation_url")
        }
    )
)
_UPDATE_OPERATION = (
    update(sends)
    .where(sends.c.client_request_id == bindparam("send"))
    .values(
        polls=bindparam("polls"),
        operation_status=func.coalesce(bindparam("operation_status"), sends.c.operation_status),
        operation_ended_at=bindparam("operation_ended_at"),
    )
)
_UPDATE_CANDIDATE = (
    update(candidates)
    .where(candidates.c.id == bindparam("candidate"))
    .values(fate=bindparam("fate"), sealed=func.coalesce(bindparam("sealed"), candidates.c.sealed))
)
#: The move of a row; it applies only to a row in the state that the move begins in.
MOVE = (
    update(resets)
    .where(resets.c.id == bindparam("reset"), resets.c.state == bindparam("moved_from"))
    .values(
        state=bindparam("target"),
        reason=bindparam("reason"),
        detail=bindparam("detail"),
        settled_on=func.coalesce(bindparam("settled_on"), resets.c.settled_on),
        finished_at=bindparam("finished_at"),
        verified_at=func.coalesce(bindparam("verified_at"), resets.c.verified_at),
    )
)
_UPDATE_VERIFIED = update(resets).where(resets.c.id == bindparam("reset")).values(verified_at=bindparam("verified_at"))
_UPDATE_ENABLED = (
    update(resets).where(resets.c.id == bindparam("reset")).values(enabled_before=bindparam("enabled_before"))
)
_INSERT_EVIDENCE = insert(evidence).values({name: bindparam(name) for name in ("reset_id", "moment", "at", "said")})
_INSERT_EVENT = insert(audit).values(
    {name: bindparam(name) for name in ("at", "event", "route", "status", "reset_id", "fields")}
)

_as_json = json.JSONEncoder(ensure_ascii=False).encode

#: The order in which a commit applies its statements: what is referred to comes first.
ORDER: tuple[Insert | Update, ...] = (
    _INSERT_CANDIDATE,
    _INSERT_SEND,
    _UPDATE_SEND,
    _UPDATE_OPERATION,
    _UPDATE_CANDIDATE,
    MOVE,
    _UPDATE_VERIFIED,
    _UPDATE_ENABLED,
    _INSERT_EVIDENCE,
    _INSERT_EVENT,
)


class Change(NamedTuple):
    """One statement of `ORDER`, and its values."""

    statement: Insert | Update
    values: dict[str, Any]


class IllegalMoveError(Exception):
    """A move that the table of moves does not allow: a fault of the program."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a row besides its state: why, on which candidate, and when the directory showed the change.

    `by_operation` says that its operation told so, as opposed to the answer to a send; it is not written.
    """

    reason: Reason | None = None
    detail: str | None = None
    settled_on: int | None = None
    verified_at: str | None = None
    by_operation: bool = False


_NOTHING = Ending()


def refuse_illegal(source: State, target: State) -> None:
    """Raise `IllegalMoveError` for a move that `MOVES` does not name."""
    if target not in MOVES[source]:
        raise IllegalMoveError(f"a row does not go from {source} to {target}")


def moved(reset_id: int, source: State, target: State, ending: Ending = _NOTHING) -> Change:
    """Move a row. Raises `IllegalMoveError` for a move that `MOVES` does not name."""
    refuse_illegal(source, target)
    values = {
        "reset": reset_id,
        "moved_from": source.value,
        "target": target.value,
        "reason": ending.reason,
        "detail": ending.detail,
        "settled_on": ending.settled_on,
        "finished_at": timestamp() if target in ENDED else None,
        "verified_at": ending.verified_at,
    }
    return Change(MOVE, values)


def verified(reset_id: int) -> Change:
    """Record that the directory shows the change now, of a row that had ended before."""
    return Change(_UPDATE_VERIFIED, {"reset": reset_id, "verified_at": timestamp()})


def found_blocked(reset_id: int) -> Change:
    """Record that somebody else had blocked an account by the time this run was about to."""
    return Change(_UPDATE_ENABLED, {"reset": reset_id, "enabled_before": 0})


def candidate_made(candidate_id: int, reset_id: int, sealed: bytes | None, fate: Fate) -> Change:
    """Record a password to be tried, sealed; None where the service is to make it."""
    values = {"id": candidate_id, "reset_id": reset_id, "sealed": sealed, "fate": fate, "made_at": timestamp()}
    return Change(_INSERT_CANDIDATE, values)


def candidate_fate(candidate_id: int, fate: Fate, sealed: bytes | None = None) -> Change:
    """Record what became of a candidate; `sealed` is given when the service has just told the password it made."""
    return Change(_UPDATE_CANDIDATE, {"candidate": candidate_id, "fate": fate, "sealed": sealed})


def intended(client_request_id: str, reset_id: int, candidate_id: int | None, step: Step = Step.RESET) -> Change:
    """Record that a write is about to be sent; only resets have a candidate."""
    values = {
        "client_request_id": client_request_id,
        "reset_id": reset_id,
        "step": step,
        "candidate_id": candidate_id,
        "intent_at": timestamp(),
    }
    return Change(_INSERT_SEND, values)


@dataclass(frozen=True, slots=True)
class Answered:
    """How a send was answered; all None but the verdict where it was not.

    `detail` is what was said of a step beside the reset that did not succeed.
    """

    verdict: str
    status: int | None = None
    request_id: str | None = None
    operation_url: str | None = None
    detail: str | None = None


def answered(client_request_id: str, answer: Answered) -> Change:
    """Record the answer to a send."""
    values = {
        "send": client_request_id,
        "request_id": answer.request_id,
        "answered_at": timestamp() if answer.status is not None else None,
        "status": answer.status,
        "verdict": answer.verdict,
        "detail": answer.detail,
        "operation_url": answer.operation_url,
    }
    return Change(_UPDATE_SEND, values)


def operation_seen(client_request_id: str, polls: int, status: str | None, ended_at: str | None = None) -> Change:
    """Record what the latest look at an operation showed; `ended_at` is its own word, where it has ended."""
    values = {
        "send": client_request_id,
        "polls": polls,
        "operation_status": status,
        "operation_ended_at": ended_at,
    }
    return Change(_UPDATE_OPERATION, values)


def witnessed(reset_id: int, at: str, said: str) -> Change:
    """Record what the directory said of a row's account after all was over, as JSON text."""
    return Change(_INSERT_EVIDENCE, {"reset_id": reset_id, "moment": "after", "at": at, "said": said})


def logged(event: str, *, reset_id: int | None = None, **fields: Any) -> Change:
    """Record a decision in the audit trail."""
    return _event(event, None, None, reset_id, fields)


def requested(route: str, status: int | None, *, reset_id: int | None = None, **fields: Any) -> Change:
    """Record a request in the audit trail: `route` is `write`, `read` or `poll`."""
    return _event("request", route, status, reset_id, fields)


def _event(event: str, route: str | None, status: int | None, reset_id: int | None, fields: dict[str, Any]) -> Change:
    told = {name: value for name, value in fields.items() if value is not None}
    values = {
        "at": timestamp(),
        "event": event,
        "route": route,
        "status": status,
        "reset_id": reset_id,
        "fields": _as_json(told),
    }
    return Change(_INSERT_EVENT, values)
