from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import pytest

from batchreset.graph.retry import until_decided
from tests.support.clock import run_virtual


@dataclass(frozen=True)
class Try:
    """What one try came to."""

    again: bool = True
    backoff: float = 0.0
    at_least: float = 0.0


def tried(*tries: Try) -> tuple[Try, list[float]]:
    """Try until decided; return the last try, and the seconds between one try and the next."""

    async def measure() -> tuple[Try, list[float]]:
        clock, left, times = asyncio.get_running_loop().time, list(tries), []

        async def attempt() -> Try:
            times.append(clock())
            return left.pop(0)

        last = await until_decided(attempt)
        assert not left
        return last, [after - before for before, after in pairwise(times)]

    return run_virtual(measure())


def test_what_is_decided_is_not_tried_again() -> None:
    """The first try that says so is the last."""
    done = Try(again=False, backoff=30.0)
    assert tried(done) == (done, [])


def test_it_waits_at_least_as_asked_and_at_most_the_backoff_on_top() -> None:
    """Full jitter: anything between nothing and the whole backoff, after what the service asked for."""
    waits = [tried(Try(backoff=8.0, at_least=2.0), Try(again=False))[1][0] for _ in range(60)]
    assert all(2.0 <= wait <= 10.0 for wait in waits)
    assert max(waits) - min(waits) > 4.0


def test_a_throttled_try_is_repeated_without_a_wait_of_its_own() -> None:
    """The turnstile does that waiting; however often, there is no bound here."""
    last, waits = tried(*[Try()] * 2000, Try(again=False))
    assert not last.again
    assert sum(waits) == 0


def test_an_error_is_not_tried_again() -> None:
    """It comes out as it was raised, from the first try and from a later one."""

    async def fail_at(number: int) -> None:
        tries = 0

        async def attempt() -> Try:
            nonlocal tries
            tries += 1
            if tries == number:
                raise ZeroDivisionError
            return Try()

        try:
            await until_decided(attempt)
        finally:
            assert tries == number

    for number in (1, 3):
        with pytest.raises(ZeroDivisionError):
            run_virtual(fail_at(number))


def test_a_cancelled_wait_ends_at_once() -> None:
    """Nothing is tried after a cancellation, whether it strikes a try or the wait for the next one."""

    async def cancel_after(seconds: float) -> int:
        tries = 0

        async def attempt() -> Try:
            nonlocal tries
            tries += 1
            await asyncio.sleep(10)
            return Try(at_least=100.0)

        task = asyncio.create_task(until_decided(attempt))
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return tries

    assert run_virtual(cancel_after(5)) == 1
    assert run_virtual(cancel_after(50)) == 1
    assert run_virtual(cancel_after(115)) == 2
