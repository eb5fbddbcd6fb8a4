"""By which route a run resets passwords, what that route demands, and what it says in its place.

resetPassword is for people only and password-profile for both. Source: "Permissions" on the two routes' pages of the
Graph reference, v1.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from batchreset.model import Method, PasswordSource
from batchreset.settings import Cloud
from batchreset.values import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.settings import Settings

#: What has a user choose another password at the next sign-in, plainly or after multifactor authentication. Each does
#: it by itself. Source: Microsoft's "passwordProfile resource type".
_MUST_CHANGE, _MUST_CHANGE_WITH_MFA = "forceChangePasswordNextSignIn", "forceChangePasswordNextSignInWithMfa"
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Route:
    """The route of a run, never `auto`, and why it is this one."""

    method: Method
    because: str


@dataclass(frozen=True, slots=True)
class NoRoute:
    """What was asked for cannot be had, in a sentence."""

    why: str


def route(settings: Settings, *, is_app_only: bool | None) -> Route | NoRoute:
    """Choose the route. `is_app_only` is None while nobody knows who signs in: then `auto` may yet be either."""
    if settings.method is Method.AUTO and is_app_only is None and not _is_absent(settings):
        return Route(Method.AUTO, "it depends on who signs in")
    chosen = _chosen(settings.method, is_app_only=bool(is_app_only))
    if chosen.method is Method.PASSWORD_PROFILE:
        if settings.password_source is PasswordSource.SYSTEM:
            return NoRoute("--password-source system: the service makes no passwords on the route password-profile.")
        return chosen
    if is_app_only:
        return NoRoute(
            "--method reset-password: Microsoft Graph does not let an application do this; sign in as a person, "
            "or use --method password-profile."
        )
    if _is_absent(settings):
        return NoRoute(
            "--cloud china: Microsoft Graph has no resetPassword in this cloud (21Vianet); "
            "--method password-profile is there."
        )
    if settings.require_mfa:
        return NoRoute("--require-mfa: the route reset-password has no such choice; add --method password-profile.")
    return chosen


def _chosen(asked: Method, *, is_app_only: bool) -> Route:
    if asked is not Method.AUTO:
        return Route(asked, "as --method asks for")
    if is_app_only:
        return Route(Method.PASSWORD_PROFILE, "since an application signed in")
    return Route(Method.RESET_PASSWORD, "since a person signed in")


def _is_absent(settings: Settings) -> bool:
    """Say whether the cloud has no resetPassword. Source: "National cloud deployments" on its page."""
    return settings.cloud is Cloud.CHINA and settings.graph_url is None


def is_complete(method: Method, status: int | None) -> bool:
    """Say whether an accepted write is the whole reset, with no operation to follow. Source: "Update user"."""
    return method is Method.PASSWORD_PROFILE and status == HTTPStatus.NO_CONTENT


def profile_properties(settings: Settings) -> Mapping[str, str | bool]:
    """Return what a passwordProfile says beside the password; the operator's own word is the last.

    `true` and `false` are truth values: besides the password, a passwordProfile holds nothing else.
    """
    given = dict(pairs(settings.body_property, "--body-property"))
    asked = _MUST_CHANGE_WITH_MFA if settings.require_mfa else _MUST_CHANGE
    return {asked: True, **{name: _FLAGS.get(text.lower(), text) for name, text in given.items()}}


def makes_change(settings: Settings, method: Method) -> bool:
    """Say whether users have to choose a password of their own at the next sign-in; resetPassword always has them."""
    if method is not Method.PASSWORD_PROFILE:
        return True
    properties = profile_properties(settings)
    return any(properties.get(name) is True for name in (_MUST_CHANGE, _MUST_CHANGE_WITH_MFA))
