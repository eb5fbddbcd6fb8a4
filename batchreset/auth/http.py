"""The HTTP client that MSAL is given: same certificates, same proxies as for Graph, and an end to waiting."""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from batchreset.errors import SignInUnreachableError
from batchreset.network import proxy_for, trusted

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

_LOG = logging.getLogger(__name__)
#: Seconds to connect, and of silence.
_TIMEOUT = (10.0, 30.0)


def session(*, is_direct: bool = False) -> requests.Session:
    """Return a session to the sign-in service, or past any proxy to this machine's own identity endpoint.

    Raises `SettingsError` where proxies or certificates are badly set, `requests.RequestException` when used.
    """
    found = requests.Session()
    # The environment's REQUESTS_CA_BUNDLE would replace what is trusted, and its proxies would take in loopback.
    found.trust_env = False
    # Token requests are far between: a connection kept would be dead by the next.
    found.headers["Connection"] = "close"
    # What is sent holds secrets: it goes to nobody that an answer names, and in clear to this machine's endpoint only.
    found.max_redirects = 0
    found.adapters.clear()
    adapter = _Adapter(trusted(), is_direct=is_direct)
    for scheme in ("https://", "http://") if is_direct else ("https://",):
        found.mount(scheme, adapter)
    return found


class _Adapter(HTTPAdapter):
    """Verifies certificates by a context of ours; of itself `requests` trusts a list that it ships.

    429 and 5xx are raised as `requests.HTTPError`: MSAL would remember them for a minute, and hide the status.
    """

    def __init__(self, context: ssl.SSLContext, *, is_direct: bool) -> None:
        self._context = context
        self._is_direct = is_direct
        super().__init__(max_retries=1)  # of connecting; what was sent is not sent again

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **options, ssl_context=self._context, proxy_ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Add no list of certificates to the context's."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        url = str(request.url)
        proxy = None if self._is_direct else proxy_for(url)
        options |= {"timeout": _TIMEOUT, "proxies": {urlsplit(url).scheme: proxy} if proxy else {}}
        start = time.monotonic()
        response = super().send(request, **options)
        # Without the query, and without anything of the answer: either may hold a code or a token.
        told = (request.method, url.partition("?")[0], response.status_code, time.monotonic() - start)
        _LOG.debug("request %s %s %s %.3f", *told)
        if (
            response.status_code == HTTPStatus.TOO_MANY_REQUESTS
            or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        ):
            response.close()
            response.raise_for_status()
        return response


@contextmanager
def reaching(whom: str) -> Iterator[None]:
    """Turn what the network does to a request into `SignInUnreachableError`; `whom` could not be reached."""
    try:
        yield
    except requests.RequestException as error:
        raise SignInUnreachableError(f"{whom} could not be reached: {_why(error)}.") from None
    except json.JSONDecodeError:
        raise SignInUnreachableError(f"{whom} could not be reached: something else answers, such as a proxy.") from None


def _why(error: requests.RequestException) -> str:
    """Name the error without quoting it: its text may hold a URL, and the error itself holds the request."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted (SSL_CERT_FILE adds a private authority's)"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not let through"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.TooManyRedirects):
        return "it answers with a redirect, which is not followed"
    if isinstance(error, requests.exceptions.InvalidSchema):
        return "it names an address that is not https://"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"it answered {error.response.status_code}"
    return "no connection"
