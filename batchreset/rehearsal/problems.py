"""The errors of Microsoft Entra's sign-in endpoints, by name.

Source: Microsoft's "Microsoft Entra authentication and authorization error codes", and answers quoted in public issues
of its libraries. The texts are shortened; clients are told to rely on neither texts nor numbers, and do anyway.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class _Terms:
    """An error's number and text, and what OAuth calls it."""

    code: int
    error: str
    text: str
    status: int = 400
    suberror: str = ""
    #: A person may meet the policy behind it, whose id the answer's claims hold.
    is_policy: bool = False


class Problem(Enum):
    """Why a sign-in fails, or is not complete yet."""

    PENDING = _Terms(70016, "authorization_pending", "Authorization is pending. Continue polling.")
    SLOW_DOWN = _Terms(70016, "slow_down", "The device polls too often.")
    DECLINED = _Terms(70017, "authorization_declined", "The end user declined the authorization.")
    CODE_EXPIRED = _Terms(70020, "expired_token", "The device code has expired.")

    CONSENT_MISSING = _Terms(
        65001,
        "invalid_grant",
        "The user or administrator has not consented to use the application.",
        suberror="consent_required",
    )
    BLOCKED = _Terms(
        53003,
        "invalid_grant",
        "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
        suberror="message_only",
        is_policy=True,
    )
    MFA_REQUIRED = _Terms(
        50076,
        "interaction_required",
        "Due to a configuration change made by your administrator you must use multi-factor authentication.",
        suberror="basic_action",
        is_policy=True,
    )
    MFA_ENROLMENT_REQUIRED = _Terms(
        50079,
        "interaction_required",
        "Due to a configuration change made by your administrator you must enroll in multi-factor authentication.",
        suberror="basic_action",
        is_policy=True,
    )
    EXTERNAL_CHALLENGE = _Terms(
        50158,
        "interaction_required",
        "External security challenge not satisfied.",
        suberror="basic_action",
        is_policy=True,
    )
    WRONG_ACCOUNT = _Terms(
        16000, "interaction_required", "The account does not exist in this tenant and cannot access the application."
    )
    ACCOUNT_DISABLED = _Terms(50057, "invalid_grant", "The user account is disabled.")
    SIGN_IN_TOO_OLD = _Terms(
        70043,
        "invalid_grant",
        "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.",
        suberror="token_expired",
    )
    REFRESH_TOKEN_EXPIRED = _Terms(
        700082, "invalid_grant", "The refresh token has expired due to inactivity.", suberror="bad_token"
    )
    REVOKED = _Terms(
        50173, "invalid_grant", "The provided grant has expired due to it being revoked, a fresh auth token is needed."
    )

    TENANT_NOT_FOUND = _Terms(90002, "invalid_tenant", "Tenant not found. Check to make sure you have the correct one.")
    UNKNOWN_CLIENT = _Terms(700016, "unauthorized_client", "The application was not found in the directory.")
    WRONG_SECRET = _Terms(7000215, "invalid_client", "Invalid client secret provided.", status=401)
    CREDENTIAL_MISSING = _Terms(
        7000218, "invalid_client", "The request must contain 'client_assertion' or 'client_secret'.", status=401
    )
    CREDENTIAL_OF_PUBLIC_CLIENT = _Terms(
        700025, "invalid_client", "Client is public so neither assertion nor secret should be presented.", status=401
    )
    BAD_CERTIFICATE = _Terms(
        700027,
        "invalid_client",
        "The certificate used to sign the client assertion is not registered on application.",
        status=401,
    )
    ASSERTION_EXPIRED = _Terms(
        700024, "invalid_client", "Client assertion is not within its valid time range.", status=401
    )
    WRONG_AUDIENCE = _Terms(
        700023, "invalid_client", "Client assertion audience claim does not match Realm issuer.", status=401
    )

    BAD_CODE = _Terms(70008, "invalid_grant", "The provided authorization code or refresh token is not valid.")
    CODE_SPENT = _Terms(54005, "invalid_grant", "OAuth2 Authorization code was already redeemed.")
    WRONG_VERIFIER = _Terms(501481, "invalid_grant", "The Code_Verifier does not match the code_challenge.")
    BAD_SCOPE = _Terms(1002012, "invalid_scope", "Client credential flows must have a scope value with /.default.")
    UNKNOWN_GRANT = _Terms(70003, "unsupported_grant_type", "The app requested an unsupported grant type.")
    MALFORMED = _Terms(9002313, "invalid_request", "Invalid request. Request is malformed or invalid.")
    UNAVAILABLE = _Terms(90033, "temporarily_unavailable", "A transient error has occurred. Try again.", status=503)


class SignInRefusedError(Exception):
    """A sign-in request is answered by an error."""

    def __init__(self, problem: Problem) -> None:
        """Take what is wrong."""
        super().__init__(problem.name)
        self.terms = problem.value

    def body(self, correlation_id: str | None, at: datetime) -> dict[str, Any]:
        """Return the answer's JSON, as Entra writes it."""
        terms, trace, stamp = self.terms, str(uuid4()), f"{at:%Y-%m-%d %H:%M:%SZ}"
        correlation = correlation_id or str(uuid4())
        told = f"AADSTS{terms.code}: {terms.text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
        body: dict[str, Any] = {
            "error": terms.error,
            "error_description": told,
            "error_codes": [terms.code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={terms.code}",
        }
        if terms.suberror:
            body["suberror"] = terms.suberror
        if terms.is_policy:
            policy = {"essential": True, "values": [str(uuid4())]}
            body["claims"] = json.dumps({"access_token": {"capolids": policy}})
        return body
