"""A user at the door: a simulated tenant and its sign-in, both over TLS, and the environment of who signs in there."""

from __future__ import annotations

import asyncio
import queue
import secrets
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from batchreset.rehearsal.authority import serve_authority
from batchreset.rehearsal.population import OPERATOR, TENANT_ID
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.signin import CLIENT_ID
from batchreset.rehearsal.tokens import Grant
from tests.support.program import at_home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from batchreset.rehearsal.tenant import Tenant
    from tests.support.certificates import PrivateAuthority

_PATIENCE = 60.0
#: Does what a browser does with the page that signs the operator in: posts its form.
_BROWSER = """
import html, re, sys, requests
page = requests.get(sys.argv[1], timeout=10).text
(target,) = re.findall(r'action="([^"]+)"', page)
fields = {name: html.unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', page)}
requests.post(html.unescape(target), data=fields, timeout=10)
"""


@dataclass(frozen=True)
class Door:
    """A tenant with its sign-in, and the folder that a user has all their files in."""

    tenant: Tenant
    graph: str
    authority: str
    home: Path

    @property
    def cache(self) -> Path:
        """Where the sign-in is kept."""
        return self.home / "tokens.bin"

    def secrets(self) -> set[str]:
        """Return every token that was ever issued."""
        return {*self.tenant.tokens._grants, *self.tenant.sign_ins._refresh_tokens, *self.tenant.sign_ins._codes}

    def leaks(self, *told: str) -> list[str]:
        """Return where a token can be read: in what was told, and in every file but the cache."""
        texts = {f"output {number}": text.encode() for number, text in enumerate(told)}
        files = [path for path in self.home.rglob("*") if path.is_file() and path != self.cache]
        texts |= {path.name: path.read_bytes() for path in files}
        found = self.secrets()
        assert found
        return [name for name, text in texts.items() if any(token.encode() in text for token in found)]

    def token(self, *permissions: str, is_app_only: bool = False, **claims: Any) -> str:
        """Return an access token with these permissions, which the tenant takes."""
        granted: dict[str, Any] = (
            {"idtyp": "app", "roles": [*permissions], "oid": "a0000000-0000-0000-0000-000000000001"}
            if is_app_only
            else {"scp": " ".join(permissions), "upn": OPERATOR.user_principal_name, "oid": OPERATOR.id}
        )
        whole = {"tid": TENANT_ID, "appid": CLIENT_ID, "exp": int(time.time()) + 3600, **granted, **claims}
        token = jwt.encode(whole, secrets.token_bytes(32))
        self.tenant.tokens.admit(token, Grant(is_app_only=is_app_only, permissions=frozenset(permissions)))
        return token


@contextmanager
def at_the_door(
    folder: Path, monkeypatch: pytest.MonkeyPatch, private: PrivateAuthority, tenant: Tenant
) -> Iterator[Door]:
    """Serve `tenant` and its sign-in from a thread, and have the environment of a user who knows all but a password."""
    at_home(folder, monkeypatch)
    (folder / "browser.py").write_text(_BROWSER, encoding="utf-8")
    told: queue.Queue[tuple[str, str, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def work() -> None:
        context = private.server_context()
        async with serve(tenant, tls=context) as graph, serve_authority(tenant, context) as authority:
            stop = asyncio.Event()
            told.put((graph, authority, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    graph, authority, loop, stop = told.get(timeout=_PATIENCE)
    door = Door(tenant, graph, authority, folder)
    for name, value in {
        "BATCHRESET_GRAPH_URL": graph,
        "BATCHRESET_AUTHORITY": authority,
        "BATCHRESET_CLIENT_ID": CLIENT_ID,
        "BATCHRESET_TOKEN_CACHE": str(door.cache),
        "REQUESTS_CA_BUNDLE": str(private.bundle),
        "BROWSER": f"{sys.executable} {folder / 'browser.py'} %s &",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        yield door
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_PATIENCE)
