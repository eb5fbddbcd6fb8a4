"""Which routes permissions open, which are missing, and which directory roles may reset."""

from __future__ import annotations

import pytest

from batchreset.auth.scopes import needed
from batchreset.model import Method, Operator
from batchreset.policy.permissions import PURPOSES, has_lost_its_role, may_reset, missing, routes

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


@pytest.mark.parametrize("is_app_only", [False, True])
def test_every_permission_has_its_purpose(is_app_only: bool) -> None:  # noqa: FBT001  a parameter of the table
    """Whatever a run needs can be explained."""
    wanted = {name for method in Method for name in needed(method, is_app_only=is_app_only)}
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
