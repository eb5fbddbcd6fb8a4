"""MSAL's applications, and what they answer. Imported only when somebody signs in: MSAL takes its time to load."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msal

from batchreset.auth import cache
from batchreset.auth.bearer import is_sendable
from batchreset.auth.clouds import authority, client_id
from batchreset.auth.explain import explain, is_passing
from batchreset.auth.http import reaching, session
from batchreset.errors import SignInError, SignInNeededError, SignInUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from batchreset.settings import Settings

#: Can answer a claims challenge. Source: Microsoft's "Claims challenges, claims requests, and client capabilities".
_CAPABILITIES = ["CP1"]
#: What only a person can put right. Source: Microsoft's "Handle errors and exceptions in MSAL for Python".
_PERSON_WANTED = frozenset({"interaction_required", "invalid_grant", "login_required", "consent_required"})
#: What MSAL raises over answers that make no sense: it takes them as they come.
_ODD = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RuntimeError)

# Everything that it has to say comes back as a result or an error; its records may quote an answer, and so a code.
logging.getLogger("msal").setLevel(logging.CRITICAL)


def public(settings: Settings, warn: Callable[[str], None]) -> Any:
    """Make the application that persons sign in with, over the token cache. Asks the network. Raises `SignInError`."""
    return _at(settings, msal.PublicClientApplication, token_cache=cache.open_cache(warn))


def confidential(settings: Settings, credential: Any) -> Any:
    """Make the application that signs in as itself. Asks the network. Raises `SignInError`."""
    return _at(settings, msal.ConfidentialClientApplication, client_credential=credential)


def machine(settings: Settings) -> Any:
    """Make the client of this machine's managed identity: the user-assigned one that is named, or the system's."""
    identity = (
        msal.UserAssignedManagedIdentity(client_id=settings.client_id)
        if settings.client_id
        else msal.SystemAssignedManagedIdentity()
    )
    return msal.ManagedIdentityClient(identity, http_client=session(is_direct=True))


def checked(result: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a result that holds a token.

    Raises `SignInError` of the kind that says what may help, `ValueError` for a token that can be none.
    """
    if not result:
        raise SignInNeededError("Not signed in: run `batchreset login`.")
    if "access_token" in result:
        if not is_sendable(result["access_token"]):
            raise ValueError("a token that no header can carry")
        return result
    if is_passing(result):
        raise SignInUnreachableError(explain(result))
    raise (SignInNeededError if result.get("error") in _PERSON_WANTED else SignInError)(explain(result))


@contextmanager
def asking(whom: str) -> Iterator[None]:
    """Turn whatever goes wrong while MSAL is asked into a `SignInError`; `whom` it asks is named there."""
    try:
        with reaching(whom):
            yield
    except msal.ManagedIdentityError as error:
        raise SignInError(f"{whom} gives no token: {error}") from error
    except OSError as error:
        raise SignInError(f"The sign-in cannot go on, on this machine: {error}.") from error
    except _ODD:
        raise SignInUnreachableError(
            f"{whom} answers what no sign-in service does: check --authority and the proxy."
        ) from None


def service(settings: Settings) -> str:
    """Name the sign-in service. Raises `SignInError` where no tenant is named."""
    return f"The sign-in service {urlsplit(authority(settings)).hostname}"


def _at(settings: Settings, kind: Any, **options: Any) -> Any:
    place = authority(settings)
    try:
        return kind(
            client_id(settings),
            authority=place,
            # The hosts are ours or the user's own: nobody else needs to vouch for them.
            instance_discovery=False,
            client_capabilities=_CAPABILITIES,
            http_client=session(),
            **options,
        )
    except (ValueError, RuntimeError) as error:
        raise SignInError(
            f"{place} is no tenant that the sign-in service knows: check --tenant, --cloud and --authority."
        ) from error
