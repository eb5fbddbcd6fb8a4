"""Which routes permissions open, which are missing, and which directory roles may reset."""

from __future__ import annotations

import pytest

from batchreset.auth.scopes import registered
from batchreset.model import Method, Operator, RevokeSessions
from batchreset.policy.permissions import (
    PURPOSES,
    cannot_go_with_it,
    has_lost_its_role,
    may_reset,
    missing,
    routes,
)
from batchreset.settings import Settings

RESET, PROFILE = "UserAuthenticationMethod.ReadWrite.All", "User-PasswordProfile.ReadWrite.All"


@pytest.mark.parametrize(
    ("granted", "is_app_only", "opened"),
    [
        ({RESET, PROFILE}, False, (Method.RESET_PASSWORD, Method.PASSWORD_PROFILE)),
        ({RESET, PROFILE}, True, (Method.PASSWORD_PROFILE,)),
        ({RESET}, True, ()),
        ({"Directory.AccessAsUser.All"}, False, (Method.PASSWORD_PROFILE,)),
        ({"User.Read.All"}, False, ()),
    ],
)
def test_permissions_open_routes(granted: set[str], is_app_only: bool, opened: tuple[Method, ...]) -> None:  # noqa: FBT001  a parameter of the table
    """The call resetPassword is a person's only; the better route comes first."""
    assert routes(granted, is_app_only=is_app_only) == opened


def test_a_wider_permission_will_do() -> None:
    """Nobody is sent for a permission that another one contains."""
    assert missing(("User.Read.All", RESET), {"Directory.Read.All"}) == (RESET,)
    assert missing(("User.Read.All", "RoleManagement.Read.Directory"), {"Directory.Read.All"}) == ()


@pytest.mark.parametrize("wide", ["User.ReadWrite.All", "Directory.ReadWrite.All"])
def test_what_cannot_go_with_a_reset_is_said(wide: str) -> None:
    """The permission that lacks, and how to do without it; nothing of what nobody wants."""
    both = Settings(disable=True)
    sessions, sign_in = cannot_go_with_it(both, {"User.Read.All"})
    assert sessions == (
        "Sessions cannot be revoked: the sign-in lacks User.RevokeSessions.All; have it consented to and sign in "
        "again, or plan again with --revoke-sessions never."
    )
    assert sign_in == (
        "Sign-in cannot be blocked: the sign-in lacks User.EnableDisableAccount.All; have it consented to and sign in "
        "again, or plan again without --disable."
    )
    assert cannot_go_with_it(both, {wide}) == ()
    assert cannot_go_with_it(both, {"User.RevokeSessions.All"}) == (sign_in,)
    assert cannot_go_with_it(Settings(revoke_sessions=RevokeSessions.NEVER), ()) == ()


@pytest.mark.parametrize("is_app_only", [False, True])
def test_every_permission_has_its_purpose(is_app_only: bool) -> None:  # noqa: FBT001  a parameter of the table
    """Whatever a run needs can be explained."""
    wanted = {name for method in Method for name in registered(Settings(method=method), is_app_only=is_app_only)}
    assert wanted <= PURPOSES.keys()


def test_roles_that_may_reset() -> None:
    """A Helpdesk Administrator may as a person; an application needs more."""
    held = {"Helpdesk Administrator", "Global Reader"}
    assert may_reset(held, is_app_only=False) == ("Helpdesk Administrator",)
    assert may_reset(held, is_app_only=True) == ()
    assert may_reset({"Global Administrator"}, is_app_only=True) == ("Global Administrator",)


HELPDESK, READER, NOTHING = frozenset({"Helpdesk Administrator"}), frozenset({"Global Reader"}), frozenset[str]()


@pytest.mark.parametrize(
    ("before", "now", "has_lost"),
    [
        (HELPDESK, NOTHING, True),
        (HELPDESK | READER, READER, True),
        (HELPDESK, HELPDESK, False),
        (HELPDESK | READER, HELPDESK, False),
        (HELPDESK, frozenset({"User Administrator"}), False),
        # Whoever may reset by a role that does not show has lost nothing that shows.
        (READER, NOTHING, False),
        (NOTHING, NOTHING, False),
        (None, NOTHING, False),
        (HELPDESK, None, False),
    ],
)
def test_a_role_is_lost_that_could_reset_and_that_nothing_replaces(
    before: frozenset[str] | None,
    now: frozenset[str] | None,
    has_lost: bool,  # noqa: FBT001  a parameter of the table
) -> None:
    """Of the same person only: somebody else never had it."""

    def operator(roles: frozenset[str] | None, user: str = "ana@contoso.example") -> Operator:
        return Operator("1", user, "tenant", "Contoso", roles)

    assert has_lost_its_role(operator(before), operator(now)) is has_lost
    assert not has_lost_its_role(operator(before), operator(now, "ben@contoso.example"))
