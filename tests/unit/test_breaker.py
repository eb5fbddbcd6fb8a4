from __future__ import annotations

import pytest

from batchreset.policy.breaker import Breaker, Limit


def ends_at(breaker: Breaker, causes: list[str | None]) -> int | None:
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
    assert ends_at(breaker, ["forbidden"] * 30) == 25
    assert breaker.trip("forbidden") == "26 resets in a row failed for one cause (forbidden)"


def test_a_success_or_another_cause_breaks_the_row() -> None:
    """Twenty-four, something else, twenty-four: no one cause fails everybody."""
    for between in (None, "not_found"):
        causes: list[str | None] = ["forbidden"] * 24
        assert ends_at(Breaker(Limit.parse("100%")), [*causes, between, *causes]) is None


def test_it_says_why() -> None:
    """In a sentence for the operator."""
    breaker = Breaker(Limit.parse("1"))
    assert breaker.trip("forbidden") is None
    assert breaker.trip("not_found") == "2 of 2 resets failed, more than --max-failures allows"
