"""When to ask the directory, and when to stop looking. Seconds throughout; `jitter` is from [0, 1), by the caller."""

from __future__ import annotations

_GROWTH = 1.5
#: More steps than the wait grows; a power without bounds would overflow on a long deadline.
_MOST_STEPS = 16
_FIRST, _LONGEST = 2.0, 60.0
_LEAST = 1.0


def by_deadline(wait: float, age: float, deadline: float) -> float:
    """Shorten a wait that would pass the deadline of an operation of this age: no Retry-After moves that.

    Never below a second, so that no clock's rounding makes a storm of the last look.
    """
    return min(wait, max(deadline - age, _LEAST))


def next_directory_look(looks: int, jitter: float) -> float:
    """Say how long to wait before asking the directory about an account it was asked about `looks` times.

    Looks that fell due together are spread over a fifth of the wait, either way.
    """
    return min(_FIRST * _GROWTH ** min(looks, _MOST_STEPS), _LONGEST) * (0.8 + 0.4 * jitter)
