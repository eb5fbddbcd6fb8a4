"""Microsoft's own client, signed in to a simulated tenant."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kiota_abstractions.request_information import RequestInformation
    from msgraph import GraphServiceClient

#: Microsoft's client warns of its own deprecations while it is imported.
WARNINGS = (
    "ignore:GetQueryParameters is deprecated:DeprecationWarning",
    "ignore:This class is deprecated. Please use the generic Req:DeprecationWarning",
)


@asynccontextmanager
async def microsofts_client(url: str, token: str) -> AsyncIterator[GraphServiceClient]:
    """Sign it in to the tenant at `url`, with its usual retries."""
    # Imported here: it costs seconds, which collecting other tests need not pay.
    from kiota_abstractions.authentication import AuthenticationProvider  # noqa: PLC0415  imports slowly
    from kiota_http.kiota_client_factory import KiotaClientFactory  # noqa: PLC0415  imports slowly
    from msgraph import GraphRequestAdapter, GraphServiceClient  # noqa: PLC0415  imports slowly

    class StaticToken(AuthenticationProvider):  # type: ignore[misc]  # the SDK is skipped by mypy, so this is Any
        """A provider of its own, since the one that comes along refuses to send a token over plain http."""

        async def authenticate_request(self, request: RequestInformation, _context: Any = None) -> None:
            request.headers.add("Authorization", f"Bearer {token}")

    async with KiotaClientFactory.create_with_default_middleware() as http:
        adapter = GraphRequestAdapter(StaticToken(), http)
        adapter.base_url = f"{url}/v1.0"
        yield GraphServiceClient(request_adapter=adapter)
