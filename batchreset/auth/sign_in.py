"""Signing in without a person: by what settings, environment and token cache hold."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from batchreset.auth.msal_tokens import MsalTokens
from batchreset.auth.token import VARIABLE, EnvironmentToken
from batchreset.errors import SignInNeededError
from batchreset.settings import Auth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchreset.auth.msal_tokens import Acquire
    from batchreset.auth.token import TokenSource
    from batchreset.settings import Settings

_APP_ONLY = frozenset({Auth.SECRET, Auth.CERTIFICATE, Auth.MANAGED_IDENTITY})


def sign_in(settings: Settings, warn: Callable[[str], None] = lambda _: None) -> TokenSource:
    """Choose where tokens come from. Nothing is read or asked before the first `token()`, which raises `SignInError`.

    `warn` is told when a token cannot be renewed.
    """
    return EnvironmentToken() if way(settings) is Auth.TOKEN else MsalTokens(_acquire(settings), warn)


def way(settings: Settings) -> Auth:
    """Return how to sign in: as chosen, else by the token in the environment, else as a person."""
    return settings.auth or (Auth.TOKEN if os.environ.get(VARIABLE) else Auth.INTERACTIVE)


def is_app_only(settings: Settings) -> bool | None:
    """Say whether an application signs in as itself; None where only the given token can tell."""
    return None if (chosen := way(settings)) is Auth.TOKEN else chosen in _APP_ONLY


def _acquire(settings: Settings) -> Acquire:
    """Put off everything, MSAL's import included, until the first token is asked for."""

    @cache
    def ready() -> Acquire:
        if settings.auth is None and not settings.client_id:
            raise SignInNeededError(
                "Not signed in: run `batchreset login` with --tenant and --client-id (without them it says how to come "
                f"by them), or put a bearer token for Microsoft Graph into the environment variable {VARIABLE}."
            )
        from batchreset.auth import acquiring  # noqa: PLC0415  it imports MSAL

        return acquiring.ready(settings)

    def acquire(claims: str | None, must_be_new: bool) -> Mapping[str, Any]:  # noqa: FBT001  as `Acquire` has it
        return ready()(claims, must_be_new)

    return acquire
