"""Signing in as a person, and signing out: for the commands. Everything here blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msal

from batchreset.auth import accounts as cached
from batchreset.auth import applications
from batchreset.auth.applications import asking, checked, service
from batchreset.auth.bearer import read
from batchreset.auth.cache import forget, is_there, open_cache
from batchreset.auth.explain import explain
from batchreset.auth.scopes import delegated
from batchreset.errors import SignInError
from batchreset.secret import Secret
from batchreset.settings import Auth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchreset.auth.bearer import Bearer
    from batchreset.settings import Settings

#: How long a person may take in the browser.
_PATIENCE = 300


def login(settings: Settings, method: Auth, tell: Callable[[str], None]) -> Bearer | None:
    """Sign a person in by `method` (interactive or device-code), and keep the sign-in in the cache.

    `tell` is given what the person has to know. Returns what the token says of itself, None where it says nothing.
    Raises `SignInError`, also where somebody else than `--account` has signed in: that sign-in is not kept.
    """
    with asking(service(settings)):
        app = applications.public(settings, tell)
        before = {each["home_account_id"] for each in app.get_accounts()}
        ask = _by_device_code if method is Auth.DEVICE_CODE else _by_browser
        result = checked(ask(app, settings, tell))
        user = str(result.get("id_token_claims", {}).get("preferred_username", ""))
        if settings.account and user.casefold() != settings.account.casefold():
            for account in app.get_accounts(user):
                if account["home_account_id"] not in before:
                    cached.forget(app.token_cache, account["home_account_id"])
            raise SignInError(f"{user or 'Another account'} has signed in, not {settings.account}: sign in again.")
    return read(Secret(result["access_token"]))


def logout(settings: Settings) -> list[str]:
    """Forget the account that `--account` names, else all; return the names of those forgotten. Asks no network."""
    if settings.account:
        return cached.remove(open_cache(lambda _: None), settings.account) if is_there() else []
    try:
        found = accounts()
    except SignInError:  # the cache is damaged: all the more reason
        found = []
    forget()
    return found


def accounts() -> list[str]:
    """Return the names of the accounts that are signed in. Raises `SignInError` where the cache cannot be used."""
    return cached.names(open_cache(lambda _: None)) if is_there() else []


def _by_browser(app: Any, settings: Settings, tell: Callable[[str], None]) -> Mapping[str, Any]:
    tell("Sign in in the browser window that opens now.")
    try:
        result: Mapping[str, Any] = app.acquire_token_interactive(
            delegated(settings),
            prompt="select_account",
            login_hint=settings.account,
            timeout=_PATIENCE,
            auth_uri_callback=lambda url: tell(
                f"No browser could be opened. Open this address in one on this machine:\n{url}\n"
                "Where there is none, sign in with --auth device-code."
            ),
        )
    except msal.BrowserInteractionTimeoutError as error:
        raise SignInError("Nobody has signed in within five minutes.") from error
    return result


def _by_device_code(app: Any, settings: Settings, tell: Callable[[str], None]) -> Mapping[str, Any]:
    flow = app.initiate_device_flow(delegated(settings))
    if "user_code" not in flow:
        raise SignInError(explain(flow))
    tell(flow["message"])
    result: Mapping[str, Any] = app.acquire_token_by_device_flow(flow)
    return result
