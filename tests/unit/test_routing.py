from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from batchreset.errors import UsageError
from batchreset.model import Method, PasswordSource
from batchreset.policy.expiry import ends_too_early
from batchreset.policy.routing import NoRoute, Route, is_complete, makes_change, profile_properties, route
from batchreset.policy.standing import is_role_held
from batchreset.policy.verdict import Answer, Lost, NotSent, Result
from batchreset.settings import Cloud, Settings

AUTO, RESET, PROFILE = Method
SYSTEM = {"password_source": PasswordSource.SYSTEM}
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "is_app_only", "settings", "chosen"),
    [
        (AUTO, False, {}, RESET),
        (AUTO, True, {}, PROFILE),
        (AUTO, None, {}, AUTO),
        (AUTO, None, SYSTEM, AUTO),
        (AUTO, None, {"require_mfa": True}, AUTO),
        (AUTO, True, {"require_mfa": True}, PROFILE),
        (AUTO, True, {"cloud": Cloud.CHINA}, PROFILE),
        (AUTO, False, SYSTEM, RESET),
        (AUTO, False, {"cloud": Cloud.CHINA, "graph_url": "https://gateway.example"}, RESET),
        (RESET, False, {}, RESET),
        (RESET, None, {}, RESET),
        (PROFILE, False, {}, PROFILE),
        (PROFILE, True, {"require_mfa": True}, PROFILE),
        (PROFILE, False, {"cloud": Cloud.CHINA}, PROFILE),
        (PROFILE, None, {}, PROFILE),
    ],
)
def test_who_takes_which_route(
    asked: Method,
    is_app_only: bool | None,  # noqa: FBT001  a parameter of the test
    settings: dict[str, Any],
    chosen: Method,
) -> None:
    """A person resetPassword, an application password-profile, unless something else is asked for that can be had."""
    found = route(Settings(method=asked, **settings), is_app_only=is_app_only)
    assert isinstance(found, Route)
    assert found.method is chosen


@pytest.mark.parametrize(
    ("asked", "is_app_only", "settings", "word"),
    [
        (RESET, True, {}, "sign in as a person"),
        (AUTO, True, SYSTEM, "--password-source system"),
        (PROFILE, None, SYSTEM, "--password-source system"),
        (AUTO, False, {"require_mfa": True}, "--require-mfa"),
        (RESET, None, {"require_mfa": True}, "--require-mfa"),
        (AUTO, False, {"cloud": Cloud.CHINA}, "no resetPassword in this cloud"),
        (AUTO, None, {"cloud": Cloud.CHINA}, "--method password-profile is there"),
        (RESET, None, {"cloud": Cloud.CHINA}, "no resetPassword in this cloud"),
    ],
)
def test_what_cannot_be_had(asked: Method, is_app_only: bool | None, settings: dict[str, Any], word: str) -> None:  # noqa: FBT001  a parameter of the test
    """The sentence names the option, and what to do instead."""
    found = route(Settings(method=asked, **settings), is_app_only=is_app_only)
    assert isinstance(found, NoRoute)
    assert word in found.why


def test_who_signs_in_decides_once_it_is_known() -> None:
    """Nobody who knows who signs in is answered `auto`, and what was asked for is given or refused."""
    for asked, is_app_only, cloud, mfa in product(Method, (False, True), Cloud, (False, True)):
        found = route(Settings(method=asked, cloud=cloud, require_mfa=mfa), is_app_only=is_app_only)
        assert isinstance(found, NoRoute) or found.method in ({asked} if asked is not AUTO else {RESET, PROFILE})


def test_only_the_documented_answer_is_the_whole_reset() -> None:
    """204 to a passwordProfile; any other has to be followed, as a resetPassword always is."""
    assert is_complete(PROFILE, 204)
    assert not is_complete(PROFILE, 202)
    assert not is_complete(PROFILE, 200)
    assert not is_complete(PROFILE, None)
    assert not is_complete(RESET, 204)


@pytest.mark.parametrize(
    ("settings", "properties", "changes"),
    [
        ({}, {"forceChangePasswordNextSignIn": True}, True),
        ({"require_mfa": True}, {"forceChangePasswordNextSignInWithMfa": True}, True),
        (
            {"body_property": ("forceChangePasswordNextSignIn=False",)},
            {"forceChangePasswordNextSignIn": False},
            False,
        ),
        (
            {"body_property": ("forceChangePasswordNextSignIn=false", "forceChangePasswordNextSignInWithMfa=true")},
            {"forceChangePasswordNextSignIn": False, "forceChangePasswordNextSignInWithMfa": True},
            True,
        ),
        ({"body_property": ("note=x",)}, {"forceChangePasswordNextSignIn": True, "note": "x"}, True),
    ],
)
def test_what_a_profile_says_beside_the_password(
    settings: dict[str, Any],
    properties: dict[str, str | bool],
    changes: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """Truth values are written as such, and the operator's own word is the last."""
    assert profile_properties(Settings(**settings)) == properties
    assert makes_change(Settings(**settings), PROFILE) is changes
    assert makes_change(Settings(**settings), RESET)


def test_no_password_comes_in_by_a_body_property() -> None:
    """By neither route's name for it."""
    for name in ("password", "newPassword"):
        with pytest.raises(UsageError, match="never go on a command line"):
            Settings(body_property=(f"{name}=x",))


READ, REFUSED = Answer(200, {}), Answer(403, {})
ONE, TWO, NONE = frozenset({"a"}), frozenset({"a", "b"}), frozenset[str]()


@pytest.mark.parametrize(
    ("witness", "before", "now", "is_held"),
    [
        (READ, None, None, True),
        (READ, ONE, ONE, True),
        (READ, ONE, None, True),
        (READ, NONE, NONE, True),
        (None, ONE, ONE, True),
        (None, ONE, TWO, True),
        (NotSent("away"), ONE, ONE, True),
        (Answer(404, {}), TWO, TWO, True),
        # Whichever speaks against it is believed.
        (REFUSED, ONE, ONE, False),
        (REFUSED, None, None, False),
        (READ, TWO, ONE, False),
        (READ, ONE, NONE, False),
        (None, TWO, frozenset({"b", "c"}), False),
        # Nothing speaks at all.
        (None, None, None, None),
        (None, ONE, None, None),
        (None, None, ONE, None),
        (None, NONE, NONE, None),
        (Lost("reset"), None, ONE, None),
        (Answer(503, {}), NONE, NONE, None),
    ],
)
def test_whether_a_role_is_still_held(
    witness: Result | None,
    before: frozenset[str] | None,
    now: frozenset[str] | None,
    is_held: bool | None,  # noqa: FBT001  a parameter of the test
) -> None:
    """By what can still be read, and by the roles at the start and now; None where neither speaks."""
    assert is_role_held(witness, before, now) is is_held


@pytest.mark.parametrize(
    ("minutes", "needed", "told"), [(60, 3600, None), (61, 3600, None), (20, 1800, "20"), (-1, 10, "1")]
)
def test_a_token_that_ends_too_early_is_told_of(minutes: float, needed: float, told: str | None) -> None:
    """When it ends, how long that is, and how long sending takes; nothing where it lasts."""
    sentence = ends_too_early(NOON + timedelta(minutes=minutes), NOON, needed)
    assert (sentence is None) == (told is None)
    if sentence and minutes > 0:
        assert sentence.startswith("The token ends at 12:20 UTC, in about 20 min, and sending takes about 30 min: ")
