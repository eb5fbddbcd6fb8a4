"""When to look again, and when to stop looking. Seconds throughout; `jitter` is drawn from [0, 1) by the caller."""

from __future__ import annotations

FIRST_LOOK = 1.0
_GROWTH = 1.5
_LONGEST = 30.0
_FIRST_DIRECTORY_LOOK = 2.0
_LONGEST_DIRECTORY = 60.0


def next_look(looks: int, retry_after: float | None, jitter: float) -> float:
    """Say how long to wait before looking at an operation that has been looked at `looks` times."""
    if retry_after is not None:
        return retry_after * (1 + 0.1 * jitter)
    return _spread(min(FIRST_LOOK * _GROWTH**looks, _LONGEST), jitter)


def next_directory_look(looks: int, jitter: float) -> float:
    """Say how long to wait before asking the directory about an account it was asked about `looks` times."""
    return _spread(min(_FIRST_DIRECTORY_LOOK * _GROWTH**looks, _LONGEST_DIRECTORY), jitter)


def _spread(wait: float, jitter: float) -> float:
    """Spread looks that fell due together over a fifth of the wait, either way."""
    return wait * (0.8 + 0.4 * jitter)
