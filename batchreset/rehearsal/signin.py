"""How the tenant's sign-in behaves, and what it remembers: device codes, authorization codes, refresh tokens.

Times are seconds of the tenant's life.
"""

from __future__ import annotations

import math
import secrets
import string
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import NAMESPACE_OID, uuid5

from batchreset.rehearsal.problems import Problem, SignInRefusedError

CLIENT_ID = "3a5f1c52-8f0b-4e53-9f0e-6d1d2b7a9c41"
_USER_CODE_ALPHABET, _USER_CODE_LENGTH = string.ascii_uppercase + string.digits, 9


class GrantType(StrEnum):
    """The ways to a token, as the token endpoint names them."""

    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
    AUTHORIZATION_CODE = "authorization_code"
    REFRESH_TOKEN = "refresh_token"  # noqa: S105  a name, no token
    CLIENT_CREDENTIALS = "client_credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A registered application: what was consented to, and by what it proves who it is.

    `delegated` are the permissions it has on behalf of users, `application` its own. `certificates` are PEM texts.
    Without secrets and certificates it is a public client.
    """

    client_id: str = CLIENT_ID
    delegated: frozenset[str] = frozenset(
        {
            "User.Read",
            "User.Read.All",
            "User.RevokeSessions.All",
            "User.EnableDisableAccount.All",
            "User-PasswordProfile.ReadWrite.All",
            "UserAuthenticationMethod.ReadWrite.All",
            "RoleManagement.Read.Directory",
            "GroupMember.Read.All",
            "IdentityRiskyUser.Read.All",
        }
    )
    application: frozenset[str] = frozenset(
        {
            "Organization.Read.All",
            "User.Read.All",
            "User.RevokeSessions.All",
            "User.EnableDisableAccount.All",
            "User-PasswordProfile.ReadWrite.All",
            "RoleManagement.Read.Directory",
            "GroupMember.Read.All",
            "IdentityRiskyUser.Read.All",
        }
    )
    secrets: tuple[str, ...] = field(default=(), repr=False)
    certificates: tuple[str, ...] = ()

    @property
    def object_id(self) -> str:
        """The object id of its service principal."""
        return str(uuid5(NAMESPACE_OID, self.client_id))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem that the next `times` tokens run into, or only those obtained in one way.

    A person's doing comes first: a device code is refused once it is approved, as by Conditional Access.
    """

    problem: Problem
    times: float = math.inf
    at: GrantType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Everything about sign-in that is not a person's doing. Times are in seconds.

    A device code is approved by `SignIns.approve`, or by itself after so many polls.
    """

    applications: tuple[Application, ...] = (Application(),)
    access_token_seconds: float = 4500.0
    refresh_token_seconds: float = 90 * 86400.0
    #: How often a policy has a person sign in anew.
    sign_in_frequency: float = math.inf
    device_code_seconds: float = 900.0
    poll_seconds: int = 5
    #: The first polls are answered so.
    slow_down_polls: int = 0
    approved_after_polls: int | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What a person is asked to let an application do. `scope` is as it was asked for."""

    application: Application
    scope: str
    nonce: str | None = None
    #: Of an authorization code: where it was sent, and what its verifier hashes to.
    redirect_uri: str | None = None
    code_challenge: str | None = None


@dataclass(slots=True)
class _DeviceCode:
    """A device code that is waiting for somebody to type in `user_code`."""

    request: Request
    user_code: str
    expires_at: float
    polls: int = 0
    #: What the person said.
    approved: bool | None = None


@dataclass(frozen=True, slots=True)
class _RefreshToken:
    request: Request
    issued_at: float
    signed_in_at: float


class SignIns:
    """Who has signed in, and who is about to."""

    def __init__(self, behaviour: SignIn) -> None:
        """Begin with nobody."""
        self.behaviour = behaviour
        #: Requests for a token by the way taken, and the status of the answer.
        self.requests: Counter[tuple[str, int]] = Counter()
        self._refusals = list(behaviour.refusals)
        self._device_codes: dict[str, _DeviceCode] = {}
        self._codes: dict[str, Request | None] = {}
        self._refresh_tokens: dict[str, _RefreshToken] = {}
        self._revoked: set[str] = set()

    def approve(self, user_code: str) -> None:
        """Act as the person who types a device's code in and signs in. Raises `KeyError` for an unknown one."""
        self._waiting_for(user_code).approved = True

    def decline(self, user_code: str) -> None:
        """Act as the person who types a device's code in and says no. Raises `KeyError` for an unknown one."""
        self._waiting_for(user_code).approved = False

    def refuse(self, problem: Problem, times: float = 1, at: GrantType | None = None) -> None:
        """From now on run into a problem, as a `Refusal` does."""
        self._refusals.append(Refusal(problem, times, at))

    def revoke(self) -> None:
        """Take none of the refresh tokens issued so far."""
        self._revoked |= self._refresh_tokens.keys()

    def application(self, client_id: str) -> Application:
        """Return a registered application. Raises `SignInRefusedError` for any other."""
        for application in self.behaviour.applications:
            if application.client_id == client_id:
                return application
        raise SignInRefusedError(Problem.UNKNOWN_CLIENT)

    def check_refusals(self, grant_type: GrantType) -> None:
        """Raise `SignInRefusedError` where this token is to be refused."""
        for index, refusal in enumerate(self._refusals):
            if refusal.times > 0 and refusal.at in {None, grant_type}:
                self._refusals[index] = replace(refusal, times=refusal.times - 1)
                raise SignInRefusedError(refusal.problem)

    def begin_device_code(self, request: Request, now: float) -> tuple[str, str]:
        """Return a new device code and what a person types in for it."""
        code = secrets.token_urlsafe(32)
        user_code = "".join(secrets.choice(_USER_CODE_ALPHABET) for _ in range(_USER_CODE_LENGTH))
        self._device_codes[code] = _DeviceCode(request, user_code, now + self.behaviour.device_code_seconds)
        return code, user_code

    def poll(self, code: str, now: float) -> Request:
        """Return what was approved; the code is spent. Raises `SignInRefusedError` while it is not."""
        waiting = self._device_codes.get(code)
        if waiting is None:
            raise SignInRefusedError(Problem.BAD_CODE)
        waiting.polls += 1
        if now >= waiting.expires_at:
            raise SignInRefusedError(Problem.CODE_EXPIRED)
        if waiting.polls <= self.behaviour.slow_down_polls:
            raise SignInRefusedError(Problem.SLOW_DOWN)
        enough = self.behaviour.approved_after_polls
        if waiting.approved is None and (enough is None or waiting.polls <= enough):
            raise SignInRefusedError(Problem.PENDING)
        del self._device_codes[code]
        if waiting.approved is False:
            raise SignInRefusedError(Problem.DECLINED)
        return waiting.request

    def begin_code(self, request: Request) -> str:
        """Return a new authorization code."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = request
        return code

    def redeem(self, code: str) -> Request:
        """Return what an authorization code is for; it is spent. Raises `SignInRefusedError`."""
        if code not in self._codes:
            raise SignInRefusedError(Problem.BAD_CODE)
        request, self._codes[code] = self._codes[code], None
        if request is None:
            raise SignInRefusedError(Problem.CODE_SPENT)
        return request

    def remember(self, request: Request, now: float, signed_in_at: float) -> str:
        """Return a new refresh token."""
        token = secrets.token_urlsafe(64)
        self._refresh_tokens[token] = _RefreshToken(request, now, signed_in_at)
        return token

    def refresh(self, token: str, now: float) -> tuple[Request, float]:
        """Return what was asked for and when the person signed in. Raises `SignInRefusedError`.

        The token can be used again beside the one that follows it.
        Source: Microsoft's "Refresh tokens in the Microsoft identity platform".
        """
        known = self._refresh_tokens.get(token)
        if known is None:
            raise SignInRefusedError(Problem.BAD_CODE)
        if token in self._revoked:
            raise SignInRefusedError(Problem.REVOKED)
        if now - known.issued_at >= self.behaviour.refresh_token_seconds:
            raise SignInRefusedError(Problem.REFRESH_TOKEN_EXPIRED)
        if now - known.signed_in_at >= self.behaviour.sign_in_frequency:
            raise SignInRefusedError(Problem.SIGN_IN_TOO_OLD)
        return known.request, known.signed_in_at

    def _waiting_for(self, user_code: str) -> _DeviceCode:
        return {each.user_code: each for each in self._device_codes.values()}[user_code]
