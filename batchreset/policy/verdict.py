"""What an answer means.

Status and `code` decide, never the message: https://learn.microsoft.com/graph/errors. The codes of resetPassword are
not published, so whatever is not recognised is treated by its status alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

from batchreset.model import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

#: A Retry-After beyond an hour is taken for an hour: the quota is asked again then.
LONGEST_RETRY_AFTER = 3600.0
#: Right after the POST the operation may not be visible on every replica yet; a 404 means "ask again" this long.
NOT_VISIBLE_YET = 60.0

#: Two writes to one object at once: nothing was applied. Source: Microsoft's "Microsoft Graph error responses".
_CONCURRENCY = "directory_concurrencyviolation"
_SUCCEEDED = frozenset({"succeeded", "completed"})
_SHOWN_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    `body` is the decoded JSON, None where there is none; `readable` is False where it broke off or is no JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: Any = field(default=None, repr=False)
    readable: bool = True


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection came about: the request never left."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The request left, or may have, and no answer came back."""

    why: str


@dataclass(frozen=True, slots=True)
class NoToken:
    """No token could be had, and none will be until someone signs in: the request never left."""

    why: str


Result: TypeAlias = Answer | NotSent | Lost | NoToken


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took the write. `retry_after` is in seconds."""

    location: str | None
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Throttled:
    """Nothing was applied; come again. A wait, never an attempt."""

    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Transient:
    """Nothing was applied, and trying again may help."""

    why: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Nobody knows whether it was applied."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was applied, and the same request will be refused again."""

    reason: Reason
    why: str


@dataclass(frozen=True, slots=True)
class SignedOut:
    """There is no token that is taken. Nothing was applied; no request will be until someone signs in."""

    why: str


@dataclass(frozen=True, slots=True)
class Demoted:
    """Refused for what became of the sign-in, and not for the row's sake: nothing was applied, and it may yet be.

    `wait` is the least time until it is tried again, in seconds.
    """

    wait: float = 0.0


Verdict: TypeAlias = Accepted | Throttled | Transient | Ambiguous | Refused | SignedOut | Demoted


def judge(result: Result, now: datetime) -> Verdict:
    """Say what the answer to a write means. `now` is wall-clock UTC, for a Retry-After that is a date.

    Any 2xx is accepted, unless it neither can be read nor names an operation: something on the way may have written it.
    """
    if isinstance(result, NotSent):
        return Transient(result.why)
    if isinstance(result, NoToken):
        return SignedOut(result.why)
    if isinstance(result, Lost):
        return Ambiguous(result.why)
    wait = retry_after(result.headers.get("Retry-After"), now)
    status = result.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        location = result.headers.get("Location")
        is_plain = result.readable or location
        return Accepted(location, wait) if is_plain else Ambiguous(f"HTTP {status}, with an unreadable body")
    why = describe(result)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(wait)
    if status == HTTPStatus.SERVICE_UNAVAILABLE or error_code(result) == _CONCURRENCY:
        return Transient(why, wait)
    if status == HTTPStatus.UNAUTHORIZED:
        return SignedOut(why)
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Ambiguous(why)
    return Refused(_reason(result), why)


def _reason(answer: Answer) -> Reason:
    if answer.status == HTTPStatus.FORBIDDEN:
        return Reason.FORBIDDEN
    if answer.status == HTTPStatus.NOT_FOUND:
        return Reason.NOT_FOUND
    if answer.status == HTTPStatus.BAD_REQUEST and "password" in error_code(answer):
        return Reason.PASSWORD_REJECTED
    return Reason.REQUEST_REFUSED


@dataclass(frozen=True, slots=True)
class Running:
    """The operation has not ended, or does not show yet."""

    status: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The operation has ended; `detail` is the service's `statusDetail`."""

    succeeded: bool
    status: str
    detail: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The operation will not tell its end; the directory has to be asked."""

    why: str


Look: TypeAlias = Running | Ended | Unreadable | Throttled | Transient | SignedOut


def judge_look(result: Result, age: float, now: datetime) -> Look:
    """Say what the answer to a look at an operation means.

    `age` is seconds since the operation was accepted. The body alone decides (Microsoft publishes a sample where
    the GET itself answers 202); a status never heard of means go on asking.
    """
    if isinstance(result, NoToken):
        return SignedOut(result.why)
    if not isinstance(result, Answer):
        return Transient(result.why)
    wait = retry_after(result.headers.get("Retry-After"), now)
    status = result.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _operation(result, wait)
    why = describe(result)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(wait)
    if status == HTTPStatus.UNAUTHORIZED:
        return SignedOut(why)
    if status == HTTPStatus.NOT_FOUND and age < NOT_VISIBLE_YET:
        return Running("not visible yet", wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return Transient(why, wait)
    return Unreadable(why)


def _operation(answer: Answer, wait: float | None) -> Look:
    body = answer.body
    if not isinstance(body, dict) or not isinstance(body.get("status"), str):
        return Transient("the operation's body could not be read", wait)
    status: str = body["status"]
    detail = str(body.get("statusDetail") or "")[:_SHOWN_MESSAGE]
    if status.casefold() in _SUCCEEDED:
        return Ended(succeeded=True, status=status, detail=detail)
    if status.casefold() == "failed":
        return Ended(succeeded=False, status=status, detail=detail)
    return Running(status, wait)


def retry_after(text: str | None, now: datetime) -> float | None:
    """Read Retry-After in seconds: an integer, a decimal (Graph's own sample is `2.128`) or an HTTP date.

    None where it is absent or nonsense; never negative, and at most `LONGEST_RETRY_AFTER`.
    """
    if text is None:
        return None
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(text) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):  # no date either, one without a zone, or one out of this world
            return None
    if not math.isfinite(wait):
        return None
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER)


def error_code(answer: Answer) -> str:
    """Return Graph's error code in lower case, empty where the body has none."""
    return str(_error(answer).get("code") or "").lower()


def describe(answer: Answer) -> str:
    """Say in one line what the service answered, for a person; nothing decides on it."""
    error = _error(answer)
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    told = ": ".join(part for part in (code, " ".join(message.split())) if part)
    return f"HTTP {answer.status} {told}".rstrip()[:_SHOWN_MESSAGE]


def _error(answer: Answer) -> Mapping[str, Any]:
    body = answer.body
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}
