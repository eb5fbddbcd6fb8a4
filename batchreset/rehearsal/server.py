"""The simulated tenant on a loopback port."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from batchreset.rehearsal.exchange import Call
from batchreset.rehearsal.service import Service, segments_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from batchreset.rehearsal.tenant import Tenant


@asynccontextmanager
async def serve(tenant: Tenant, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve `tenant` on 127.0.0.1 (any free port for 0) and yield its root URL, without version.

    `tls` holds a certificate for localhost; without it plain HTTP is spoken. The tenant's time passes while it is
    served, and goes on where it stopped when it is served again.
    Raises `OSError` where the port is taken.
    """
    loop, service, behaviour = asyncio.get_running_loop(), Service(tenant), tenant.behaviour
    beginning = loop.time() - tenant.now

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        call = Call(
            method=request.method,
            segments=segments_of(request.path),
            query=request.query,
            headers=request.headers,
            body=await request.read() if request.can_read_body else b"",
        )
        answer = service.answer(call)
        delay = answer.delay + behaviour.latency.draw(tenant.rng)
        if delay:
            await asyncio.sleep(delay)
        if answer.status is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if isinstance(answer.body, str):
            return web.Response(
                status=answer.status, text=answer.body, content_type="text/html", headers=answer.headers
            )
        if answer.body is None:
            return web.Response(status=answer.status, headers=answer.headers)
        answer.headers["Content-Type"] = "application/json"
        return web.Response(status=answer.status, body=json.dumps(answer.body).encode(), headers=answer.headers)

    async with listening(handle, port, tls) as found:
        tenant.clock = lambda: loop.time() - beginning
        tenant.url = f"https://localhost:{found}" if tls else f"http://127.0.0.1:{found}"
        try:
            yield tenant.url
        finally:
            stopped_at = tenant.now
            tenant.clock = lambda: stopped_at


@asynccontextmanager
async def listening(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], port: int, tls: ssl.SSLContext | None
) -> AsyncIterator[int]:
    """Have requests to 127.0.0.1 handled, and yield the port. Raises `OSError` where it is taken."""
    runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
