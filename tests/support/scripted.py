"""Servers on loopback that answer just as a test tells them to, and a session to talk to them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from batchreset.auth.token import GivenToken
from batchreset.graph.session import GraphSession
from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

TOKEN = "eyJ0eXAi.eyJhdWQi.c2lnbmF0dXJl"


@asynccontextmanager
async def answering(handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serve `handle` over HTTP, and yield the server's root."""
    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def saying(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Say these bytes to one connection each, and close it; yield the server's address and what was heard."""
    heard: list[bytes] = []
    left = list(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            heard.append(await reader.read(65536))
            writer.write(left.pop(0) if left else b"")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", heard
    finally:
        server.close()


@asynccontextmanager
async def talking_to(root: str, *, connections: int = 8) -> AsyncIterator[GraphSession]:
    """Open a session to `root`, signed in."""
    async with GraphSession(root, GivenToken(Secret(TOKEN)), connections=connections) as graph:
        yield graph


def as_json(body: Any, status: int = 200, **headers: str) -> web.Response:
    """Answer with JSON; an underscore in a header's name stands for a dash."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=json.dumps(body), content_type="application/json", headers=named)
