"""Microsoft Entra's sign-in endpoints, as far as MSAL asks for them: a stand-in that speaks TLS on loopback.

One person signs in here, the operator, and never needs a password. Whatever is remembered lives in the tenant's
`sign_ins`, whatever is issued is taken by its Graph.
"""

from __future__ import annotations

import base64
import hashlib
import html
from contextlib import asynccontextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from batchreset.rehearsal.clients import check_credential
from batchreset.rehearsal.minting import Approved, Form, Mint
from batchreset.rehearsal.population import DOMAIN, TENANT_ID
from batchreset.rehearsal.problems import Problem, SignInRefusedError
from batchreset.rehearsal.server import listening
from batchreset.rehearsal.service import segments_of
from batchreset.rehearsal.signin import GrantType, Request

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping

    from batchreset.rehearsal.signin import Application
    from batchreset.rehearsal.tenant import Tenant

#: Names that lead to this tenant.
_TENANTS = frozenset({TENANT_ID, DOMAIN, "common", "organizations"})


@asynccontextmanager
async def serve_authority(
    tenant: Tenant, tls: ssl.SSLContext, port: int = 0, host: str = "localhost"
) -> AsyncIterator[str]:
    """Serve the tenant's sign-in on 127.0.0.1 (any free port for 0) and yield `https://HOST:PORT/TENANT`.

    Serve the tenant itself first: its time, by which tokens expire, passes only meanwhile. `tls` holds a certificate
    for `host`, by which it calls itself. Raises `OSError` where the port is taken.
    """
    authority = _Authority(tenant)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        form = {name: str(value) for name, value in {**request.query, **await request.post()}.items()}
        correlation_id = request.headers.get("client-request-id")
        return authority.answer(segments_of(request.path), form, correlation_id)

    async with listening(handle, port, tls) as found:
        authority.root = f"https://{host}:{found}"
        yield f"{authority.root}/{TENANT_ID}"


class _Authority:
    """Answers sign-in requests on behalf of a tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self.root = ""
        self._tenant = tenant
        self._sign_ins = tenant.sign_ins
        self._mint = Mint(tenant)

    def answer(self, segments: tuple[str, ...], form: Form, correlation_id: str | None) -> web.Response:
        """Answer one request."""
        endpoint = _ENDPOINTS.get("/".join(segments[1:]))
        if endpoint is None:
            return web.Response(status=404)
        if segments[0] not in _TENANTS:
            endpoint = _Authority.turn_away
        try:
            response = endpoint(self, form)
        except SignInRefusedError as refusal:
            now = self._tenant.started_at + timedelta(seconds=self._tenant.now)
            response = _json(refusal.body(correlation_id, now), refusal.terms.status)
        if endpoint is _Authority.token:
            self._sign_ins.requests[form.get("grant_type", ""), response.status] += 1
        return response

    def turn_away(self, _form: Form) -> web.Response:
        """Whatever another tenant is asked for."""
        raise SignInRefusedError(Problem.TENANT_NOT_FOUND)

    def discover(self, _form: Form) -> web.Response:
        """GET /{tenant}/v2.0/.well-known/openid-configuration."""
        endpoints = f"{self._issuer.removesuffix('/v2.0')}/oauth2/v2.0"
        return _json(
            {
                "issuer": self._issuer,
                "authorization_endpoint": f"{endpoints}/authorize",
                "token_endpoint": f"{endpoints}/token",
                "device_authorization_endpoint": f"{endpoints}/devicecode",
                "response_modes_supported": ["query", "form_post"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
            }
        )

    def devicecode(self, form: Form) -> web.Response:
        """POST /{tenant}/oauth2/v2.0/devicecode."""
        application = self._sign_ins.application(form.get("client_id", ""))
        request = Request(application, form.get("scope", ""))
        code, user_code = self._sign_ins.begin_device_code(request, self._tenant.now)
        page = "https://microsoft.com/devicelogin"
        return _json(
            {
                "user_code": user_code,
                "device_code": code,
                "verification_uri": page,
                "expires_in": int(self._sign_ins.behaviour.device_code_seconds),
                "interval": self._sign_ins.behaviour.poll_seconds,
                "message": f"To sign in, open the page {page} and enter the code {user_code}.",
            }
        )

    def authorize(self, form: Form) -> web.Response:
        """GET /{tenant}/oauth2/v2.0/authorize: the operator signs in at once, and is sent back."""
        application = self._sign_ins.application(form.get("client_id", ""))
        target = form.get("redirect_uri", "")
        if form.get("response_type") != "code" or form.get("code_challenge_method") != "S256" or not target:
            raise SignInRefusedError(Problem.MALFORMED)
        request = Request(application, form.get("scope", ""), form.get("nonce"), target, form.get("code_challenge"))
        found = {"code": self._sign_ins.begin_code(request), "state": form.get("state", "")}
        if form.get("response_mode") == "form_post":
            return _form_post(target, found)
        raise web.HTTPFound(f"{target}?{urlencode(found)}")

    def token(self, form: Form) -> web.Response:
        """POST /{tenant}/oauth2/v2.0/token."""
        application = self._sign_ins.application(form.get("client_id", ""))
        has_proof = check_credential(application, form, (self._token_endpoint, self._issuer))
        try:
            grant_type = GrantType(form.get("grant_type", ""))
        except ValueError:
            raise SignInRefusedError(Problem.UNKNOWN_GRANT) from None
        if grant_type is GrantType.CLIENT_CREDENTIALS and not has_proof:
            raise SignInRefusedError(Problem.CREDENTIAL_MISSING)
        approved = self._approved(grant_type, application, form)
        self._sign_ins.check_refusals(grant_type)
        return _json(self._mint.issue(approved, form, self._issuer))

    def _approved(self, grant_type: GrantType, application: Application, form: Form) -> Approved:
        """Return what the request may have a token for. Raises `SignInRefusedError`."""
        now = self._tenant.now
        match grant_type:
            case GrantType.DEVICE_CODE:
                approved = Approved(self._sign_ins.poll(form.get("device_code", ""), now), now)
            case GrantType.AUTHORIZATION_CODE:
                approved = Approved(_redeemed(self._sign_ins.redeem(form.get("code", "")), form), now)
            case GrantType.REFRESH_TOKEN:
                request, signed_in_at = self._sign_ins.refresh(form.get("refresh_token", ""), now)
                wanted = form.get("scope") or request.scope
                approved = Approved(Request(request.application, wanted), signed_in_at)
            case GrantType.CLIENT_CREDENTIALS:
                if not form.get("scope", "").endswith("/.default"):
                    raise SignInRefusedError(Problem.BAD_SCOPE)
                approved = Approved(Request(application, form["scope"]), None)
        if approved.request.application != application:
            raise SignInRefusedError(Problem.BAD_CODE)
        return approved

    @property
    def _issuer(self) -> str:
        return f"{self.root}/{TENANT_ID}/v2.0"

    @property
    def _token_endpoint(self) -> str:
        return f"{self.root}/{TENANT_ID}/oauth2/v2.0/token"


_ENDPOINTS: Mapping[str, Callable[[_Authority, Form], web.Response]] = MappingProxyType(
    {
        "v2.0/.well-known/openid-configuration": _Authority.discover,
        "oauth2/v2.0/devicecode": _Authority.devicecode,
        "oauth2/v2.0/authorize": _Authority.authorize,
        "oauth2/v2.0/token": _Authority.token,
    }
)


def _redeemed(request: Request, form: Form) -> Request:
    """Return what a code was for, if it is redeemed by whom it was sent to. Raises `SignInRefusedError`."""
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if challenge != request.code_challenge or form.get("redirect_uri") != request.redirect_uri:
        raise SignInRefusedError(Problem.WRONG_VERIFIER)
    return request


def _form_post(target: str, fields: Mapping[str, str]) -> web.Response:
    """Return a page that posts `fields` to `target` as soon as a browser shows it."""
    inputs = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    page = (
        f'<form method="POST" action="{html.escape(target)}">{inputs}</form><script>document.forms[0].submit()</script>'
    )
    return web.Response(text=f"<html><body>{page}</body></html>", content_type="text/html")


def _json(body: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store, no-cache"})
