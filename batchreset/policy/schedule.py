"""When to look again, and when to stop looking. Seconds throughout; `jitter` is drawn from [0, 1) by the caller."""

from __future__ import annotations

FIRST_LOOK = 1.0
_GROWTH = 1.5
#: More steps than any wait here grows; a power without bounds would overflow on a long deadline.
_MOST_STEPS = 16
_LONGEST = 30.0
_FIRST_DIRECTORY_LOOK = 2.0
_LONGEST_DIRECTORY = 60.0


def next_look(looks: int, retry_after: float | None, jitter: float) -> float:
    """Say how long to wait before looking at an operation that has been looked at `looks` times.

    What the service asks for counts, but no operation is looked at more than once a second.
    """
    if retry_after is not None:
        return max(retry_after, FIRST_LOOK) * (1 + 0.1 * jitter)
    return _grown(FIRST_LOOK, looks, _LONGEST, jitter)


def by_deadline(wait: float, age: float, deadline: float) -> float:
    """Shorten a wait that would pass the deadline of an operation of this age: no Retry-After moves that.

    Never below a second, so that no clock's rounding makes a storm of the last look.
    """
    return min(wait, max(deadline - age, FIRST_LOOK))


def next_directory_look(looks: int, jitter: float) -> float:
    """Say how long to wait before asking the directory about an account it was asked about `looks` times."""
    return _grown(_FIRST_DIRECTORY_LOOK, looks, _LONGEST_DIRECTORY, jitter)


def _grown(first: float, looks: int, longest: float, jitter: float) -> float:
    """Grow the wait with each look; spread looks that fell due together over a fifth of it, either way."""
    return min(first * _GROWTH ** min(looks, _MOST_STEPS), longest) * (0.8 + 0.4 * jitter)
