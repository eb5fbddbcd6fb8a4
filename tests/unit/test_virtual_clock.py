from __future__ import annotations

import asyncio
import threading
import time

import pytest
from aiohttp import ClientSession, ClientTimeout, web

from tests.support.clock import run_virtual


def test_an_hour_passes_in_no_time() -> None:
    """Sleeps end in order at their exact moments, whatever their length."""

    async def three_sleepers() -> list[tuple[float, float]]:
        loop = asyncio.get_running_loop()
        beginning = loop.time()
        woken: list[tuple[float, float]] = []

        async def sleeper(seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append((seconds, loop.time() - beginning))

        await asyncio.gather(*(sleeper(seconds) for seconds in (3600, 0.25, 90)))
        return woken

    started = time.monotonic()
    assert run_virtual(three_sleepers()) == [(0.25, 0.25), (90, 90), (3600, 3600)]
    assert time.monotonic() - started < 2


def test_the_clock_stands_still_while_an_executor_works() -> None:
    """A thread that takes its time does not run into a timeout meant for virtual seconds."""

    async def work() -> float:
        loop = asyncio.get_running_loop()
        beginning = loop.time()
        async with asyncio.timeout(1):
            await asyncio.to_thread(time.sleep, 0.1)
        return loop.time() - beginning

    assert run_virtual(work()) == 0


def test_a_thread_of_its_own_gets_its_say() -> None:
    """An answer by call_soon_threadsafe arrives before a timer that is due much later."""

    async def ask_a_thread() -> str:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        threading.Thread(target=lambda: loop.call_soon_threadsafe(answer.set_result, "written")).start()
        async with asyncio.timeout(60):
            return await answer

    assert run_virtual(ask_a_thread()) == "written"


def test_real_sockets_work_in_virtual_time() -> None:
    """A server that thinks for an hour answers a client that waits for two, over real sockets, in no time."""

    async def answer(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(3600)
        return web.Response(text="at last")

    async def ask() -> tuple[str, float]:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        beginning = asyncio.get_running_loop().time()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with ClientSession(timeout=ClientTimeout(total=7200)) as session, session.get(url) as response:
            text = await response.text()
        elapsed = asyncio.get_running_loop().time() - beginning
        await runner.cleanup()
        return text, elapsed

    text, elapsed = run_virtual(ask())
    assert text == "at last"
    assert elapsed == pytest.approx(3600, abs=1)


def test_what_is_left_over_is_cancelled() -> None:
    """A task nobody waits for is cancelled at the end, not left behind."""
    ends: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ends.append("cancelled")

    async def leave_one_behind() -> None:
        ends.append(f"{asyncio.create_task(forever()).done()}")
        await asyncio.sleep(1)

    run_virtual(leave_one_behind())
    assert ends == ["False", "cancelled"]
