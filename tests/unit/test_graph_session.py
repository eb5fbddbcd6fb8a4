from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from batchreset.graph.session import MAX_BODY, Exchange
from batchreset.policy.verdict import Answer, Lost, NotSent
from batchreset.rehearsal.server import listening
from tests.support.certificates import PrivateAuthority
from tests.support.clock import run_virtual
from tests.support.scripted import TOKEN, answering, as_json, saying, talking_to

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


def exchange_with(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], method: str = "GET", **more: Any
) -> Exchange:
    """Send one request to a server that answers by `handle`."""

    async def exchange() -> Exchange:
        async with answering(handle) as root, talking_to(root) as graph:
            return await graph.send(method, "/thing", **more)

    return run_virtual(exchange())


def exchange_over(*answers: bytes, method: str = "POST") -> Exchange:
    """Send one request to a server that says just these bytes."""

    async def exchange() -> Exchange:
        async with saying(*answers) as (address, _), talking_to(f"http://{address}") as graph:
            return await graph.send(method, "/thing", body={"newPassword": "Quartz-7-meadow"})

    return run_virtual(exchange())


def answer_of(exchange: Exchange) -> Answer:
    assert isinstance(exchange.result, Answer)
    return exchange.result


def test_what_is_sent() -> None:
    """The token, a fresh request id, who we are, the operator's own headers, and the body as JSON."""
    seen: list[web.BaseRequest] = []
    bodies: list[Any] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        bodies.append(await request.json())
        return as_json({"fine": True}, request_id="8ef21b0e-7d0a")

    body = {"newPassword": "Quartz-7-meadow"}
    exchange = exchange_with(handle, "POST", body=body, headers={"X-Ticket": "INC-1", "User-Agent": "own/1"})
    (request,) = seen
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["client-request-id"] == exchange.client_request_id
    assert request.headers["X-Ticket"] == "INC-1"
    assert request.headers["User-Agent"] == "own/1"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Content-Type"] == "application/json"
    assert request.path == exchange.path == "/v1.0/thing"
    assert bodies == [body]
    assert exchange.result == Answer(200, answer_of(exchange).headers, {"fine": True})
    assert (exchange.status, exchange.request_id) == (200, "8ef21b0e-7d0a")


def test_nobody_replaces_what_is_ours() -> None:
    """A header of the operator's does not reach the token or the request id, whatever its case."""
    seen: list[list[str]] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.extend(request.headers.getall(name) for name in ("Authorization", "client-request-id"))
        return web.Response(status=204)

    headers = {"Authorization": "Bearer other", "client-request-id": "other"}
    exchange_with(handle, headers=headers, client_request_id="mine")
    assert seen == [[f"Bearer {TOKEN}"], ["mine"]]


def test_an_exchange_shows_no_secret() -> None:
    """Neither the token nor a body, in what is printed of it."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        return as_json({"newPassword": "Made-by-the-service-1"}, 202)

    shown = repr(exchange_with(handle, "POST", body={"newPassword": "Quartz-7-meadow"}))
    assert TOKEN not in shown
    assert "Quartz" not in shown
    assert "Made-by" not in shown


def test_a_url_is_sent_to_the_letter() -> None:
    """An operation's query routes to the right backend, and a nextLink is opaque: nothing is decoded or sorted."""
    seen = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request.raw_path)
        return web.Response(status=204)

    target = "/v1.0/users/a%2Fb/operations/1?z=%20+&a=%C3%A9&aadgsu=ssprprod-a&%24skiptoken=RFNwdAIAAQ%3D%3D"

    async def look() -> None:
        async with answering(handle) as root, talking_to(root) as graph:
            url = graph.resolve(root + target)
            assert url is not None
            exchange = await graph.send("GET", url)
            assert exchange.path == target

    run_virtual(look())
    assert seen == [target]


def test_a_refused_connection_is_not_sent() -> None:
    """Nobody listens: the request never left."""

    async def exchange() -> Exchange:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            async with talking_to(f"http://127.0.0.1:{taken.getsockname()[1]}") as graph:
                return await graph.send("POST", "/thing", body={})

    result = run_virtual(exchange()).result
    assert isinstance(result, NotSent)
    assert result.why.startswith("no connection to 127.0.0.1: ")


def test_a_name_that_is_not_known_is_told_plainly() -> None:
    """The host, and what the system says of it: no class of a library's, no settings of a socket's."""

    async def exchange() -> Exchange:
        async with talking_to("http://graph.invalid") as graph:
            return await graph.send("GET", "/thing")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", _unknown)
        result = asyncio.run(exchange()).result
    assert result == NotSent("no connection to graph.invalid: Name or service not known")


def _unknown(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_certificate_that_nobody_vouches_for_is_told_plainly(tmp_path: Path) -> None:
    """The host, why, and what adds an authority."""
    tls = PrivateAuthority(tmp_path).server_context()

    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.Response()

    async def exchange() -> Exchange:
        async with listening(handle, 0, tls) as port, talking_to(f"https://localhost:{port}") as graph:
            return await graph.send("GET", "/thing")

    result = asyncio.run(exchange()).result
    assert isinstance(result, NotSent)
    assert result.why.startswith("the certificate of localhost is not trusted: ")
    assert "SSL_CERT_FILE" in result.why


def test_a_failed_handshake_is_not_sent() -> None:
    """A server that speaks no TLS, or that nobody vouches for, never sees the request."""

    async def exchange() -> tuple[Exchange, list[bytes]]:
        plain = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        async with saying(plain) as (address, heard), talking_to(f"https://{address}") as graph:
            return await graph.send("POST", "/thing", body={}), heard

    exchange_, heard = run_virtual(exchange())
    assert isinstance(exchange_.result, NotSent)
    assert all(TOKEN.encode() not in text for text in heard)


def test_a_dropped_connection_is_lost() -> None:
    """The request left and nothing came back: it may have been applied."""
    result = exchange_over(b"").result
    assert result == Lost("ServerDisconnectedError")


def test_a_connection_dropped_while_the_server_worked_is_lost() -> None:
    """The same, with a server that read all of it and then broke off."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert isinstance(exchange_with(handle, "POST", body={}).result, Lost)


def test_silence_is_lost_in_the_end() -> None:
    """A server that reads and never answers is waited for for a hundred seconds."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(3600)
        return web.Response()

    exchange = exchange_with(handle, "POST", body={})
    assert isinstance(exchange.result, Lost)
    assert exchange.seconds == pytest.approx(100, abs=2)


def test_waiting_in_vain_for_a_connection_is_not_sent() -> None:
    """With all connections taken, time runs out before anything has left; the one that has one is another matter."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b" ")
            await asyncio.sleep(30)
        return response

    async def exchange() -> list[Exchange]:
        async with answering(handle) as root, talking_to(root, connections=1) as graph:
            return await asyncio.gather(*(graph.send("POST", "/thing", body={}) for _ in range(3)))

    first, *others = run_virtual(exchange())
    assert answer_of(first).readable is False
    assert [type(other.result) for other in others] == [NotSent, NotSent]


def test_answers_that_are_no_http_are_lost_and_not_quoted() -> None:
    """Garbage may hold anything, also what was sent: its text stays out of reports and logs."""
    echo = b'{"newPassword": "Quartz-7-meadow", "token": "' + TOKEN.encode() + b'"}\r\n\r\n'
    big = b"HTTP/1.1 202 Accepted\r\nX-Echo: Quartz-7-meadow" + b"x" * 100_000 + b"\r\n\r\n"
    chunks = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nQuartz-7-meadow\r\n"
    for garbage in (echo, big, chunks, b"HTTP/1.1 Quartz-7-meadow\r\n\r\n", b"HTTP/1.1 202 Acc"):
        result = exchange_over(garbage).result
        assert isinstance(result, Lost)
        assert "Quartz" not in result.why
        assert "eyJ" not in result.why


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\n{}",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\n{...",
        b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        b"Content-Type: text/html\r\n\r\n<html><h1>Sign in to the network</h1></html>",
        b"\r\n\xff\xfe{}",
        b"\r\n" + b"[" * 100_000,
        b"\r\n" + b'{"number": 1' + b"0" * 5000 + b"}",
    ],
    ids=["short", "chunk cut", "gzip broken", "html", "encoding", "deep", "huge number"],
)
def test_a_body_that_cannot_be_read_is_still_an_answer(rest: bytes) -> None:
    """The status line is known by then, and the headers with it."""
    answer = answer_of(exchange_over(b"HTTP/1.1 202 Accepted\r\nLocation: /operation\r\nConnection: close\r\n" + rest))
    assert (answer.status, answer.headers["Location"]) == (202, "/operation")
    assert (answer.body, answer.readable) == (None, False)


def test_a_body_over_the_limit_is_not_read() -> None:
    """One mebibyte, counted after unpacking, is enough for anything Graph has to say here."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        response = web.Response(body=b'"' + b"x" * MAX_BODY + b'"')
        response.enable_compression(strategy=0)
        return response

    assert answer_of(exchange_with(handle)).readable is False
    assert answer_of(exchange_with(handle, max_body=2 * MAX_BODY)).body == "x" * MAX_BODY


def test_no_body_is_none() -> None:
    """As the reset's own answer has it."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=202)

    answer = answer_of(exchange_with(handle))
    assert (answer.body, answer.readable) == (None, True)


async def _drip(writer: asyncio.StreamWriter, start: bytes, again: bytes) -> None:
    """Say something, and then a little every five seconds, for ever."""
    writer.write(start)
    while True:
        writer.write(again)
        await writer.drain()
        await asyncio.sleep(5)


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 O", b"K"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: y\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n{", b" "),
    ],
    ids=["silence", "status", "a header", "headers", "100 again", "body", "chunks", "no length, never closed"],
)
def test_no_server_holds_a_request_for_longer_than_a_request_may_take(start: bytes, again: bytes) -> None:
    """A byte now and then does not keep it alive: after a hundred seconds it is over, and no answer to go by."""

    async def exchange() -> Exchange:
        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                with suppress(ConnectionError):
                    await _drip(writer, start, again)
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        try:
            async with talking_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as graph:
                return await graph.send("POST", "/thing", body={})
        finally:
            server.close()

    found = run_virtual(exchange())
    assert found.seconds == pytest.approx(100, abs=6)
    assert isinstance(found.result, Lost) or not answer_of(found).readable


@pytest.mark.parametrize("body", [b'{"a": "\\ud83d"}', b'{"a": "\\uDE00"}', b'["\xed\xa0\xbd"]'])
def test_half_a_letter_is_no_text(body: bytes) -> None:
    """Nothing could write it: neither the status table nor a report. The other half beside it makes it one."""
    start = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    assert answer_of(exchange_over(start + body)).readable is False
    assert answer_of(exchange_over(start + b'{"a": "\\ud83d\\ude00"}')).body == {"a": "\U0001f600"}


@pytest.mark.parametrize("name", ["\xff", "a" * 101, "two words", "", "=1+1;", "<b>"])
def test_what_could_be_no_name_of_a_request_is_none(name: str) -> None:
    """It goes into reports and logs."""
    start = b"HTTP/1.1 200 OK\r\nConnection: close\r\nrequest-id: "
    assert exchange_over(start + name.encode("latin-1") + b"\r\n\r\n{}").request_id is None
    assert exchange_over(start + b"8ef21b0e-7d0a\r\n\r\n{}").request_id == "8ef21b0e-7d0a"


def test_an_error_that_quotes_the_token_goes_on_without_it() -> None:
    """As some do that find fault with it."""

    async def handle(request: web.BaseRequest) -> web.Response:
        return as_json({"error": {"code": "x", "message": request.headers["Authorization"]}}, 400)

    assert answer_of(exchange_with(handle)).body == {"error": {"code": "x", "message": "Bearer ***"}}


def test_no_answer_goes_on_with_the_token() -> None:
    """Nor does a success, or a header."""

    async def handle(request: web.BaseRequest) -> web.Response:
        told = request.headers["Authorization"]
        return as_json({"statusDetail": told}, Location=f"/x?{told}", X_Other="y")

    answer = answer_of(exchange_with(handle))
    assert answer.body == {"statusDetail": "Bearer ***"}
    assert "Location" not in answer.headers
    assert answer.headers["X-Other"] == "y"
