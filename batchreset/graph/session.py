"""One HTTP session to Graph: a request in, what came of it out. Never raises for what the network does."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from batchreset.errors import SignInError, SignInUnreachableError
from batchreset.graph.challenge import claims_in
from batchreset.network import proxy_for, trusted
from batchreset.policy.verdict import Answer, Lost, NoToken, NotSent, Result
from batchreset.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from aiohttp.connector import Connection

    from batchreset.auth.token import TokenSource
    from batchreset.secret import Secret

_LOG = logging.getLogger(__name__)
#: Bytes of a body that are read; what is longer counts as unreadable.
MAX_BODY = 1024 * 1024
MAX_BATCH_BODY = 8 * MAX_BODY
#: To reach the host, to have a connection at all where others hold them, and for the whole request.
_REACH_SECONDS, _CONNECT_SECONDS, _TOTAL_SECONDS = 10.0, 60.0, 100.0
#: Halves of letters beyond the first 65,536, escaped or not, or UTF-16: the one cannot be written without the other.
_HALF_A_LETTER = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\x00")
#: What a service may call a request: a GUID. Most other words might as well be a password that it quotes.
_NAME = re.compile(r"[0-9a-fA-F-]{1,100}")


class _HungUpError(aiohttp.ClientError):
    """A proxy hung up before there was a connection through it."""


#: What is raised while there is no connection yet, so that nothing of a request can have left.
_NEVER_LEFT = (
    _HungUpError,
    aiohttp.ClientConnectorError,
    aiohttp.ClientProxyConnectionError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it; nothing in it is secret but `result.body`. `seconds` is the time it took.

    `refused` is the answer that refused its token (401), where there is another token now: the request may be sent
    again, or none could be had, which the result then says.
    """

    method: str
    path: str
    client_request_id: str
    result: Result
    seconds: float
    refused: Answer | None = None

    @property
    def status(self) -> int | None:
        """The answer's status, if there was one."""
        return self._answer.status if self._answer else None

    @property
    def request_id(self) -> str | None:
        """The service's own name of the request, for Microsoft's support; None where that could be no name."""
        name = self._answer.headers.get("request-id", "") if self._answer else ""
        return name if _NAME.fullmatch(name) else None

    @property
    def _answer(self) -> Answer | None:
        return self.result if isinstance(self.result, Answer) else self.refused


class _Connector(aiohttp.TCPConnector):
    """Tells a proxy that hangs up from a server that does: aiohttp raises the same for both."""

    async def connect(  # the signature is aiohttp's
        self,
        req: aiohttp.ClientRequest,
        traces: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  the same
    ) -> Connection:
        try:
            return await super().connect(req, traces, timeout)
        except aiohttp.ServerDisconnectedError as error:
            raise _HungUpError from error


def new_request_id() -> str:
    """Make a name for a request: a GUID, as Graph wants it. It is no secret, so the system's randomness is spared."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{digits[16:20]}-{digits[20:]}"


class GraphSession:
    """A session to one Graph root. Use as an async context manager; `connections` bounds the requests under way."""

    def __init__(
        self,
        root: str,
        tokens: TokenSource,
        *,
        connections: int,
        on_renewal: Callable[[Exchange], None] = lambda _: None,
    ) -> None:
        """Talk to `root` (no version, no trailing slash) with tokens from `tokens`.

        `on_renewal` is told of each request that was refused for its token (401) and is sent again with another.
        """
        self.root = root
        self._tokens = tokens
        self._on_renewal = on_renewal
        self._connections = connections
        self._proxy = proxy_for(root)
        self._base = URL(f"{root}/v1.0/", encoded=True)
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        secure = trusted() if self._base.scheme == "https" else True
        self._http = aiohttp.ClientSession(
            connector=_Connector(limit=self._connections, ssl=secure),
            timeout=aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS, sock_connect=_REACH_SECONDS),
            headers={"User-Agent": f"batchreset/{__version__}", "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def token(self) -> Secret:
        """Return the token that the next request carries. Raises `SignInError` where there is none."""
        return await self._tokens.token()

    async def refresh(self) -> bool:
        """Get another token than the present one, which stays where there is no other: False then."""
        return await self._tokens.refresh()

    def resolve(self, url: str) -> str | None:
        """Make a Location or nextLink absolute; None where it is no URL, or leads to another scheme, host or port.

        The token goes to the configured root and nowhere else.
        """
        if not url.isascii() or not url.isprintable():
            return None
        if url.startswith(f"{self.root}/"):  # what follows the host and a slash is a path
            return url
        try:
            absolute = self._base.join(URL(url, encoded=True))
            is_ours = _origin(absolute) == _origin(self._base)
        except ValueError:
            return None
        return str(absolute) if is_ours else None

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        client_request_id: str | None = None,
        max_body: int = MAX_BODY,
    ) -> Exchange:
        """Send one request and say what came of it; where its token is taken no more, once again with another.

        A request that the caller has a name for is left to the caller then: each send of it has a name and a turn of
        its own, and `Exchange.refused` says that there is another token now.

        `path` is below the version, or a URL that `resolve` returned; it is sent to the letter, since an operation's
        query string routes to the right backend and a nextLink is opaque.
        """
        name = client_request_id or new_request_id()
        url = f"{self.root}/v1.0{path}" if path.startswith("/") else self.resolve(path)
        if url is None:
            raise ValueError("a request to another host than Graph's")
        given = {**(headers or {}), "client-request-id": name}
        clock = asyncio.get_running_loop().time
        shown = url.removeprefix(self.root)

        async def once(token: Secret) -> Exchange:
            start = clock()
            sent = {**given, "Authorization": f"Bearer {token.reveal()}"}
            result = await self._exchange(method, url, body, sent, max_body)
            return _told(Exchange(method, shown, name, result, clock() - start))

        refused: Answer | None = None
        try:
            token = await self._tokens.token()
            exchange = await once(token)
            if not isinstance(exchange.result, Answer) or exchange.result.status != HTTPStatus.UNAUTHORIZED:
                return exchange
            refused = exchange.result
            if not await self._tokens.renew(token, claims_in(refused.headers.get("WWW-Authenticate"))):
                return exchange
            exchange = replace(exchange, refused=refused)
            if client_request_id is not None:
                return exchange
            self._on_renewal(exchange)
            return await once(await self._tokens.token())
        except SignInUnreachableError as error:
            return Exchange(method, shown, name, NotSent(str(error).rstrip(".")), 0.0, refused)
        except SignInError as error:
            return Exchange(method, shown, name, NoToken(str(error).rstrip(".")), 0.0, refused)

    async def _exchange(self, method: str, url: str, body: Any, headers: Mapping[str, str], max_body: int) -> Result:
        try:
            async with self._http.request(
                method,
                URL(url, encoded=True),
                json=body,
                headers=headers,
                proxy=self._proxy,
                allow_redirects=False,
            ) as response:
                return await _read(response, max_body, headers["Authorization"].removeprefix("Bearer "))
        except _NEVER_LEFT as error:
            return NotSent(_why(error))
        except (aiohttp.ClientError, OSError) as error:
            return Lost(_why(error))


def _origin(url: URL) -> tuple[str | None, ...]:
    """Say where a URL leads, and as whom."""
    return url.scheme, url.host and url.host.lower(), str(url.port), url.user, url.password


async def _read(response: aiohttp.ClientResponse, max_body: int, token: str) -> Answer:
    """Read the body to its limit. The status line is known by now, so whatever happens here is still an answer.

    An answer that quotes the token goes on without it.
    """
    headers: Mapping[str, str] = response.headers
    if any(token in text for text in headers.values()):
        headers = CIMultiDict((name, text) for name, text in headers.items() if token not in text)
    received = bytearray()
    try:
        while chunk := await response.content.readany():
            received += chunk
            if len(received) > max_body:
                response.close()
                return Answer(response.status, headers, readable=False)
        received = received.replace(token.encode(), b"***")
        body = json.loads(received) if received.strip() else None
        if _HALF_A_LETTER.search(received):
            json.dumps(body, ensure_ascii=False).encode()  # no text at all, where the other half is missing
    except (aiohttp.ClientError, OSError, ValueError, RecursionError):
        return Answer(response.status, headers, readable=False)
    return Answer(response.status, headers, body)


def _told(exchange: Exchange) -> Exchange:
    """Log a request, and return it. What the service calls it may yet quote a password, and is left out."""
    if _LOG.isEnabledFor(logging.DEBUG):
        result = exchange.result
        fields = {
            "method": exchange.method,
            "path": exchange.path,
            "status": exchange.status or getattr(result, "why", None),
            "seconds": round(exchange.seconds, 3),
            "client_request_id": exchange.client_request_id,
        }
        _LOG.debug("request %s", " ".join(map(str, fields.values())), extra={"event": "request", "fields": fields})
    return exchange


def _why(error: Exception) -> str:
    """Tell the error. Only what the operating system or a clock said is quoted: other texts may hold received bytes."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or "it cannot be verified"
        return f"the certificate of {error.host} is not trusted: {why} (SSL_CERT_FILE adds a private authority's)"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}: {error.os_error.strerror or error.os_error}"
    if isinstance(error, _HungUpError):
        return "the proxy hung up"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    told = str(error) if isinstance(error, OSError) else ""
    return f"{type(error).__name__}: {told}" if told else type(error).__name__
