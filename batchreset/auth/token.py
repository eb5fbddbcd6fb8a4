"""Where the bearer token comes from."""

from __future__ import annotations

import os
from typing import Protocol

from batchreset.auth.bearer import is_sendable
from batchreset.errors import SignInError
from batchreset.secret import Secret

VARIABLE = "BATCHRESET_ACCESS_TOKEN"


class TokenSource(Protocol):
    """Hands out the bearer token for the next request.

    `token` and `renew` raise `SignInUnreachableError` where trying again may help, else `SignInError` with what to do.
    `is_renewable` says whether there will be another token when this one ends.
    """

    is_renewable: bool

    async def token(self) -> Secret:
        """Return a token that is good now."""

    async def renew(self, rejected: Secret, claims: str | None) -> bool:
        """Get another token than the one that Graph rejected; False where there is no other.

        `claims` is what Graph's challenge demands of it, as JSON.
        """

    async def refresh(self) -> bool:
        """Get another token than one that Graph still takes; False, and keep that, where there is no other now."""


class GivenToken:
    """A token that somebody else obtained."""

    is_renewable = False

    def __init__(self, token: Secret) -> None:
        """Take the token."""
        self._token = token

    async def token(self) -> Secret:
        """Return it."""
        return self._token

    async def renew(self, rejected: Secret, claims: str | None) -> bool:  # noqa: ARG002  there is no other
        """Say that there is no other."""
        return False

    async def refresh(self) -> bool:
        """Say that there is no other."""
        return False


class EnvironmentToken:
    """The token in `BATCHRESET_ACCESS_TOKEN`, looked for when the first request needs it.

    So whoever has no token yet is told first what is wrong with the cohort. Raises `SignInError` where there is none.
    """

    is_renewable = False

    def __init__(self) -> None:
        """Look for nothing yet."""
        self._token: Secret | None = None

    async def token(self) -> Secret:
        """Return the token."""
        if self._token is None:
            self._token = _from_environment()
        return self._token

    async def renew(self, rejected: Secret, claims: str | None) -> bool:  # noqa: ARG002  there is no other
        """Say that there is no other."""
        return False

    async def refresh(self) -> bool:
        """Say that there is no other."""
        return False


def _from_environment() -> Secret:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        raise SignInError(
            f"Not signed in: --auth token needs a Microsoft Graph access token in the environment variable {VARIABLE}."
        )
    if not is_sendable(text):
        raise SignInError(f"{VARIABLE} holds no bearer token: it has spaces or foreign characters.")
    return Secret(text)
