"""A plain client of the simulated tenant, for tests that look at it over real HTTP in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, ClientTimeout

from batchreset.rehearsal.behaviour import PASSWORD_METHOD
from batchreset.rehearsal.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from batchreset.rehearsal.tenant import Tenant

GOOD = "Quartz-7-meadow"


class Reply:
    """An answer, read to its end."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.body["error"]["code"])


class Visitor:
    """Somebody who is signed in."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(self, method: str, path: str, **more: Any) -> Reply:
        """Send a request; `path` follows the version, or is a whole URL."""
        url = path if path.startswith("http") else f"{self._url}/v1.0{path}"
        async with self._session.request(method, url, **more) as response:
            is_json = response.content_type == "application/json"
            return Reply(response.status, response.headers, await (response.json() if is_json else response.text()))

    async def pause(self, seconds: float) -> None:
        """Let the tenant's time pass."""
        await asyncio.sleep(seconds)

    async def get(self, path: str, **query: str) -> Reply:
        """GET with OData options, given without their dollar."""
        return await self.ask("GET", path, params={f"${name}": value for name, value in query.items()} or None)

    async def reset(self, user: str, password: str | None = GOOD, **headers: str) -> Reply:
        """Reset a password; None leaves it to the service."""
        path = f"/users/{user}/authentication/methods/{PASSWORD_METHOD}/resetPassword"
        body = {} if password is None else {"newPassword": password}
        return await self.ask("POST", path, json=body, headers=headers)

    async def batch(self, *urls: str) -> Reply:
        """Get several at once; ids count from 1."""
        children = [{"id": str(number), "method": "GET", "url": url} for number, url in enumerate(urls, 1)]
        return await self.ask("POST", "/$batch", json={"requests": children})


@asynccontextmanager
async def visiting(tenant: Tenant, *, token: str | None = None) -> AsyncIterator[Visitor]:
    """Serve `tenant` and sign in to it, with another token if one is given (an empty one for none)."""
    token = tenant.token if token is None else token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        serve(tenant) as url,
        ClientSession(headers=headers, timeout=ClientTimeout(total=60)) as session,
    ):
        yield Visitor(session, url)
