"""Where the bearer token comes from."""

from __future__ import annotations

import os
from typing import Protocol

from batchreset.errors import SignInError
from batchreset.secret import Secret

VARIABLE = "BATCHRESET_ACCESS_TOKEN"


class TokenSource(Protocol):
    """Hands out the bearer token for the next request."""

    async def token(self) -> Secret:
        """Return a token that is good now."""


class GivenToken:
    """A token that somebody else obtained."""

    def __init__(self, token: Secret) -> None:
        """Take the token."""
        self._token = token

    async def token(self) -> Secret:
        """Return it."""
        return self._token


def from_environment() -> TokenSource:
    """Take the token from `BATCHRESET_ACCESS_TOKEN`. Raises `SignInError` where there is none."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        raise SignInError(
            f"Not signed in: put a delegated Microsoft Graph access token into the environment variable {VARIABLE}; "
            "it needs UserAuthenticationMethod.ReadWrite.All, User.Read.All and RoleManagement.Read.Directory."
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise SignInError(f"{VARIABLE} holds no bearer token: it has spaces or foreign characters.")
    return GivenToken(Secret(text))
