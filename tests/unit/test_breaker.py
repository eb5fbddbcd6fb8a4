from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchreset.model import Method, Operator, Reason
from batchreset.policy.breaker import Breaker, Limit, advice

if TYPE_CHECKING:
    from collections.abc import Sequence


def ends_at(breaker: Breaker, causes: Sequence[str | None]) -> int | None:
    """Say after how many ended rows the breaker trips."""
    return next((number for number, cause in enumerate(causes, 1) if breaker.trip(cause)), None)


def spread(failures: int, successes: int) -> list[str | None]:
    """Mix failures of ever new causes evenly into successes, a success first."""
    between = successes // failures
    return [cause for number in range(failures) for cause in (*[None] * between, f"cause {number}")]


def test_the_default_is_a_fifth_and_at_least_ten() -> None:
    """Nine failures of nine halt nothing, the tenth does; of many rows, more than a fifth must fail."""
    assert ends_at(Breaker(Limit.parse(None)), [f"cause {number}" for number in range(20)]) == 10
    assert ends_at(Breaker(Limit.parse(None)), spread(failures=100, successes=400)) is None
    assert ends_at(Breaker(Limit.parse(None)), spread(failures=100, successes=300)) == 40


@pytest.mark.parametrize(("text", "failed", "ended", "is_exceeded"), [
    ("3", 3, 3, False),
    ("3", 4, 1000, True),
    ("0", 1, 1000, True),
    ("0", 0, 1000, False),
    ("5%", 5, 100, False),
    ("5%", 6, 100, True),
    ("29%", 29, 100, False),
    ("2.5%", 1, 40, False),
    ("2.5%", 1, 39, True),
    ("0%", 1, 1000, True),
    ("100%", 50, 50, False),
])  # fmt: skip
def test_more_than_this_is_too_many(text: str, failed: int, ended: int, is_exceeded: bool) -> None:  # noqa: FBT001  a parameter of pytest's
    """A number of failures, or a percentage of the rows ended; exactly so many are still allowed."""
    assert Limit.parse(text).is_exceeded(failed, ended) == is_exceeded


def test_one_cause_that_fails_everybody_halts_at_twenty_five() -> None:
    """Whatever --max-failures allows."""
    breaker = Breaker(Limit.parse("100%"))
    assert breaker.trip(None) is None
    assert ends_at(breaker, ["password_rejected"] * 30) == 25
    assert breaker.trip("password_rejected") == "26 resets in a row failed for one cause (password_rejected)"


@pytest.mark.parametrize(("cause", "at"), [
    (Reason.FORBIDDEN, 20),
    (Reason.REQUEST_REFUSED, 20),
    (Reason.PASSWORD_REJECTED, 25),
])  # fmt: skip
def test_everybody_refused_from_the_start_halts_at_twenty(cause: Reason, at: int) -> None:
    """A sign-in that may not reset, or a route that the accounts do not take, is known by then."""
    assert ends_at(Breaker(Limit.parse("100%")), [cause] * 30) == at
    assert ends_at(Breaker(Limit.parse("100%")), [None, *[cause] * 24]) is None


def test_where_a_reset_was_accepted_not_everybody_is_refused() -> None:
    """Refusals end at once and operations take their time: those that have ended first say nothing of the others."""
    breaker = Breaker(Limit.parse("100%"))
    breaker.accepted()
    assert ends_at(breaker, [Reason.FORBIDDEN] * 30) == 25


def test_a_success_or_another_cause_breaks_the_row() -> None:
    """Twenty-four, something else, twenty-four: no one cause fails everybody."""
    for between in (None, "not_found"):
        causes: list[str | None] = [None, *["forbidden"] * 24]
        assert ends_at(Breaker(Limit.parse("100%")), [*causes, between, *causes[1:]]) is None


def test_it_says_why() -> None:
    """In a sentence for the operator."""
    breaker = Breaker(Limit.parse("1"))
    assert breaker.trip("forbidden") is None
    assert breaker.trip("not_found") == "2 of 2 resets failed, more than --max-failures allows"


def test_one_cause_of_all_failures_is_named_with_what_to_do() -> None:
    """Also where --max-failures is what halts the run: what the service said last, what is needed, what is held."""
    operator = Operator(
        "id", "helen@contoso.example", "tid", "Contoso", frozenset({"Global Reader", "Directory Readers"})
    )
    breaker = Breaker(Limit.parse(None), advice(Method.RESET_PASSWORD, operator))
    assert [breaker.trip(Reason.FORBIDDEN, f"HTTP 403, the {number}.") for number in range(1, 10)] == [None] * 9
    assert breaker.trip(Reason.FORBIDDEN, "HTTP 403, the 10.") == (
        "all 10 resets that ended failed for one cause (forbidden; the last: HTTP 403, the 10.), more than "
        "--max-failures allows; reset-password takes "
        "the permission UserAuthenticationMethod.ReadWrite.All and one of the directory roles "
        "Authentication Administrator, Privileged Authentication Administrator, User Administrator, "
        "Helpdesk Administrator, Password Administrator, Global Administrator; "
        "whoever is signed in holds: Directory Readers, Global Reader"
    )


def test_what_is_not_known_or_not_there_is_not_advised() -> None:
    """Roles that could not be read are not told; an application, which has one route, is not sent to the other."""
    person = Operator("id", "helen@contoso.example", "tid", "Contoso", frozenset())
    application = Operator(None, "reset-app", "tid", "Contoso")
    told = advice(Method.PASSWORD_PROFILE, application)
    assert "whoever is signed in" not in told[Reason.FORBIDDEN]
    assert "User-PasswordProfile.ReadWrite.All" in told[Reason.FORBIDDEN]
    assert "Helpdesk Administrator" not in told[Reason.FORBIDDEN]
    assert "--method" not in told[Reason.REQUEST_REFUSED]
    assert advice(Method.RESET_PASSWORD, person)[Reason.FORBIDDEN].endswith("holds: none")
    assert advice(Method.RESET_PASSWORD, person)[Reason.REQUEST_REFUSED].endswith("--method password-profile")
