"""Microsoft's own MSAL against the simulated sign-in, over TLS, and the tokens it gets against the simulated Graph."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import msal
import pytest
import requests

from batchreset.rehearsal.authority import serve_authority
from batchreset.rehearsal.behaviour import UNHINDERED, Route
from batchreset.rehearsal.population import OPERATOR, TENANT_ID, populate
from batchreset.rehearsal.problems import Problem
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.signin import CLIENT_ID, Application, GrantType, Refusal, SignIn
from batchreset.rehearsal.tenant import Tenant
from tests.support.authority import Browser
from tests.support.certificates import PrivateAuthority, application_certificate
from tests.support.clock import run_virtual
from tests.support.visitor import GOOD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UPN = "ana@contoso.example"
SCOPES = ["https://graph.microsoft.com/UserAuthenticationMethod.ReadWrite.All"]
EVERYTHING = ["https://graph.microsoft.com/.default"]
SECRET = "a-secret-of-the-application"
#: Polled as soon as may be, and approved at once.
QUICK = SignIn(poll_seconds=0, approved_after_polls=1)
CONFIDENTIAL = SignIn(applications=(Application(secrets=(SECRET,)),))


@pytest.fixture(autouse=True)
def _surroundings(private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep MSAL off a proxy of this machine, and from the authorities it trusts: the variable beats `verify`."""
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(private.bundle))


@dataclass
class Place:
    """A tenant being served with its sign-in, and somebody to talk to it."""

    tenant: Tenant
    authority: str
    graph: str
    http: requests.Session

    def application(self, **options: Any) -> msal.PublicClientApplication:
        """Make MSAL's public client."""
        return msal.PublicClientApplication(CLIENT_ID, **self._options(), **options)

    def daemon(self, credential: Any, **options: Any) -> msal.ConfidentialClientApplication:
        """Make MSAL's confidential client."""
        return msal.ConfidentialClientApplication(CLIENT_ID, credential, **self._options(), **options)

    def ask(self, token: str, method: str, path: str, **more: Any) -> requests.Response:
        """Ask Graph for something."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.request(method, f"{self.graph}/v1.0{path}", headers=headers, timeout=10, **more)

    def status(self, token: str, path: str = "/users", method: str = "GET", **more: Any) -> int:
        return self.ask(token, method, path, **more).status_code

    def sign_in(self, app: msal.PublicClientApplication) -> dict[str, Any]:
        """Sign in by device code."""
        found: dict[str, Any] = app.acquire_token_by_device_flow(app.initiate_device_flow(SCOPES))
        return found

    def _options(self) -> dict[str, Any]:
        return {"authority": self.authority, "instance_discovery": False, "http_client": self.http}


def at_place(private: PrivateAuthority, visit: Callable[[Place], None], sign_in: SignIn = QUICK) -> Tenant:
    """Serve a tenant and its sign-in, and let `visit` call on them from a thread, as MSAL blocks."""

    async def stay() -> Tenant:
        tenant = Tenant(populate([UPN], plain=True), replace(UNHINDERED, sign_in=sign_in))
        context = private.server_context()
        async with serve(tenant, tls=context) as graph, serve_authority(tenant, context) as authority:
            with requests.Session() as http:
                await asyncio.to_thread(visit, Place(tenant, authority, graph, http))
        return tenant

    return asyncio.run(stay())


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def test_a_device_code_leads_to_a_token_that_graph_takes(private: PrivateAuthority) -> None:
    """The person approves while MSAL polls; the token says who, what and until when, and opens Graph."""

    def visit(place: Place) -> None:
        app = place.application()
        flow = app.initiate_device_flow(SCOPES)
        assert flow["user_code"] in flow["message"]
        once: dict[str, Any] = app.acquire_token_by_device_flow(flow, exit_condition=lambda _flow: True)
        assert once["error"] == "authorization_pending"
        place.tenant.sign_ins.approve(flow["user_code"])
        result = app.acquire_token_by_device_flow(flow)
        claims = claims_of(result["access_token"])
        assert (claims["tid"], claims["oid"], claims["upn"]) == (TENANT_ID, OPERATOR.id, OPERATOR.user_principal_name)
        assert (claims["appid"], claims["aud"], claims["idtyp"]) == (CLIENT_ID, "https://graph.microsoft.com", "user")
        assert "UserAuthenticationMethod.ReadWrite.All" in claims["scp"].split()
        assert claims["exp"] - claims["iat"] == result["expires_in"] == 4500
        assert result["id_token_claims"]["preferred_username"] == OPERATOR.user_principal_name
        assert [account["username"] for account in app.get_accounts()] == [OPERATOR.user_principal_name]
        me = place.ask(result["access_token"], "GET", "/me")
        assert me.json()["userPrincipalName"] == OPERATOR.user_principal_name

    at_place(private, visit, SignIn(poll_seconds=1))


def test_a_second_client_refreshes_silently_from_the_cache(private: PrivateAuthority) -> None:
    """With the cache alone: first the access token as it is, then by force another one and another refresh token."""

    def visit(place: Place) -> None:
        cache = msal.SerializableTokenCache()
        first = place.sign_in(place.application(token_cache=cache))
        again = msal.SerializableTokenCache()
        again.deserialize(cache.serialize())
        app = place.application(token_cache=again)
        (account,) = app.get_accounts()
        assert app.acquire_token_silent(SCOPES, account)["access_token"] == first["access_token"]
        assert place.tenant.sign_ins.requests[GrantType.REFRESH_TOKEN, 200] == 0
        fresh = app.acquire_token_silent(SCOPES, account, force_refresh=True)
        assert fresh["access_token"] != first["access_token"]
        assert place.status(fresh["access_token"]) == 200
        kept = {entry["secret"] for entry in again.search(again.CredentialType.REFRESH_TOKEN)}
        assert first["refresh_token"] not in kept
        assert place.tenant.sign_ins.requests[GrantType.REFRESH_TOKEN, 200] == 1

    at_place(private, visit)


def test_a_browser_signs_in_with_pkce(private: PrivateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """MSAL opens the page, the browser posts the code back to MSAL's port, and MSAL redeems it."""

    def visit(place: Place) -> None:
        browser = Browser(private, monkeypatch)
        app = place.application()
        result = app.acquire_token_interactive(SCOPES, prompt="select_account", timeout=20)
        browser.close()
        assert result["id_token_claims"]["oid"] == OPERATOR.id
        assert place.status(result["access_token"], "/me") == 200

    at_place(private, visit)


@pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended:UserWarning")  # the redirect is meant
def test_a_code_is_redeemed_once_and_by_its_verifier_only(private: PrivateAuthority) -> None:
    """Without the verifier 501481; with it a token; the second time 54005. A redirect carries code and state."""

    def visit(place: Place) -> None:
        app = place.application()

        def begin() -> tuple[dict[str, Any], dict[str, str]]:
            flow = app.initiate_auth_code_flow(SCOPES, redirect_uri="http://localhost:1/", response_mode="query")
            answer = place.http.get(flow["auth_uri"], allow_redirects=False, timeout=10)
            return flow, dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

        flow, answered = begin()
        assert answered["state"] == flow["state"]
        spoilt = app.acquire_token_by_auth_code_flow({**flow, "code_verifier": "x" * 43}, answered)
        assert spoilt["error_codes"] == [501481]
        flow, answered = begin()
        assert "access_token" in app.acquire_token_by_auth_code_flow({**flow}, answered)
        second = place.application()
        assert second.acquire_token_by_auth_code_flow({**flow}, answered)["error_codes"] == [54005]

    at_place(private, visit)


def test_an_application_signs_in_with_its_secret(private: PrivateAuthority) -> None:
    """Its token holds roles and no user: /me and resetPassword are refused, a password profile is taken."""

    def visit(place: Place) -> None:
        token = place.daemon(SECRET).acquire_token_for_client(EVERYTHING)["access_token"]
        claims = claims_of(token)
        assert (claims["idtyp"], claims["oid"]) == ("app", Application().object_id)
        assert "User-PasswordProfile.ReadWrite.All" in claims["roles"]
        assert not {"scp", "upn"} & claims.keys()
        refused = place.ask(token, "GET", "/me")
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "BadRequest")
        reset = f"/users/{UPN}/authentication/methods/28c10230-6103-485e-b985-444c60001490/resetPassword"
        refused = place.ask(token, "POST", reset, json={"newPassword": GOOD})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "Authorization_RequestDenied")
        assert place.status(token, "/organization") == 200
        profile = {"passwordProfile": {"password": GOOD}}
        assert place.status(token, f"/users/{UPN}", "PATCH", json=profile) == 204
        place.tenant.end_role()
        assert place.status(token, f"/users/{UPN}", "PATCH", json=profile) == 403

    tenant = at_place(private, visit, CONFIDENTIAL)
    assert tenant.password_of(UPN) == GOOD


def test_an_application_signs_in_with_its_certificate(private: PrivateAuthority, tmp_path: Path) -> None:
    """By PFX with a passphrase, by PEM, and by PEM with the SHA-1 thumbprint; another certificate is refused."""
    ours, other = application_certificate(), application_certificate()
    pfx = ours.write_pfx(tmp_path, "open sesame")
    credentials = [
        {"private_key_pfx_path": str(pfx), "passphrase": "open sesame"},
        {"private_key": ours.key_pem, "public_certificate": ours.pem},
        {"private_key": ours.key_pem, "thumbprint": ours.thumbprint},
    ]

    def visit(place: Place) -> None:
        for credential in credentials:
            result = place.daemon(credential).acquire_token_for_client(EVERYTHING)
            assert place.status(result["access_token"]) == 200, result
        forged = {"private_key": other.key_pem, "public_certificate": ours.pem}
        stranger = {"private_key": other.key_pem, "public_certificate": other.pem}
        for credential in (forged, stranger):
            result = place.daemon(credential).acquire_token_for_client(EVERYTHING)
            assert (result["error"], result["error_codes"]) == ("invalid_client", [700027])
        late = place.daemon(credentials[1], client_claims={"exp": 1_700_000_000})
        assert late.acquire_token_for_client(EVERYTHING)["error_codes"] == [700024]
        astray = place.daemon(credentials[1], client_claims={"aud": "https://elsewhere.example/"})
        assert astray.acquire_token_for_client(EVERYTHING)["error_codes"] == [700023]

    at_place(private, visit, SignIn(applications=(Application(certificates=(ours.pem,)),)))


def test_a_claims_challenge_is_met_by_a_token_for_its_claims(private: PrivateAuthority) -> None:
    """401 with the claims; a token refreshed without them is challenged as well, one with them is taken."""

    def visit(place: Place) -> None:
        app = place.application(client_capabilities=["CP1"])
        before = place.sign_in(app)["access_token"]
        assert claims_of(before)["xms_cc"] == ["CP1"]
        (account,) = app.get_accounts()
        place.tenant.challenge()
        refused = place.ask(before, "GET", "/me")
        header = refused.headers["WWW-Authenticate"]
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
        assert 'error="insufficient_claims"' in header
        (encoded,) = re.findall(r'claims="([^"]+)"', header)
        claims = base64.b64decode(encoded).decode()
        assert json.loads(claims)["access_token"]["nbf"]["essential"]
        without = app.acquire_token_silent(SCOPES, account, force_refresh=True)["access_token"]
        assert place.status(without, "/me") == 401
        met = app.acquire_token_silent(SCOPES, account, claims_challenge=claims)["access_token"]
        assert place.status(met, "/me") == 200
        assert place.status(before, "/me") == 401
        later = app.acquire_token_silent(SCOPES, account, force_refresh=True)["access_token"]
        assert place.status(later, "/me") == 200

    at_place(private, visit)


def test_an_expired_token_is_refused_and_renewed(private: PrivateAuthority) -> None:
    """Graph takes no expired token; MSAL, which sees its end coming, refreshes instead of handing it out."""

    def visit(place: Place) -> None:
        app = place.application()
        expired = place.sign_in(app)["access_token"]
        refused = place.ask(expired, "GET", "/me")
        assert refused.status_code == 401
        assert refused.json()["error"]["message"].startswith("CompactToken validation failed")
        (account,) = app.get_accounts()
        assert app.acquire_token_silent(SCOPES, account)["access_token"] != expired

    at_place(private, visit, replace(QUICK, access_token_seconds=0))


def test_hours_pass_in_virtual_time(private: PrivateAuthority) -> None:
    """Two hours on, Graph refuses a token that MSAL still believes in, and takes the one that replaces it."""

    async def stay() -> None:
        tenant = Tenant(behaviour=replace(UNHINDERED, sign_in=QUICK))
        context = private.server_context()
        async with serve(tenant, tls=context) as graph, serve_authority(tenant, context) as authority:
            with requests.Session() as http:
                place = Place(tenant, authority, graph, http)
                app = await asyncio.to_thread(place.application)
                token = (await asyncio.to_thread(place.sign_in, app))["access_token"]
                assert await asyncio.to_thread(place.status, token) == 200
                await asyncio.sleep(2 * 3600)
                (account,) = app.get_accounts()
                assert app.acquire_token_silent(SCOPES, account)["access_token"] == token
                assert await asyncio.to_thread(place.status, token) == 401
                result = await asyncio.to_thread(app.acquire_token_silent, SCOPES, account, force_refresh=True)
                assert await asyncio.to_thread(place.status, result["access_token"]) == 200

    run_virtual(stay())


@pytest.mark.parametrize(
    ("change", "code"),
    [({"refresh_token_seconds": 0}, 700082), ({"sign_in_frequency": 0}, 70043), ({}, 50173)],
    ids=["expired", "sign-in too old", "revoked"],
)
def test_a_sign_in_ends(private: PrivateAuthority, change: dict[str, Any], code: int) -> None:
    """A refresh token ends by its age, by the age of the sign-in, or by revocation, which ends access tokens too."""

    def visit(place: Place) -> None:
        app = place.application()
        token = place.sign_in(app)["access_token"]
        (account,) = app.get_accounts()
        if not change:
            place.tenant.end_sign_in()
            assert place.status(token, "/me") == 401
        result = app.acquire_token_silent_with_error(SCOPES, account, force_refresh=True)
        assert (result["error"], result["error_codes"]) == ("invalid_grant", [code])
        # Signing in anew opens Graph again.
        assert place.status(place.sign_in(place.application())["access_token"], "/me") == 200

    at_place(private, visit, replace(QUICK, **change))


@pytest.mark.parametrize(
    ("problem", "code", "suberror"),
    [
        (Problem.BLOCKED, 53003, "message_only"),
        (Problem.MFA_REQUIRED, 50076, "basic_action"),
        (Problem.MFA_ENROLMENT_REQUIRED, 50079, "basic_action"),
        (Problem.EXTERNAL_CHALLENGE, 50158, "basic_action"),
        (Problem.ACCOUNT_DISABLED, 50057, None),
        (Problem.WRONG_ACCOUNT, 16000, None),
        (Problem.CONSENT_MISSING, 65001, "consent_required"),
    ],
)
def test_a_policy_stands_in_the_way(
    private: PrivateAuthority, problem: Problem, code: int, suberror: str | None
) -> None:
    """The device code is approved and refused all the same, in Entra's words and numbers."""

    def visit(place: Place) -> None:
        result = place.sign_in(place.application())
        assert result["error_codes"] == [code]
        assert result["error_description"].startswith(f"AADSTS{code}: ")
        assert {"trace_id", "correlation_id", "timestamp", "error_uri"} <= result.keys()
        assert result["correlation_id"] in result["error_description"]
        assert result.get("suberror") == suberror
        assert ("capolids" in result.get("claims", "")) is (suberror in {"message_only", "basic_action"})

    refusal = Refusal(problem, at=GrantType.DEVICE_CODE)
    at_place(private, visit, replace(QUICK, refusals=(refusal,)))


def test_a_problem_can_pass(private: PrivateAuthority) -> None:
    """What is told to go wrong once goes wrong once, for the one way to a token it was told of."""

    def visit(place: Place) -> None:
        app = place.application()
        place.tenant.sign_ins.refuse(Problem.MFA_REQUIRED, at=GrantType.REFRESH_TOKEN)
        assert "access_token" in place.sign_in(app)
        (account,) = app.get_accounts()
        refused = app.acquire_token_silent_with_error(SCOPES, account, force_refresh=True)
        assert (refused["error"], refused["error_codes"]) == ("interaction_required", [50076])
        # Another client: MSAL remembers a refusal for a minute.
        fresh = place.application(token_cache=app.token_cache)
        assert "access_token" in fresh.acquire_token_silent(SCOPES, account, force_refresh=True)
        place.tenant.sign_ins.refuse(Problem.UNAVAILABLE)
        with pytest.raises(msal.exceptions.MsalServiceError):
            place.sign_in(place.application())

    at_place(private, visit)


def test_device_codes_are_declined_slowed_down_and_run_out(private: PrivateAuthority) -> None:
    """Each answer has its own OAuth error, by which MSAL goes on or stops."""

    def poll(app: msal.PublicClientApplication, flow: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = app.acquire_token_by_device_flow(flow, exit_condition=lambda _flow: True)
        return found

    def visit(place: Place) -> None:
        app = place.application()
        flow = app.initiate_device_flow(SCOPES)
        assert poll(app, flow)["error"] == "slow_down"
        assert flow["interval"] == 6
        flow["interval"] = 1
        assert poll(app, flow)["error"] == "authorization_pending"
        place.tenant.sign_ins.decline(flow["user_code"])
        assert poll(app, flow)["error"] == "authorization_declined"

    def too_late(place: Place) -> None:
        app = place.application()
        assert poll(app, app.initiate_device_flow(SCOPES))["error_codes"] == [70020]

    at_place(private, visit, SignIn(poll_seconds=1, slow_down_polls=1))
    at_place(private, too_late, replace(QUICK, poll_seconds=1, device_code_seconds=0))


def test_who_and_where_must_be_right(private: PrivateAuthority) -> None:
    """An unknown application, tenant, secret or grant, a secret for a public client, one scope too few."""

    def visit(place: Place) -> None:
        unknown = msal.PublicClientApplication("nobody", **place._options())
        assert unknown.initiate_device_flow(SCOPES)["error_codes"] == [700016]
        with pytest.raises(ValueError, match="Unable to get authority configuration"):
            msal.PublicClientApplication(
                CLIENT_ID, **{**place._options(), "authority": place.authority.replace(TENANT_ID, "fabrikam.example")}
            )
        daemon = place.daemon(SECRET)
        assert daemon.acquire_token_for_client(SCOPES)["error_codes"] == [1002012]
        wrong = place.daemon("wrong").acquire_token_for_client(EVERYTHING)
        assert (wrong["error"], wrong["error_codes"]) == ("invalid_client", [7000215])
        assert "wrong" not in str(wrong)
        url = f"{place.authority}/oauth2/v2.0/token"
        for form, code in (
            ({"grant_type": "client_credentials", "scope": EVERYTHING[0]}, 7000218),
            ({"grant_type": "password"}, 70003),
            ({"grant_type": "refresh_token", "refresh_token": "invented"}, 70008),
        ):
            answer = place.http.post(url, data={"client_id": CLIENT_ID, **form}, timeout=10)
            assert answer.json()["error_codes"] == [code]
        lost = place.http.get(f"{place.authority}/v2.0/.well-known/openid-configuration".replace(TENANT_ID, "x"))
        assert (lost.status_code, lost.json()["error"]) == (400, "invalid_tenant")

    at_place(private, visit, CONFIDENTIAL)

    def as_public(place: Place) -> None:
        result = place.daemon(SECRET).acquire_token_for_client(EVERYTHING)
        assert result["error_codes"] == [700025]

    at_place(private, as_public)


def test_consent_is_asked_for_what_is_asked(private: PrivateAuthority) -> None:
    """A scope never consented to is 65001; what was consented to is in every token, and opens nothing more."""
    poor = Application(delegated=frozenset({"User.Read.All"}))

    def visit(place: Place) -> None:
        app = place.application()
        assert place.sign_in(app)["error_codes"] == [65001]
        result = app.acquire_token_by_device_flow(app.initiate_device_flow(EVERYTHING))
        token = result["access_token"]
        assert claims_of(token)["scp"] == "User.Read.All"
        (account,) = app.get_accounts()
        assert app.acquire_token_silent(EVERYTHING, account)["access_token"] == token
        reset = f"/users/{UPN}/authentication/methods/28c10230-6103-485e-b985-444c60001490/resetPassword"
        assert place.status(token) == 200
        assert place.status(token, reset, "POST", json={"newPassword": GOOD}) == 403
        assert place.status(token, "/roleManagement/directory/roleAssignments") == 403
        batch = {"requests": [{"id": "1", "method": "GET", "url": "/roleManagement/directory/roleAssignments"}]}
        (child,) = place.ask(token, "POST", "/$batch", json=batch).json()["responses"]
        assert child["status"] == 403

    tenant = at_place(private, visit, replace(QUICK, applications=(poor,)))
    assert tenant.requests[Route.RESET, 403] == 1
