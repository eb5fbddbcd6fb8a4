"""Where one signs in, what is asked for there, and how the registration is made."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from batchreset.auth.clouds import authority, client_id, resource
from batchreset.auth.recipe import consent_url, recipe
from batchreset.auth.scopes import APPLICATION_IDS, DELEGATED_IDS, delegated, needed, registered, registration
from batchreset.auth.sign_in import is_app_only, sign_in, way
from batchreset.auth.token import EnvironmentToken
from batchreset.errors import SignInError, UsageError
from batchreset.model import Method, RevokeSessions
from batchreset.settings import Auth, Cloud, Settings

RESET, PROFILE = "UserAuthenticationMethod.ReadWrite.All", "User-PasswordProfile.ReadWrite.All"


LOOK_UPS = {"User.Read.All", "RoleManagement.Read.Directory", "GroupMember.Read.All"}
REVOKE, BLOCK, RISK = "User.RevokeSessions.All", "User.EnableDisableAccount.All", "IdentityRiskyUser.Read.All"


@pytest.mark.parametrize(
    ("method", "app_only", "write"),
    [
        (Method.RESET_PASSWORD, False, RESET),
        (Method.PASSWORD_PROFILE, False, PROFILE),
        (Method.PASSWORD_PROFILE, True, PROFILE),
        (Method.AUTO, False, RESET),
        (Method.AUTO, True, PROFILE),
    ],
)
def test_what_is_asked_for_is_what_is_needed(method: Method, app_only: bool, write: str) -> None:  # noqa: FBT001  a parameter of the test
    """The chosen route's and no other's, and what goes with it by the options; all can be registered."""
    look_ups = LOOK_UPS | ({"Organization.Read.All"} if app_only else set())

    def asked(**options: Any) -> set[str]:
        return set(needed(Settings(method=method, **options), is_app_only=app_only))

    assert asked(revoke_sessions=RevokeSessions.NEVER) == look_ups | {write}
    assert asked() == asked(revoke_sessions=RevokeSessions.BOTH) == look_ups | {write, REVOKE}
    assert asked(disable=True, risky_users=True) == look_ups | {write, REVOKE, BLOCK, RISK}
    assert asked(disable=True, risky_users=True) <= set(APPLICATION_IDS if app_only else DELEGATED_IDS)


@pytest.mark.parametrize("method", Method)
def test_a_registration_is_what_the_manifest_has(method: Method) -> None:
    """Graph, and each permission's id as scope or role: those of every option, each a GUID and none twice."""
    settings = Settings(method=method, revoke_sessions=RevokeSessions.NEVER)
    for app_only, kind in ((False, "Scope"), (True, "Role")):
        (graph,) = json.loads(json.dumps(registration(settings, is_app_only=app_only)))
        assert graph["resourceAppId"] == "00000003-0000-0000-c000-000000000000"
        assert {each["type"] for each in graph["resourceAccess"]} == {kind}
        assert all(str(UUID(each["id"])) == each["id"] for each in graph["resourceAccess"])
        named = registered(settings, is_app_only=app_only)
        assert set(named) == {*needed(settings, is_app_only=app_only), REVOKE, BLOCK, RISK}
        assert len(graph["resourceAccess"]) == len(named) == len(set(named))
    ids = [*DELEGATED_IDS.values(), *APPLICATION_IDS.values()]
    assert len(ids) == len(set(ids))


def test_a_persons_registration_has_the_published_ids() -> None:
    """To look up, to leave administrators out, to reset, to revoke, to block, and to find users at risk."""
    (graph,) = registration(Settings(), is_app_only=False)
    assert [each["id"] for each in graph["resourceAccess"]] == [
        "a154be20-db9c-4678-8ab7-66f6cc099a59",
        "741c54c3-0c1e-44a1-818b-3f97ab4e8c83",
        "bc024368-1153-4739-b217-4326f2e966d0",
        "b7887744-6746-4312-813d-72daeaee7e2d",
        "fc30e98b-8810-4501-81f5-c20a3196387b",
        "f92e74e7-2563-467f-9dd0-902688cb5863",
        "d04bb851-cb7c-4146-97c7-ca3e71baf56c",
    ]


@pytest.mark.parametrize(
    ("cloud", "login", "graph"),
    [
        (Cloud.GLOBAL, "login.microsoftonline.com", "graph.microsoft.com"),
        (Cloud.USGOV, "login.microsoftonline.us", "graph.microsoft.us"),
        (Cloud.DOD, "login.microsoftonline.us", "dod-graph.microsoft.us"),
        (Cloud.CHINA, "login.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_each_cloud_has_its_hosts(cloud: Cloud, login: str, graph: str) -> None:
    """The token is for the cloud's Graph, wherever --graph-url leads."""
    settings = Settings(cloud=cloud, tenant="contoso.example", graph_url="http://127.0.0.1:1")
    assert authority(settings) == f"https://{login}/contoso.example"
    assert resource(settings) == f"https://{graph}"
    assert all(scope.startswith(f"https://{graph}/") for scope in delegated(settings))


def test_an_own_authority_is_taken_as_given() -> None:
    """It beats cloud and tenant."""
    settings = Settings(authority="https://sign-in.example:8443/one/", tenant="two")
    assert authority(settings) == "https://sign-in.example:8443/one"


def test_a_tenant_has_to_be_named() -> None:
    """None is guessed."""
    with pytest.raises(SignInError, match="--tenant"):
        authority(Settings())


@pytest.mark.parametrize("tenant", ["", "two words", "a/b", "https://contoso.example", "x?y"])
def test_a_tenant_is_an_id_or_a_domain(tenant: str) -> None:
    """What would make another URL is refused."""
    with pytest.raises(UsageError, match="--tenant"):
        Settings(tenant=tenant)


def test_an_application_has_to_be_named() -> None:
    """Nobody else's is borrowed."""
    with pytest.raises(SignInError, match="--client-id"):
        client_id(Settings())


def test_the_way_is_chosen_by_setting_then_by_the_token_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """--auth over BATCHRESET_ACCESS_TOKEN over a person; only a token's own kind is not known beforehand."""
    monkeypatch.delenv("BATCHRESET_ACCESS_TOKEN", raising=False)
    assert (way(Settings()), is_app_only(Settings())) == (Auth.INTERACTIVE, False)
    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", "x")
    assert (way(Settings()), is_app_only(Settings())) == (Auth.TOKEN, None)
    assert isinstance(sign_in(Settings()), EnvironmentToken)
    assert not sign_in(Settings()).is_renewable
    for auth, app_only in {
        Auth.DEVICE_CODE: False,
        Auth.SECRET: True,
        Auth.CERTIFICATE: True,
        Auth.MANAGED_IDENTITY: True,
    }.items():
        assert way(Settings(auth=auth)) is auth
        assert is_app_only(Settings(auth=auth)) is app_only
        assert sign_in(Settings(auth=auth)).is_renewable


def test_the_recipe_names_permissions_and_commands() -> None:
    """For a person and for an application, what to click and what to type, with the permissions' exact names."""
    person = recipe(Settings())
    for text in (
        RESET,
        REVOKE,
        BLOCK,
        "az ad app create",
        "AzureADMyOrg",
        "http://localhost",
        "@scopes.json",
        "batchreset login",
    ):
        assert text in person
    application = recipe(Settings(auth=Auth.SECRET, method=Method.AUTO))
    for text in (PROFILE, "--print-scopes --auth secret", "User Administrator", "BATCHRESET_CLIENT_SECRET"):
        assert text in application
    assert "fallback-public-client" not in application


def test_the_consent_url_names_tenant_and_client() -> None:
    """An administrator opens it and consents once."""
    settings = Settings(tenant="contoso.example", client_id="1234")
    assert consent_url(settings) == "https://login.microsoftonline.com/contoso.example/adminconsent?client_id=1234"
    with pytest.raises(SignInError, match="--client-id"):
        consent_url(Settings(tenant="contoso.example"))
