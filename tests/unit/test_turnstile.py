from __future__ import annotations

import asyncio

import pytest

from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import Reason
from batchreset.policy.pace import Pacer, Stamp
from batchreset.policy.verdict import Accepted, Ambiguous, Answer, Lost, Refused, Throttled, Transient
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
        turnstile.tell(Throttled(60.0), stamp, Answer(429, {}))
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
            turnstile.tell(verdict, await turnstile.permit(), Lost("whatever"))
            told.append(len(pacer.heard))
        return told

    assert run_virtual(tell()) == [0, 0, 1, 2, 2]


def test_each_route_has_a_pace_of_its_own() -> None:
    """What polls may do says nothing about resets."""
    routes = Routes(resets=Turnstile(Pacer()))
    assert len({id(turnstile.pacer) for turnstile in (routes.resets, routes.polls, routes.reads)}) == 3


def refused(scope: str, retry_after: float | None = 10.0) -> tuple[Throttled, Answer]:
    """Make a 429 with that scope, as it is told."""
    return Throttled(retry_after), Answer(429, {"x-ms-throttle-scope": f"{scope}/app/tenant"})


@pytest.mark.parametrize(
    ("route", "scope", "held"),
    [
        ("resets", "Tenant_Application/Write", {"resets"}),
        ("resets", "Tenant_Application/ReadWrite", {"resets", "polls", "reads"}),
        ("polls", "Tenant_Application/Read", {"polls", "reads"}),
        ("reads", "Tenant/ReadWrite", {"resets", "polls", "reads"}),
        ("polls", "Mailbox/ReadWrite", {"polls"}),
        ("reads", "", {"reads"}),
    ],
)
def test_a_429_holds_every_route_that_its_scope_names(route: str, scope: str, held: set[str]) -> None:
    """The others wait just as long as it says; where no scope is understood it is of its own route only."""

    async def leave() -> dict[str, float]:
        routes, start = Routes(resets=Turnstile(Pacer())), now()
        verdict, answer = refused(scope)
        getattr(routes, route).tell(verdict, Stamp(1, start, 0), answer)
        left = {}

        async def go(name: str) -> None:
            await getattr(routes, name).permit()
            left[name] = now() - start

        await asyncio.gather(*(go(name) for name in ("reads", "polls", "resets")))
        return left

    left = run_virtual(leave())
    assert {name for name, seconds in left.items() if seconds > 0} == held
    assert [left[name] for name in held] == [pytest.approx(10.0)] * len(held)


def test_without_retry_after_the_others_wait_as_long_as_the_refused_route() -> None:
    """The pacer's own wait is the shared one then."""

    async def leave() -> list[float]:
        routes, start = Routes(resets=Turnstile(Pacer())), now()
        verdict, answer = refused("Tenant/ReadWrite", None)
        routes.resets.tell(verdict, await routes.resets.permit(), answer)
        opens_at = routes.resets.pacer.opens_at()
        await routes.polls.permit()
        return [opens_at - start, now() - start]

    alone, shared = run_virtual(leave())
    assert shared == alone > 0


@pytest.mark.parametrize("refused_route", ["resets", "polls"])
def test_resets_go_first_when_a_shared_gate_opens(refused_route: str) -> None:
    """Those that wait by then leave before any look, at their pace, whoever stood there first and met the limit."""

    async def leave() -> list[str]:
        routes, left = Routes(resets=Turnstile(Pacer(ceiling=10.0))), []
        verdict, answer = refused("Tenant/ReadWrite")
        turnstile = getattr(routes, refused_route)
        turnstile.tell(verdict, await turnstile.permit(), answer)

        async def go(name: str) -> None:
            await getattr(routes, name).permit()
            left.append(name)

        await asyncio.gather(*(go(name) for name in ("polls", "reads", "polls", "resets", "resets", "resets")))
        return left

    assert run_virtual(leave())[:3] == ["resets"] * 3


def test_resets_whose_own_gate_is_closed_hold_nobody_back() -> None:
    """A limit on writes alone, met meanwhile, does not keep looks from going on a second after the shared one."""

    async def leave() -> float:
        routes, start = Routes(resets=Turnstile(Pacer())), now()
        stamps = [await routes.resets.permit() for _ in range(2)]
        for stamp, (verdict, answer) in zip(
            stamps, (refused("Tenant/ReadWrite"), refused("Tenant/Write", 600.0)), strict=True
        ):
            routes.resets.tell(verdict, stamp, answer)
        waiting = asyncio.create_task(routes.resets.permit())
        await routes.polls.permit()
        waiting.cancel()
        return now() - start

    assert run_virtual(leave()) == pytest.approx(11, abs=0.1)


def test_a_service_near_its_limit_is_not_pressed() -> None:
    """Told by a header of any answer, an accepted one too, the pace stays what it is; without, it grows."""

    async def grown(percentage: str) -> float:
        turnstile, start = Turnstile(Pacer()), now()
        answer = Answer(202, {"x-ms-throttle-limit-percentage": percentage})
        for _ in range(100):
            stamp = await turnstile.permit()
            turnstile.tell(Accepted(None, None), stamp, answer)
        return 100 / (now() - start)

    assert run_virtual(grown("0.95")) == pytest.approx(50, rel=0.05)
    assert run_virtual(grown("0.5")) > 60


def test_the_time_in_which_somebody_waited_is_told() -> None:
    """However many wait it counts once, also while they still do and where the wait is cancelled."""

    async def wait() -> list[float]:
        turnstile, told = Turnstile(Pacer(ceiling=1.0)), []
        await turnstile.permit()
        told.append(turnstile.waited(now()))
        tasks = [asyncio.create_task(turnstile.permit()) for _ in range(5)]
        for _ in range(2):
            await asyncio.sleep(1.25)
            told.append(turnstile.waited(now()))
        for task in tasks:
            task.cancel()
        await asyncio.sleep(60)
        return [*told, turnstile.waited(now())]

    assert run_virtual(wait()) == pytest.approx([0, 1.25, 2.5, 2.5])
