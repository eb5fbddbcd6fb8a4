"""Getting tokens from MSAL without a person, each way in its own manner. Everything here blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchreset.auth import applications, cache
from batchreset.auth.accounts import chosen, nobody
from batchreset.auth.applications import asking, checked, service
from batchreset.auth.clouds import resource
from batchreset.auth.credentials import certificate, secret
from batchreset.auth.scopes import delegated
from batchreset.auth.sign_in import way
from batchreset.settings import Auth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.auth.msal_tokens import Acquire
    from batchreset.settings import Settings


def ready(settings: Settings) -> Acquire:
    """Make MSAL's application, and return how it is asked. Raises `SignInError`."""
    match way(settings):
        case Auth.SECRET:
            return _application(settings, secret)
        case Auth.CERTIFICATE:
            return _application(settings, certificate)
        case Auth.MANAGED_IDENTITY:
            return _machine(settings)
        case _:
            return _person(settings)


def _person(settings: Settings) -> Acquire:
    whom = service(settings)
    if not cache.is_there():
        raise nobody(settings.account)
    with asking(whom):
        app = applications.public(settings, lambda _: None)

    def acquire(claims: str | None, must_be_new: bool) -> Mapping[str, Any]:  # noqa: FBT001  as `Acquire` has it
        with asking(whom):
            return checked(
                app.acquire_token_silent_with_error(
                    delegated(settings),
                    chosen(app, settings.account),
                    force_refresh=must_be_new,
                    claims_challenge=claims,
                )
            )

    return acquire


def _application(settings: Settings, credential: Any) -> Acquire:
    with asking(service(settings)):
        app = applications.confidential(settings, credential())

    def acquire(claims: str | None, must_be_new: bool) -> Mapping[str, Any]:  # noqa: FBT001  as `Acquire` has it
        if must_be_new:  # MSAL has no other way round its memory
            app.remove_tokens_for_client()
        with asking(service(settings)):
            return checked(app.acquire_token_for_client([f"{resource(settings)}/.default"], claims_challenge=claims))

    return acquire


def _machine(settings: Settings) -> Acquire:
    client = applications.machine(settings)

    def acquire(claims: str | None, must_be_new: bool) -> Mapping[str, Any]:  # noqa: FBT001  as `Acquire` has it
        nonlocal client
        if must_be_new:  # MSAL has no other way round its memory
            client = applications.machine(settings)
        with asking("This machine's managed identity endpoint"):
            return checked(client.acquire_token_for_client(resource=resource(settings), claims_challenge=claims))

    return acquire
