"""Trying again, by tenacity: what to do is decided in policy/; here it is waited for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Tried(Protocol):
    """What one try came to: whether it is to be tried again, and after how many seconds at the most."""

    @property
    def again(self) -> bool:
        """Whether to try again."""
        ...

    @property
    def backoff(self) -> float:
        """The longest wait before that, in seconds."""
        ...

    @property
    def at_least(self) -> float:
        """The shortest, where the service asked for one."""
        ...


T = TypeVar("T", bound=Tried)


def _full_jitter(state: RetryCallState) -> float:
    """Wait anything up to the backoff, on top of what the service asked for.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter.
    """
    if state.outcome is None:
        return 0.0
    tried: Tried = state.outcome.result()
    return tried.at_least + random.uniform(0.0, tried.backoff)


async def until_decided(attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until what it returns is not to be tried again, and return that.

    A throttled try has a backoff of zero: the turnstile does that waiting.
    """
    first = await attempt()
    if not first.again:  # nearly always, and a retrying of tenacity's costs a tenth of a whole reset
        return first
    known = [first]

    async def further() -> T:
        return known.pop() if known else await attempt()

    retrying = AsyncRetrying(retry=retry_if_result(lambda tried: tried.again), wait=_full_jitter)
    return await retrying(further)
