"""What a token is worth, in which cloud."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from batchreset.auth.bearer import Bearer
from batchreset.engine.whoami import SignInFacts, missing_of, name_of, routes_of
from batchreset.model import Method
from batchreset.settings import Auth, Cloud, Settings

PERMISSIONS = frozenset({"UserAuthenticationMethod.ReadWrite.All", "User-PasswordProfile.ReadWrite.All"})
BEARER = Bearer(
    expires_at=None,
    user="",
    object_id="",
    tenant_id="",
    client_id="an-id",
    permissions=PERMISSIONS,
    is_app_only=False,
)
APPLICATION = replace(BEARER, is_app_only=True)


@pytest.mark.parametrize(("cloud", "number"), [(Cloud.GLOBAL, 2), (Cloud.USGOV, 2), (Cloud.DOD, 2), (Cloud.CHINA, 1)])
def test_one_cloud_has_no_reset_password(cloud: Cloud, number: int) -> None:
    """Whatever a token allows, 21Vianet's Graph has password-profile only."""
    opened = routes_of(BEARER, Settings(cloud=cloud))
    assert len(opened) == number
    assert Method.PASSWORD_PROFILE in opened


def test_what_is_missing_follows_the_method() -> None:
    """A permission for a route that is not taken is missed by nobody."""
    lacking = ("User.Read.All", "RoleManagement.Read.Directory", "GroupMember.Read.All", "User.RevokeSessions.All")
    assert missing_of(BEARER, Settings(method=Method.PASSWORD_PROFILE)) == lacking


def test_an_application_goes_by_its_id() -> None:
    """Unless its token tells a name; a person without a name is left without one."""
    assert name_of(APPLICATION) == "application an-id"
    assert name_of(BEARER) == ""


def test_times_are_written_as_everywhere() -> None:
    """ISO 8601 in UTC; what is not known is null."""
    at = datetime(2026, 11, 21, 17, 55, 2, tzinfo=UTC)
    standing = SignInFacts(cloud=Cloud.GLOBAL, auth=Auth.TOKEN, cache=None, expires_at=at)
    assert standing.recorded()["expires_at"] == "2026-11-21T17:55:02Z"
    assert standing.recorded()["routes"] is None
