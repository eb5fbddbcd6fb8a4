"""What a token says of itself."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchreset.auth.bearer import Bearer, read
from batchreset.secret import Secret

KEY = "k" * 32
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_a_users_token() -> None:
    """Who, where, until when, and the permissions that were delegated."""
    claims = {"exp": 1_800_000_000, "upn": "a@b.example", "oid": "o", "tid": "t", "appid": "c", "scp": "X.Read Y.Write"}
    assert read(Secret(jwt.encode(claims, KEY))) == Bearer(
        expires_at=datetime(2027, 1, 15, 8, tzinfo=UTC),
        user="a@b.example",
        object_id="o",
        tenant_id="t",
        client_id="c",
        permissions=frozenset({"X.Read", "Y.Write"}),
        is_app_only=False,
    )


@pytest.mark.parametrize("kind", [{"idtyp": "app", "scp": ""}, {}])
def test_an_applications_token(kind: dict[str, str]) -> None:
    """Its permissions are its roles, and its name stands for the user's."""
    bearer = read(Secret(jwt.encode({"roles": ["X.All"], "app_displayname": "nightly", "azp": "c", **kind}, KEY)))
    assert bearer is not None
    assert (bearer.is_app_only, bearer.user, bearer.client_id) == (True, "nightly", "c")
    assert bearer.permissions == {"X.All"}
    assert bearer.expires_at is None


@given(st.text() | st.text(alphabet="abc.=-_").map("a.{}.b".format))
def test_what_is_no_jwt_is_none(text: str) -> None:
    """Whatever it is, it is no error."""
    assert read(Secret(text)) is None


@given(st.dictionaries(st.sampled_from(["exp", "upn", "oid", "tid", "appid", "scp", "roles", "idtyp"]), ANYTHING))
def test_claims_of_any_type_are_read(claims: dict[str, object]) -> None:
    """A token is foreign text: odd claims are left out."""
    # jwt.encode would check what it is given.
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    bearer = read(Secret(f"e30.{payload}.x"))
    assert bearer is not None
    assert all(isinstance(each, str) for each in (bearer.user, bearer.object_id, *bearer.permissions))
