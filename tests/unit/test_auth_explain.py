"""The sign-in service's refusals, in one sentence each."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batchreset.auth.explain import _BY_NUMBER, _MEANINGS, explain, is_passing
from batchreset.rehearsal.problems import Problem, SignInRefusedError


@pytest.mark.parametrize("number", sorted(_BY_NUMBER))
def test_a_known_number_is_a_sentence_with_that_number(number: int) -> None:
    """Whether the number comes in the list or in the text alone; one sentence, for a line of a terminal or two."""
    told = explain({"error": "invalid_grant", "error_codes": [number], "error_description": f"AADSTS{number}: Told."})
    assert told == explain({"error_description": f"AADSTS{number}: Told."})
    assert told.endswith(f"(AADSTS{number}).")
    assert len(told) < 200
    assert "\n" not in told


def test_no_number_has_two_meanings() -> None:
    """Each number stands in one line of the table."""
    assert len(_BY_NUMBER) == sum(len(numbers) for numbers, _ in _MEANINGS)


@pytest.mark.parametrize(
    "description",
    [
        "AADSTS999999: Something new.\r\nTrace ID: 1\r\nCorrelation ID: 2\r\nTimestamp: 2026-11-21 17:55:02Z",
        "AADSTS999999: Something new. Trace ID: 1 Correlation ID: 2 Timestamp: 2026-11-21 17:55:02Z",
    ],
)
def test_an_unknown_number_is_told_in_the_services_words(description: str) -> None:
    """The first line, without what is for support only."""
    told = explain({"error": "invalid_grant", "error_description": description})
    assert told == "The sign-in was refused: AADSTS999999: Something new."


@pytest.mark.parametrize("result", [{}, {"error": None}, {"error_codes": "7", "error_description": 5}])
def test_an_odd_answer_is_still_a_sentence(result: dict[str, object]) -> None:
    """Foreign JSON does not make a traceback."""
    assert explain(result).startswith("The sign-in was refused: ")


def test_what_passes_is_told_from_what_does_not() -> None:
    """Trouble of the service's own is no lost sign-in."""
    passing = {problem for problem in Problem if is_passing(SignInRefusedError(problem).body(None, datetime.now(UTC)))}
    assert passing == {Problem.UNAVAILABLE}
