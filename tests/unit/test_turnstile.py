from __future__ import annotations

import asyncio

import pytest

from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import Reason
from batchreset.policy.pace import Pacer, Stamp
from batchreset.policy.verdict import Accepted, Ambiguous, Refused, Throttled, Transient
from tests.support.clock import run_virtual


class Listening(Pacer):
    """A pacer that writes down which answers were no 429."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Stamp] = []

    def accepted(self, now: float, stamp: Stamp) -> None:
        self.heard.append(stamp)
        super().accepted(now, stamp)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_first_in_first_out_at_the_pace() -> None:
    """Two a second: ten leave half a second apart, in the order they came."""

    async def queue() -> list[tuple[int, float]]:
        turnstile, start, left = Turnstile(Pacer(ceiling=2.0)), now(), []

        async def worker(number: int) -> None:
            await turnstile.permit()
            left.append((number, now() - start))

        await asyncio.gather(*(worker(number) for number in range(10)))
        return left

    numbers, times = zip(*run_virtual(queue()), strict=True)
    assert numbers == tuple(range(10))
    assert times == pytest.approx([number / 2 for number in range(10)])


def test_a_gate_that_closes_holds_back_who_waits_already() -> None:
    """Nobody slips through on a wait that was reckoned before the refusal."""

    async def wait() -> float:
        turnstile = Turnstile(Pacer(ceiling=1.0))
        stamp, start = await turnstile.permit(), now()
        waiting = asyncio.create_task(turnstile.permit())
        await asyncio.sleep(0.5)
        turnstile.tell(Throttled(60.0), stamp)
        await waiting
        return now() - start

    assert run_virtual(wait()) == pytest.approx(60.5)


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    """Neither a lock nor a place in the queue nor a reservation: the others leave as if nobody had been there."""

    async def queue() -> list[float]:
        turnstile, left = Turnstile(Pacer(ceiling=1.0)), []
        await turnstile.permit()
        start = now()

        async def worker() -> None:
            await turnstile.permit()
            left.append(now() - start)

        tasks = [asyncio.create_task(worker()) for _ in range(6)]
        await asyncio.sleep(0.5)
        # The one at the gate, one in the queue, and the last one.
        for number in (0, 2, 5):
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return left

    assert run_virtual(queue()) == pytest.approx([1, 2, 3])


def test_what_never_came_through_says_nothing_of_the_quota() -> None:
    """Only answers are counted, a refusal for other reasons among them."""

    async def tell() -> list[int]:
        pacer = Listening()
        turnstile, told = Turnstile(pacer), []
        verdicts = (Transient("refused connection"), Ambiguous("lost"), Refused(Reason.FORBIDDEN, "no"))
        for verdict in (*verdicts, Accepted(None, None), Throttled(1.0)):
            turnstile.tell(verdict, await turnstile.permit())
            told.append(len(pacer.heard))
        return told

    assert run_virtual(tell()) == [0, 0, 1, 2, 2]


def test_each_route_has_a_pace_of_its_own() -> None:
    """What polls may do says nothing about resets."""
    routes = Routes(resets=Turnstile(Pacer()))
    assert len({id(turnstile.pacer) for turnstile in (routes.resets, routes.polls, routes.reads)}) == 3
