"""Who is signed in, and what that allows: as the token tells it, and as Graph does where it can be asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from batchreset.auth import bearer
from batchreset.auth.cache import path as cache_path
from batchreset.auth.scopes import needed
from batchreset.auth.sign_in import way
from batchreset.clock import utc_now
from batchreset.errors import SignInError
from batchreset.graph.session import GraphSession
from batchreset.model import Method
from batchreset.policy.permissions import missing, routes
from batchreset.policy.verdict import Accepted, Answer, SignedOut, judge
from batchreset.settings import Auth, Cloud

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from batchreset.auth.bearer import Bearer
    from batchreset.auth.token import TokenSource
    from batchreset.settings import Settings

#: The ways to sign in that have a person behind them; only their sign-in is kept.
IN_PERSON = frozenset({Auth.INTERACTIVE, Auth.DEVICE_CODE})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInFacts:
    """Who is signed in, to which tenant, and what that allows. None is what neither the token nor Graph tells.

    `missing` are the permissions that a run by the settings needs and lacks; `cache` is where the sign-in is kept.
    """

    cloud: Cloud
    auth: Auth
    cache: str | None
    signed_in: bool = True
    user: str | None = None
    object_id: str | None = None
    tenant_id: str | None = None
    tenant: str | None = None
    app_only: bool | None = None
    permissions: tuple[str, ...] | None = None
    missing: tuple[str, ...] | None = None
    routes: tuple[Method, ...] | None = None
    expires_at: datetime | None = None

    def recorded(self) -> dict[str, Any]:
        """Return it as JSON values."""
        at = self.expires_at
        return {**asdict(self), "expires_at": at and at.isoformat().replace("+00:00", "Z")}


def nobody(settings: Settings) -> SignInFacts:
    """Return the standing of whoever is not signed in."""
    return SignInFacts(signed_in=False, cloud=settings.cloud, auth=way(settings), cache=_cache(settings))


async def whoami(settings: Settings, tokens: TokenSource, warn: Callable[[str], None]) -> SignInFacts:
    """Say who is signed in. Where Graph cannot be asked, `warn` is told, and what the token tells has to do.

    Raises `SignInError` where nobody is, or where Graph does not take the token.
    """
    found = await bearer_of(tokens)
    async with GraphSession(settings.graph_root, tokens, connections=1) as graph:
        me = {} if found and found.is_app_only else await _ask(graph, "/me?$select=id,userPrincipalName", warn)
        organization = await _ask(graph, "/organization?$select=id,displayName", warn)
    return SignInFacts(
        cloud=settings.cloud,
        auth=way(settings),
        cache=_cache(settings),
        user=(name_of(found) if found else "") or me.get("userPrincipalName"),
        object_id=(found.object_id if found else "") or me.get("id"),
        tenant_id=(found.tenant_id if found else "") or organization.get("id"),
        tenant=organization.get("displayName"),
        app_only=found.is_app_only if found else None,
        permissions=tuple(sorted(found.permissions)) if found else None,
        missing=missing_of(found, settings) if found else None,
        routes=routes_of(found, settings) if found else None,
        expires_at=found.expires_at if found else None,
    )


def name_of(found: Bearer) -> str:
    """Return by what name whoever signs in goes; empty where the token does not tell."""
    return found.user or (f"application {found.client_id}" if found.is_app_only and found.client_id else "")


async def bearer_of(tokens: TokenSource) -> Bearer | None:
    """Return what the token says of itself; None where it is no JWT.

    Raises `SignInError` where there is none, or one that has expired.
    """
    found = bearer.read(await tokens.token())
    if found is not None and found.expires_at is not None and found.expires_at <= utc_now():
        raise SignInError(f"The token expired at {found.expires_at:%Y-%m-%d %H:%M:%S} UTC; sign in again.")
    return found


def missing_of(found: Bearer, settings: Settings) -> tuple[str, ...]:
    """Return the permissions that a run by these settings needs and this token lacks."""
    return missing(needed(settings, is_app_only=found.is_app_only), found.permissions)


def routes_of(found: Bearer, settings: Settings) -> tuple[Method, ...]:
    """Return the routes that this token opens in this cloud."""
    opened = routes(found.permissions, is_app_only=found.is_app_only)
    # Source: "National cloud deployments" on resetPassword's page of the Graph reference.
    is_closed = settings.cloud is Cloud.CHINA
    return tuple(route for route in opened if not (is_closed and route is Method.RESET_PASSWORD))


def _cache(settings: Settings) -> str | None:
    return str(cache_path()) if way(settings) in IN_PERSON else None


async def _ask(graph: GraphSession, path: str, warn: Callable[[str], None]) -> dict[str, Any]:
    """Return what Graph says there, or the first of several; nothing where it says none.

    Raises `SignInError` where it does not take the token.
    """
    result = (await graph.send("GET", path)).result
    verdict = judge(result, utc_now())
    if isinstance(verdict, SignedOut):
        raise SignInError(f"The sign-in was not accepted ({verdict.why}); sign in again.")
    if not isinstance(verdict, Accepted):
        why = getattr(verdict, "why", "throttled")
        warn(f"Graph tells nothing at {path.partition('?')[0]} ({why}); what is shown is what the token says.")
    body = result.body if isinstance(verdict, Accepted) and isinstance(result, Answer) else None
    found = body.get("value", [body]) if isinstance(body, dict) else []
    return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
