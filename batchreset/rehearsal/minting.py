"""What the tenant's sign-in issues: access tokens that its Graph takes, id tokens, refresh tokens."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from batchreset.rehearsal.population import OPERATOR, TENANT_ID
from batchreset.rehearsal.problems import Problem, SignInRefusedError
from batchreset.rehearsal.tokens import Grant

if TYPE_CHECKING:
    from batchreset.rehearsal.signin import Request
    from batchreset.rehearsal.tenant import Tenant

#: The resource of a scope that names none.
_GRAPH = "https://graph.microsoft.com"
#: Scopes of OpenID Connect: no permissions of a resource.
_OPENID = frozenset({"openid", "profile", "email", "offline_access"})
_EVERYTHING = ".default"

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Approved:
    """What a token may be issued for. `signed_in_at` (the tenant's time) is None where an application acts alone."""

    request: Request
    signed_in_at: float | None


class Mint:
    """Issues a tenant's tokens."""

    def __init__(self, tenant: Tenant) -> None:
        """Issue for `tenant`."""
        self._tenant = tenant
        # Nobody checks a token's signature: Graph knows its tokens, and clients take theirs from where they asked.
        self._key = secrets.token_bytes(32)

    def issue(self, approved: Approved, form: Form, issuer: str) -> dict[str, Any]:
        """Return the token endpoint's answer, and have Graph take the access token.

        Raises `SignInRefusedError` where consent is missing.
        """
        request, signed_in_at, now = approved.request, approved.signed_in_at, self._tenant.now
        lifetime = self._tenant.sign_ins.behaviour.access_token_seconds
        grant = Grant(
            is_app_only=signed_in_at is None,
            permissions=request.application.application if signed_in_at is None else _consented(request),
            expires_at=now + lifetime,
            claims=_claims_asked_for(form),
        )
        token = self._access_token(request, grant)
        self._tenant.tokens.admit(token, grant)
        answer: dict[str, Any] = {"token_type": "Bearer", "access_token": token}
        answer |= dict.fromkeys(("expires_in", "ext_expires_in"), int(lifetime))
        if signed_in_at is None:
            return answer
        asked = set(request.scope.split())
        granted = {f"{_resource(request)}{name}" for name in request.application.delegated}
        answer["scope"] = " ".join(sorted((asked | granted) - {"offline_access"}))
        if "openid" in asked:
            answer["id_token"] = self._id_token(request, issuer)
        if "offline_access" in asked:
            answer["refresh_token"] = self._tenant.sign_ins.remember(request, now, signed_in_at)
        if form.get("client_info"):
            known = json.dumps({"uid": OPERATOR.id, "utid": TENANT_ID})
            answer["client_info"] = base64.urlsafe_b64encode(known.encode()).decode().rstrip("=")
        return answer

    def _access_token(self, request: Request, grant: Grant) -> str:
        """Write an access token with the claims that Graph's have."""
        claims = self._times(grant.expires_at) | {
            "aud": _resource(request).rstrip("/") or _GRAPH,
            "iss": f"https://sts.windows.net/{TENANT_ID}/",
            "appid": request.application.client_id,
            "tid": TENANT_ID,
            "uti": secrets.token_urlsafe(16),
            "ver": "1.0",
        }
        if "xms_cc" in grant.claims:
            claims["xms_cc"] = grant.claims["xms_cc"].get("values", [])
        permissions = sorted(grant.permissions or ())
        if grant.is_app_only:
            own = request.application.object_id
            claims |= {"idtyp": "app", "oid": own, "sub": own, "roles": permissions}
        else:
            claims |= {"idtyp": "user", "oid": OPERATOR.id, "sub": OPERATOR.id, "name": OPERATOR.display_name}
            claims |= {"upn": OPERATOR.user_principal_name, "scp": " ".join(permissions), "wids": [*OPERATOR.roles]}
        return jwt.encode(claims, self._key)

    def _id_token(self, request: Request, issuer: str) -> str:
        claims = self._times(self._tenant.now + 3600) | {
            "aud": request.application.client_id,
            "iss": issuer,
            "name": OPERATOR.display_name,
            "oid": OPERATOR.id,
            "preferred_username": OPERATOR.user_principal_name,
            "sub": OPERATOR.id,
            "tid": TENANT_ID,
            "ver": "2.0",
        }
        if request.nonce:
            claims["nonce"] = request.nonce
        return jwt.encode(claims, self._key)

    def _times(self, expires_at: float) -> dict[str, Any]:
        born = self._tenant.started_at.timestamp()
        issued = int(born + self._tenant.now)
        return {"iat": issued, "nbf": issued, "exp": int(born + expires_at)}


def _consented(request: Request) -> frozenset[str]:
    """Return what a user's token allows: all that was ever consented to, as Entra has it.

    Raises `SignInRefusedError` where more was asked for.
    """
    consented = request.application.delegated
    asked = {name.removeprefix(_resource(request)) for name in _of_resource(request)}
    if not consented or not asked - {_EVERYTHING} <= consented:
        raise SignInRefusedError(Problem.CONSENT_MISSING)
    return consented


def _resource(request: Request) -> str:
    """Return what stands before a permission's name in a scope, with its slash; nothing where scopes are bare names."""
    return next((scope[: scope.rfind("/") + 1] for scope in _of_resource(request)), "")


def _of_resource(request: Request) -> list[str]:
    return [scope for scope in request.scope.split() if scope not in _OPENID]


def _claims_asked_for(form: Form) -> dict[str, Any]:
    """Return what the claims parameter asks of the access token. Raises `SignInRefusedError` for what is no JSON."""
    try:
        asked = json.loads(form.get("claims") or "{}").get("access_token") or {}
    except (ValueError, AttributeError):
        raise SignInRefusedError(Problem.MALFORMED) from None
    if not isinstance(asked, dict):
        raise SignInRefusedError(Problem.MALFORMED)
    return asked
