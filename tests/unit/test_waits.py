from __future__ import annotations

from datetime import UTC, datetime

import pytest

from batchreset.policy.verdict import user_in
from batchreset.policy.waits import distrusted_in, wait_in

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
THEIRS = "Fri, 20 Nov 2026 07:00:00 GMT"


@pytest.mark.parametrize(
    ("date", "seconds"),
    [(THEIRS, 30.0), (None, None), ("nonsense", None), ("Sat, 21 Nov 2026 12:00:00 GMT", None)],
)
def test_a_date_counts_from_the_services_own_clock(date: str | None, seconds: float | None) -> None:
    """By ours, which may be wrong or have jumped, only where the service does not tell its time."""
    headers = {"Retry-After": "Fri, 20 Nov 2026 07:00:30 GMT", **({"Date": date} if date else {})}
    assert wait_in(headers, NOW) == (seconds or 0.0)


@pytest.mark.parametrize(
    ("asked", "wait", "told"),
    [
        ("2.128", 2.128, None),
        ("0", 0.0, None),
        ("3600", 3600.0, None),
        ("3600.5", 3600.0, "3600.5"),
        ("31536000", 3600.0, "31536000"),
        ("-1", None, "-1"),
        ("soon", None, "soon"),
        ("nan", None, "nan"),
        ("", None, ""),
        ("x" * 100, None, "x" * 40),
        ("Sun, 21 Nov 2027 12:00:00 GMT", 3600.0, "Sun, 21 Nov 2027 12:00:00 GMT"),
        ("Sat, 20 Nov 2021 12:00:00 GMT", 0.0, None),
    ],
)
def test_what_is_not_taken_at_its_word_is_named(asked: str, wait: float | None, told: str | None) -> None:
    """Beyond an hour it is an hour; below nothing, or nonsense, it is as good as absent."""
    assert wait_in({"Retry-After": asked}, NOW) == wait
    assert distrusted_in({"Retry-After": asked}, NOW) == told
    assert distrusted_in({}, NOW) is None


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("https://graph.microsoft.com/v1.0/users/ABC/authentication/operations/1?aadgdc=X", "abc"),
        ("/beta/users/a%40b.example", "a@b.example"),
        ("https://graph.microsoft.com/v1.0/me/authentication/operations/1", None),
        ("https://graph.microsoft.com/v1.0/users", None),
        ("https://graph.microsoft.com/v1.0/users/abc/../def", None),
        ("https://graph.microsoft.com/v1.0/users/abc/%2e%2e/def", None),
        ("https://graph.microsoft.com/v1.0/x?users/abc/", None),
        ("https://graph.microsoft.com/v1.0/users/abc%2f..%2fdef", "abc/../def"),
        (7, None),
        (None, None),
    ],
)
def test_whom_a_link_is_about(url: object, user: str | None) -> None:
    """The segment after `users`, and nobody where the path steps back."""
    assert user_in(url) == user
