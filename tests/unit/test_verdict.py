from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.model import Reason
from batchreset.policy.verdict import (
    Accepted,
    Ambiguous,
    Answer,
    Ended,
    Look,
    Lost,
    NotSent,
    Refused,
    Running,
    SignedOut,
    Throttled,
    Transient,
    Unreadable,
    Verdict,
    describe,
    judge,
    judge_look,
)
from batchreset.policy.waits import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
LOCATION = "https://graph.microsoft.com/v1.0/users/1/authentication/operations/2?aadgdc=DUB02P&aadgsu=ssprprod-a"


def failing(status: int, code: str = "", message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """Make an answer with Graph's error envelope."""
    return Answer(status, headers or {}, {"error": {"code": code, "message": message, "innerError": {}}})


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer(202, {"Location": LOCATION, "Retry-After": "5"}), Accepted(LOCATION, 5.0)),
        (Answer(202, {"Location": LOCATION}), Accepted(LOCATION, None)),
        (Answer(202, {}), Accepted(None, None)),
        (Answer(202, {}, {"newPassword": "Xy7-meadow"}), Accepted(None, None)),
        (Answer(200, {}), Accepted(None, None)),
        (Answer(204, {}), Accepted(None, None)),
        (Answer(299, {}), Accepted(None, None)),
        (Answer(202, {"Location": LOCATION}, readable=False), Accepted(LOCATION, None)),
        (Answer(200, {}, readable=False), Ambiguous("HTTP 200, with an unreadable body")),
        (failing(429), Throttled(None)),
        (failing(429, "TooManyRequests", headers={"Retry-After": "2.128"}), Throttled(2.128)),
        (Answer(429, {"Retry-After": "10"}, readable=False), Throttled(10.0)),
        (failing(503, "serviceNotAvailable", "later"), Transient("HTTP 503 serviceNotAvailable: later")),
        (Answer(503, {"Retry-After": "3"}, readable=False), Transient("HTTP 503", 3.0)),
        (failing(409, "Directory_ConcurrencyViolation"), Transient("HTTP 409 Directory_ConcurrencyViolation")),
        (failing(400, "directory_CONCURRENCYviolation"), Transient("HTTP 400 directory_CONCURRENCYviolation")),
        (failing(401, "InvalidAuthenticationToken"), SignedOut("HTTP 401 InvalidAuthenticationToken")),
        (failing(408), Ambiguous("HTTP 408")),
        (failing(500, "generalException"), Ambiguous("HTTP 500 generalException")),
        (Answer(502, {}, readable=False), Ambiguous("HTTP 502")),
        (failing(504, "gatewayTimeout"), Ambiguous("HTTP 504 gatewayTimeout")),
        (failing(501), Ambiguous("HTTP 501")),
        (failing(509), Ambiguous("HTTP 509")),
        (
            failing(400, "PasswordPolicyViolation"),
            Refused(Reason.PASSWORD_REJECTED, "HTTP 400 PasswordPolicyViolation"),
        ),
        (failing(400, "invalidPassword"), Refused(Reason.PASSWORD_REJECTED, "HTTP 400 invalidPassword")),
        (failing(400, "Request_BadRequest"), Refused(Reason.REQUEST_REFUSED, "HTTP 400 Request_BadRequest")),
        (failing(403, "accessDenied"), Refused(Reason.FORBIDDEN, "HTTP 403 accessDenied")),
        (failing(403, "PasswordX"), Refused(Reason.FORBIDDEN, "HTTP 403 PasswordX")),
        (failing(404, "Request_ResourceNotFound"), Refused(Reason.NOT_FOUND, "HTTP 404 Request_ResourceNotFound")),
        (failing(405), Refused(Reason.REQUEST_REFUSED, "HTTP 405")),
        (failing(409, "Conflict"), Refused(Reason.REQUEST_REFUSED, "HTTP 409 Conflict")),
        (
            Answer(302, {"Location": "https://elsewhere.example/"}),
            Ambiguous("HTTP 302: a redirect, which is not followed"),
        ),
    ],
    ids=str,
)
def test_what_an_answer_to_a_write_means(answer: Answer, verdict: Verdict) -> None:
    """Status and code decide; only what proves that nothing was applied is transient or refused."""
    assert judge(answer, NOW) == verdict


def test_what_no_answer_means() -> None:
    """A request that never left may be sent again; one that left and was not answered is in doubt."""
    assert judge(NotSent("connection refused"), NOW) == Transient("connection refused")
    assert judge(Lost("the connection was reset"), NOW) == Ambiguous("the connection was reset")


def test_a_message_decides_nothing() -> None:
    """Messages are for people and change: one that speaks of passwords or of waiting makes no difference."""
    misleading = failing(400, "Request_BadRequest", "The password violates a policy; too many requests")
    assert isinstance(verdict := judge(misleading, NOW), Refused)
    assert verdict.reason is Reason.REQUEST_REFUSED


@pytest.mark.parametrize(
    "body", [None, [], "text", 7, {"error": None}, {"error": "text"}, {"error": {}}, {"error": {"code": None}}]
)
def test_any_body_of_an_error_will_do(body: Any) -> None:
    """An error without Graph's envelope is judged by its status, and described by it."""
    assert judge(Answer(403, {}, body), NOW) == Refused(Reason.FORBIDDEN, "HTTP 403")


def test_a_description_is_one_short_line() -> None:
    """Line breaks are folded and long texts cut: it goes into a cell of a report."""
    assert describe(failing(400, "code", "two\n  lines")) == "HTTP 400 code: two lines"
    assert len(describe(failing(400, "code", "long " * 1000))) == 300


@pytest.mark.parametrize(
    ("body", "look"),
    [
        ({"status": "notStarted"}, Running("notStarted")),
        ({"status": "running", "statusDetail": None}, Running("running")),
        ({"status": "unknownFutureValue"}, Running("unknownFutureValue")),
        ({"status": "validating"}, Running("validating")),
        ({"status": "succeeded", "statusDetail": "ResetSuccess"}, Ended(True, "succeeded", "ResetSuccess")),
        ({"status": "SUCCEEDED"}, Ended(True, "SUCCEEDED", "")),
        ({"status": "Completed"}, Ended(True, "Completed", "")),
        ({"status": "Failed", "statusDetail": "PolicyViolation"}, Ended(False, "Failed", "PolicyViolation")),
        ({"status": None}, Transient("the operation's body could not be read")),
        ({}, Transient("the operation's body could not be read")),
        (None, Transient("the operation's body could not be read")),
        (["succeeded"], Transient("the operation's body could not be read")),
    ],
)
@pytest.mark.parametrize("status", [200, 202])
def test_an_operations_body_alone_tells_how_it_stands(status: int, body: Any, look: Look) -> None:
    """A 202 on the GET means no more than a 200; a status never heard of means go on asking."""
    assert judge_look(Answer(status, {}, body), "1", 5.0, NOW) == look


@pytest.mark.parametrize(
    ("answer", "age", "look"),
    [
        (Answer(200, {"Retry-After": "7"}, {"status": "running"}), 5.0, Running("running", 7.0)),
        (failing(404), 59.9, Running("not visible yet")),
        (failing(404, "gone"), 60.0, Unreadable("HTTP 404 gone")),
        (failing(403, "accessDenied"), 1.0, Unreadable("HTTP 403 accessDenied")),
        (failing(400), 1.0, Unreadable("HTTP 400")),
        (failing(410), 1.0, Unreadable("HTTP 410")),
        (failing(302), 1.0, Transient("HTTP 302")),
        (failing(401, "expired"), 1.0, SignedOut("HTTP 401 expired")),
        (failing(429, headers={"Retry-After": "1.5"}), 1.0, Throttled(1.5)),
        (failing(503, headers={"Retry-After": "2"}), 1.0, Transient("HTTP 503", 2.0)),
        (failing(500), 1.0, Transient("HTTP 500")),
        (failing(504), 1.0, Transient("HTTP 504")),
        (failing(408), 1.0, Transient("HTTP 408")),
        (NotSent("refused"), 1.0, Transient("refused")),
        (Lost("reset"), 1.0, Transient("reset")),
    ],
    ids=str,
)
def test_what_a_failing_look_means(answer: Answer | NotSent | Lost, age: float, look: Look) -> None:
    """A look may always be repeated; only what will not change is unreadable, and what is young may not show yet."""
    assert judge_look(answer, "1", age, NOW) == look


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("2.128", 2.128),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Saturday, 21-Nov-26 12:01:00 GMT", 60.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("1e300", 3600.0),
        ("Sun, 22 Nov 2026 12:00:00 GMT", 3600.0),
        ("NaN", None),
        ("inf", None),
        ("-Infinity", None),
        ("1e400", None),
        ("", None),
        ("soon", None),
        ("5 seconds", None),
        ("Sat, 21 Nov 2026 12:00:30 -0000", None),
        ("Sat, 21 Nov 2026 12:00:30 +99999999999999999999", None),
        ("Sat, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_every_form(text: str | None, seconds: float | None) -> None:
    """Integer, decimal or date; at most an hour, none below zero, and nonsense is as good as nothing."""
    assert retry_after(text, NOW) == seconds
