"""The access tokens that the tenant's Graph takes, and why it takes one no more."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchreset.rehearsal.exchange import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHALLENGE = 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an access token allows, until `expires_at` (seconds of the tenant's life).

    `permissions` of None are all there are. `claims` are those that were asked for with it, by name: what the claims
    parameter of its request held for the access token.
    """

    is_app_only: bool = False
    permissions: frozenset[str] | None = None
    expires_at: float = math.inf
    claims: Mapping[str, Any] = field(default_factory=dict)


class Tokens:
    """Every access token there is, and what it allows."""

    def __init__(self) -> None:
        """Know no token."""
        self._grants: dict[str, Grant] = {}
        #: Those taken no more: revoked, or to be replaced by one with these claims.
        self._ended: dict[str, Mapping[str, Any] | None] = {}
        self._demanded: Mapping[str, Any] | None = None

    def admit(self, token: str, grant: Grant) -> None:
        """Take a token from now on, unless claims are demanded that it was not issued for."""
        self._grants[token] = grant
        if self._demanded is None:
            return
        if all(grant.claims.get(name) == wanted for name, wanted in self._demanded.items()):
            self._demanded = None
        else:
            self._ended[token] = self._demanded

    def revoke(self) -> None:
        """Take none of the tokens issued so far."""
        self._ended |= dict.fromkeys(self._grants)

    def challenge(self, claims: Mapping[str, Any]) -> None:
        """Answer every token with a claims challenge until one is issued that was asked for with `claims`.

        Source: Microsoft's "Claims challenges, claims requests, and client capabilities".
        """
        self._demanded = claims
        self._ended |= dict.fromkeys(self._grants, claims)

    def grant_of(self, authorization: str | None, now: float) -> Grant:
        """Return what the token of an Authorization header allows. Raises `RefusedError` (401)."""
        if not authorization:
            raise _unauthenticated("Access token is empty.")
        token = authorization.removeprefix("Bearer ")
        grant = self._grants.get(token)
        if grant is None:
            raise _unauthenticated("CompactToken parsing failed with error code: 80049217")
        if token in self._ended:
            claims = self._ended[token]
            if claims is None:
                raise _unauthenticated("CompactToken validation failed with reason code: 80049228.")
            raise _challenged(claims)
        if now >= grant.expires_at:
            raise _unauthenticated("CompactToken validation failed: the token is expired.")
        return grant


def _unauthenticated(message: str, challenge: str = _CHALLENGE) -> RefusedError:
    return RefusedError(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": challenge})


def _challenged(claims: Mapping[str, Any]) -> RefusedError:
    encoded = base64.b64encode(json.dumps({"access_token": claims}).encode()).decode()
    return _unauthenticated(
        "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenRevoked",
        f'{_CHALLENGE}, error="insufficient_claims", claims="{encoded}"',
    )
