"""A tenant with its sign-in service, both over TLS, and somebody at home who signs in to it."""

from __future__ import annotations

import os
import re
import threading
import webbrowser
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from html import unescape
from typing import TYPE_CHECKING, Any

import requests

from batchreset.rehearsal.authority import serve_authority
from batchreset.rehearsal.behaviour import UNHINDERED
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.signin import CLIENT_ID, SignIn
from batchreset.rehearsal.tenant import Tenant
from batchreset.settings import Settings
from tests.support.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    import pytest

    from tests.support.certificates import PrivateAuthority

UPN = "ana@contoso.example"
#: A device code is polled for as soon as may be, and approved at once.
QUICK = SignIn(poll_seconds=0, approved_after_polls=1)


def at_own_machine(folder: Path, private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a token cache in `folder`, no proxy, no keyring, and nothing else but `private` to trust."""
    for name in os.environ:
        if name.startswith("BATCHRESET_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(private.bundle))
    monkeypatch.setenv("BATCHRESET_TOKEN_CACHE", str(folder / "tokens"))
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(folder / "identity.txt"))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:")


@dataclass
class Place:
    """A tenant that is served, its sign-in service and its Graph."""

    tenant: Tenant
    authority: str
    graph: str

    def settings(self, **more: Any) -> Settings:
        """Return the settings of somebody who has this tenant in mind."""
        return Settings(**{"authority": self.authority, "client_id": CLIENT_ID, "graph_url": self.graph, **more})

    def every_secret(self) -> set[str]:
        """Return every token and code that the tenant has given out."""
        sign_ins = self.tenant.sign_ins
        return {*self.tenant.tokens._grants, *sign_ins._refresh_tokens, *sign_ins._codes}


@asynccontextmanager
async def tenant_with_sign_in(
    private: PrivateAuthority, sign_in: SignIn = QUICK, host: str = "localhost"
) -> AsyncIterator[Place]:
    """Serve a tenant of one account."""
    tenant = Tenant(populate([UPN], plain=True), replace(UNHINDERED, sign_in=sign_in))
    tls = private.server_context(host)
    async with serve(tenant, tls=tls) as graph, serve_authority(tenant, tls, host=host) as authority:
        yield Place(tenant, authority, graph.replace("localhost", host))


def visit(
    private: PrivateAuthority, story: Callable[[Place], Coroutine[None, None, None]], behaviour: SignIn = QUICK
) -> None:
    """Tell a story in virtual time at a tenant that is served meanwhile."""

    async def stay() -> None:
        async with tenant_with_sign_in(private, behaviour) as place:
            await story(place)

    run_virtual(stay())


class Browser:
    """Stands in for the system's browser: shows a page, and does what its script would do."""

    def __init__(self, private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bundle = str(private.bundle)
        self.opened: list[str] = []
        self._at_work: list[threading.Thread] = []
        monkeypatch.setattr(webbrowser, "open", self._open)
        monkeypatch.setattr("msal.application._preferred_browser", lambda: None)

    def close(self) -> None:
        for each in self._at_work:
            each.join()

    def _open(self, url: str, *_: object, **__: object) -> bool:
        self.opened.append(url)
        self._at_work.append(threading.Thread(target=self._submit, args=(url,)))
        self._at_work[-1].start()
        return True

    def _submit(self, url: str) -> None:
        with requests.Session() as http:
            page = http.get(url, timeout=10, verify=self._bundle).text
            (target,) = re.findall(r'action="([^"]+)"', page)
            fields = re.findall(r'name="([^"]+)" value="([^"]*)"', page)
            http.post(unescape(target), data={name: unescape(value) for name, value in fields}, timeout=10)
