from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from batchreset import network
from batchreset.auth.token import GivenToken
from batchreset.errors import SettingsError
from batchreset.graph.session import Exchange, GraphSession
from batchreset.network import proxy_for
from batchreset.policy.verdict import NotSent
from batchreset.rehearsal.server import listening
from batchreset.secret import Secret
from tests.support.certificates import PrivateAuthority
from tests.support.clock import run_virtual
from tests.support.scripted import TOKEN, answering, saying, talking_to

if TYPE_CHECKING:
    from pathlib import Path

ROOT = "https://graph.microsoft.com"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no proxy of this machine come between."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def session() -> GraphSession:
    """Make a session that has not been opened."""
    return GraphSession(ROOT, GivenToken(Secret(TOKEN)), connections=1)


def test_redirects_are_not_followed() -> None:
    """The token goes nowhere on a server's word."""
    visits = []

    async def elsewhere(request: web.BaseRequest) -> web.Response:
        visits.append(request)
        return web.Response()

    async def exchange() -> Exchange:
        async with answering(elsewhere) as other:

            async def handle(_request: web.BaseRequest) -> web.Response:
                return web.Response(status=307, headers={"Location": f"{other}/v1.0/thing"})

            async with answering(handle) as root, talking_to(root) as graph:
                return await graph.send("POST", "/thing", body={})

    assert run_virtual(exchange()).status == 307
    assert visits == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"{ROOT}/v1.0/users/1/operations/2?aadgdc=DUB02P", "/v1.0/users/1/operations/2?aadgdc=DUB02P"),
        ("https://graph.microsoft.com:443/v1.0/x", "/v1.0/x"),
        ("HTTPS://Graph.Microsoft.com/v1.0/x", "/v1.0/x"),
        ("/v1.0/x?y=1", "/v1.0/x?y=1"),
        ("users/1", "/v1.0/users/1"),
        ("//graph.microsoft.com/v1.0/x", "/v1.0/x"),
    ],
)
def test_links_that_are_followed(url: str, path: str) -> None:
    """Absolute and relative ones, as long as they stay."""
    resolved = session().resolve(url)
    assert resolved is not None
    assert resolved.lower().startswith("https://graph.microsoft.com")
    assert resolved.endswith(path)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1.0/x",
        "//evil.example/v1.0/x",
        "http://graph.microsoft.com/v1.0/x",
        "https://graph.microsoft.com:444/v1.0/x",
        "https://graph.microsoft.com@evil.example/x",
        "https://graph.microsoft.com:443@evil.example/x",
        "https://user@graph.microsoft.com/x",
        "https://:pw@graph.microsoft.com/x",
        "https://user:pw@graph.microsoft.com/x",
        "https://graph.microsoft.com.evil.example/x",
        "https://graph.microsoft.com./x",
        "https://graph.microsoft.com\\@evil.example/x",
        "https://evil.example\\@graph.microsoft.com/x",
        "https://evil.example#@graph.microsoft.com/x",
        "https://evil.example?@graph.microsoft.com/x",
        "https://graph.microsoft.com%2eevil.example/x",
        "https://graph.microsoft.com\uff0fevil.example/x",
        "https://graph.m\u0456crosoft.com/x",
        "https://ev\til.example/x",
        "\thttps://evil.example/x",
        "/v1.0/x\r\nHost: evil.example",
        "/v1.0/\x00",
        "/v1.0/é",
        "ftp://graph.microsoft.com/x",
        "javascript:alert(1)",
        "https://[::1",
        "https://graph.microsoft.com:port/x",
    ],
)
def test_links_that_are_not(url: str) -> None:
    """Another scheme, host or port, somebody else's name before ours, and whatever is no URL."""
    graph = session()
    assert graph.resolve(url) is None
    if not url.startswith("/"):
        with pytest.raises(ValueError, match="another host"):
            run_virtual(graph.send("GET", url))


def test_whatever_is_resolved_stays_at_home() -> None:
    """Tricks with slashes end as odd paths of our own server, which then says that it does not know them."""
    seen: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers["Host"])
        return web.Response(status=404)

    tricks = (
        "/\\evil.example",
        "\\\\evil.example\\x",
        "http:\\\\evil.example/x",
        "http:evil.example",
        "/../..//evil.example",
    )

    async def follow(root: str) -> None:
        async with talking_to(root) as graph:
            for trick in tricks:
                resolved = graph.resolve(trick)
                assert resolved is not None
                assert (await graph.send("GET", resolved)).status == 404

    async def try_out() -> None:
        async with answering(handle) as root:
            await follow(root)
            assert seen == [root.removeprefix("http://")] * len(tricks)

    run_virtual(try_out())


@pytest.mark.parametrize(
    ("root", "environment", "proxy"),
    [
        (ROOT, {}, None),
        (ROOT, {"HTTPS_PROXY": "http://proxy.example:8080"}, "http://proxy.example:8080"),
        (ROOT, {"https_proxy": "http://proxy.example:8080"}, "http://proxy.example:8080"),
        (ROOT, {"HTTPS_PROXY": "proxy.example:8080"}, "http://proxy.example:8080"),
        (ROOT, {"HTTPS_PROXY": "http://me:pw@proxy.example"}, "http://me:pw@proxy.example"),
        (ROOT, {"HTTPS_PROXY": ""}, None),
        (ROOT, {"HTTP_PROXY": "http://proxy.example:8080"}, None),
        (ROOT, {"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "graph.microsoft.com"}, None),
        (ROOT, {"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": ".microsoft.com"}, None),
        (ROOT, {"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "*"}, None),
        (ROOT, {"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "contoso.example"}, "http://proxy.example"),
        ("http://127.0.0.1:1", {"HTTP_PROXY": "http://proxy.example"}, None),
        ("https://localhost:1", {"HTTPS_PROXY": "http://proxy.example"}, None),
        ("http://[::1]:1", {"HTTP_PROXY": "http://proxy.example"}, None),
    ],
    ids=str,
)
def test_which_proxy_is_taken(
    root: str, environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As HTTPS_PROXY and NO_PROXY say; loopback goes direct."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(root) == proxy


@pytest.mark.parametrize(
    "proxy", ["socks5://me:hunter2@proxy.example", "http://me:hunter2@", "http://me:hunter2@proxy:x"]
)
def test_a_proxy_that_cannot_be_used_is_refused(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent, and without its password."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as refusal:
        proxy_for(ROOT)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy answered 407"),
        (b"", "the proxy hung up"),
    ],
)
def test_what_a_proxy_turns_away_is_not_sent(answer: bytes, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tunnel never stood; the proxy sees where to, and neither token nor body."""

    async def exchange() -> tuple[Exchange, list[bytes]]:
        async with saying(answer) as (address, heard):
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@{address}")
            async with talking_to(ROOT) as graph:
                return await graph.send("POST", "/thing", body={"newPassword": "Quartz-7-meadow"}), heard

    exchange_, heard = run_virtual(exchange())
    assert exchange_.result == NotSent(why)
    (connect,) = heard
    assert connect.startswith(b"CONNECT graph.microsoft.com:443 HTTP/1.1\r\n")
    assert TOKEN.encode() not in connect
    assert b"Quartz" not in connect


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="trusts what the system itself does, not a file")
def test_ssl_cert_file_adds_to_what_the_system_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL itself would have it replace the system's own file; the first such file that is there is read too."""
    for name in ("system", "private"):
        (tmp_path / name).mkdir()
    system, private = (PrivateAuthority(tmp_path / name) for name in ("system", "private"))
    monkeypatch.setattr(network, "_SYSTEM_FILES", (str(tmp_path / "nowhere.pem"), str(system.bundle)))
    monkeypatch.setenv("SSL_CERT_FILE", str(private.bundle))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=204)

    async def status(of: PrivateAuthority) -> int | None:
        async with (
            listening(handle, 0, of.server_context()) as port,
            talking_to(f"https://localhost:{port}") as graph,
        ):
            return (await graph.send("GET", "/thing")).status

    assert [run_virtual(status(each)) for each in (system, private)] == [204, 204]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_cannot_be_read_are_said(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naming the variable, before anything is sent."""

    async def open_session() -> None:
        async with session():
            pass

    (tmp_path / "broken.pem").write_text("no certificate")
    for name in ("missing.pem", "broken.pem"):
        monkeypatch.setenv(variable, str(tmp_path / name))
        with pytest.raises(SettingsError, match=variable):
            run_virtual(open_session())
