"""What an answer means.

Status and `code` decide, never the message: https://learn.microsoft.com/graph/errors. The codes of resetPassword are
not published, so whatever is not recognised is treated by its status alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from batchreset.model import Reason
from batchreset.policy.waits import wait_in

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Right after the POST the operation may not be visible on every replica yet; a 404 means "ask again" this long.
NOT_VISIBLE_YET = 60.0

#: Two writes to one object at once: nothing was applied. Source: Microsoft's "Microsoft Graph error responses".
_CONCURRENCY = "directory_concurrencyviolation"
_SUCCEEDED = frozenset({"succeeded", "completed"})
_SHOWN_MESSAGE = 300
#: Details of failed operations are not published; these words tell that the password was what did not suit.
_ABOUT_PASSWORDS = ("policy", "complexity", "banned", "history", "too weak", "passwordrejected")


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
    """Nothing was applied, and the same request will be refused again. `code` is Graph's, in lower case."""

    reason: Reason
    why: str
    code: str = field(default="", repr=False, compare=False)


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

    Any 2xx is accepted, unless it neither can be read nor names an operation: something on the way may have written it,
    as it has any redirect, since Graph knows none.
    """
    if isinstance(result, NotSent):
        return Transient(result.why)
    if isinstance(result, NoToken):
        return SignedOut(result.why)
    if isinstance(result, Lost):
        return Ambiguous(result.why)
    wait = wait_in(result.headers, now)
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
        return _signed_out(result)
    if is_redirect(status):
        return Ambiguous(f"{why}: a redirect, which is not followed")
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Ambiguous(why)
    return Refused(_reason(result), why, error_code(result))


def _signed_out(answer: Answer) -> SignedOut:
    """Say why the token is not taken, by the code alone: nobody looks for quotations in why a run was halted."""
    code = str(_error(answer).get("code") or "")
    return SignedOut(f"HTTP {answer.status} {code if code.isalpha() else ''}".rstrip())


def is_redirect(status: int) -> bool:
    """Say whether a status sends the client elsewhere."""
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST


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
    """The operation has ended; `detail` is the service's `statusDetail`, `at` its `lastActionDateTime`."""

    succeeded: bool
    status: str
    detail: str
    at: str | None = None

    @property
    def reason(self) -> Reason:
        """Why it failed: for the password, where the detail says so, as `PasswordPolicyViolation` does."""
        is_for_password = any(word in self.detail.casefold() for word in _ABOUT_PASSWORDS)
        return Reason.PASSWORD_REJECTED if is_for_password else Reason.OPERATION_FAILED


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The operation will not tell its end; the directory has to be asked."""

    why: str


Look: TypeAlias = Running | Ended | Unreadable | Throttled | Transient | SignedOut


def judge_look(result: Result, object_id: str, age: float, now: datetime) -> Look:
    """Say what the answer to a look at an operation of this account's means.

    `age` is seconds since the operation was accepted. The body alone decides (Microsoft publishes a sample where
    the GET itself answers 202); a status never heard of means go on asking.
    """
    if isinstance(result, NoToken):
        return SignedOut(result.why)
    if not isinstance(result, Answer):
        return Transient(result.why)
    wait = wait_in(result.headers, now)
    status = result.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _operation(result, object_id, wait)
    why = describe(result)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(wait)
    if status == HTTPStatus.UNAUTHORIZED:
        return _signed_out(result)
    if status == HTTPStatus.NOT_FOUND and age < NOT_VISIBLE_YET:
        return Running("not visible yet", wait)
    if is_redirect(status) or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return Transient(why, wait)
    return Unreadable(why)


def _operation(answer: Answer, object_id: str, wait: float | None) -> Look:
    body = answer.body
    if not isinstance(body, dict) or not isinstance(body.get("status"), str):
        return Transient("the operation's body could not be read", wait)
    if (user := user_in(body.get("resourceLocation"))) and "@" not in user and user != object_id.lower():
        return Unreadable("it is the operation of another account")
    status: str = body["status"]
    detail = str(body.get("statusDetail") or "")[:_SHOWN_MESSAGE]
    is_good, at = has_succeeded(status), body.get("lastActionDateTime")
    if is_good is None:
        # A single word of letters is shown, as all known ones are: that is no password, which anything else may be.
        return Running(status if status.isalpha() else "not understood", wait)
    return Ended(is_good, status, detail, at if isinstance(at, str) and time_of(at) else None)


def has_succeeded(status: str) -> bool | None:
    """Say how an operation of this status has ended; None where it has not."""
    if status.casefold() in _SUCCEEDED:
        return True
    return False if status.casefold() == "failed" else None


def user_in(url: Any) -> str | None:
    """Return whom a URL of Graph's is about, in lower case: the segment of its path after `users`.

    None where it has none, or steps back on its way.
    """
    path = url.partition("?")[0].lower() if isinstance(url, str) else ""
    segments = [unquote(each).lower() for each in path.split("/")] if "%" in path else path.split("/")
    if "users" not in segments[:-1] or not {".", ".."}.isdisjoint(segments):
        return None
    return segments[segments.index("users") + 1] or None


def changed_at(result: Result, object_id: str) -> str | None:
    """Return what a look at this account says of when its password last changed; None where it says nothing of it."""
    body = result.body if isinstance(result, Answer) else None
    if not isinstance(body, dict) or str(body.get("id")).lower() != object_id.lower():
        return None
    time = body.get("lastPasswordChangeDateTime")
    return time if isinstance(time, str) else None


def is_open(result: Result, object_id: str) -> bool | None:
    """Return whether this account can sign in, as a look at it says; None where it says nothing of that."""
    body = result.body if isinstance(result, Answer) else None
    if not isinstance(body, dict) or str(body.get("id")).lower() != object_id.lower():
        return None
    enabled = body.get("accountEnabled")
    return enabled if isinstance(enabled, bool) else None


def has_changed(before: str | None, now: str | None) -> bool:
    """Say whether two times of the directory's prove that a password changed between them.

    An earlier one comes from a copy that is behind, and what is no time proves nothing.
    """
    earlier, later = time_of(before), time_of(now)
    return earlier is not None and later is not None and later > earlier


def time_of(text: str | None) -> datetime | None:
    """Read a time of the directory's; None where it is none, or has no zone."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


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
