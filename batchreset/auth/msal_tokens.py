"""One token for all workers, renewed one at a time whatever they do: MSAL blocks, and has no single flight."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from batchreset.errors import SignInError
from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    #: Asks MSAL, and blocks: for a token that meets these claims, and for a new one where the one there is will not do.
    #: Returns MSAL's result with a token in it, or raises `SignInError`.
    Acquire = Callable[[str | None, bool], Mapping[str, Any]]

_LOG = logging.getLogger(__name__)
#: Seconds before its end that a token is renewed; and, where that fails, until it is tried again.
_AHEAD, _LATER = 300.0, 60.0
#: For so long a failure answers those who ask next: workers meet it together, and one of them asks for all.
_FAILURE_LASTS = 10.0


class MsalTokens:
    """Hands out a token that `acquire` gets, and another five minutes ahead of its end, or when Graph rejects it.

    Where it cannot be renewed, a token is used to its end, `warn` is told, and it is tried again each minute.
    """

    is_renewable = True

    def __init__(self, acquire: Acquire, warn: Callable[[str], None] = lambda _: None) -> None:
        """Ask nothing yet."""
        self._acquire = acquire
        self._warn = warn
        self._turn = asyncio.Lock()
        self._token: Secret | None = None
        #: The token that Graph rejected and that no other has replaced yet, and the claims that its challenge demands.
        self._rejected: Secret | None = None
        self._claims: str | None = None
        # Times of the event loop's clock.
        self._renew_at = self._ends_at = -math.inf
        self._failure: SignInError | None = None
        self._failure_ends_at = -math.inf

    async def token(self) -> Secret:
        """Return a token that is good now."""
        now = asyncio.get_running_loop().time
        # While one worker renews a token that is still good, the others need not wait.
        if self._token is not None and now() < (self._ends_at if self._turn.locked() else self._renew_at):
            return self._token
        async with self._turn:
            if self._token is not None and now() < self._renew_at:
                return self._token
            try:
                return await self._obtain()
            except SignInError as error:
                if self._token is None or now() >= self._ends_at:
                    raise
                self._renew_at = now() + _LATER
                minutes = math.ceil((self._ends_at - now()) / 60)
                self._warn(f"The sign-in ends in {minutes} min and could not be renewed yet: {error}")
                return self._token

    async def renew(self, rejected: Secret, claims: str | None) -> bool:
        """Get another token than the one that Graph rejected, unless another worker has done so."""
        async with self._turn:
            if self._token is None or self._token == rejected:
                self._token, self._rejected, self._claims = None, self._rejected or rejected, claims or self._claims
                await self._obtain()
        return True

    async def refresh(self) -> bool:
        """Get another token although nobody rejected the one there is, which stays where there is no other."""
        async with self._turn:
            before = self._token
            with suppress(SignInError):
                await self._obtain()
            return self._token != before

    async def _obtain(self) -> Secret:
        """Ask for a token. Whoever asks holds the turn. Raises `SignInError`."""
        now = asyncio.get_running_loop().time
        if self._failure is not None and now() < self._failure_ends_at:
            raise type(self._failure)(str(self._failure))
        must_be_new = self._token is not None or self._rejected is not None
        try:
            result = await asyncio.to_thread(self._acquire, self._claims, must_be_new)
            token = self._another(result)
        except SignInError as error:
            self._failure, self._failure_ends_at = error, now() + _FAILURE_LASTS
            raise
        if must_be_new:
            _LOG.info("token renewed")
        lasts = float(result.get("expires_in") or 0)
        self._token, self._rejected, self._claims, self._failure = token, None, None, None
        self._ends_at = now() + lasts
        # One that lasts no longer than that is renewed at half of its time, or after a minute.
        self._renew_at = now() + max(lasts - _AHEAD, min(lasts / 2, _LATER))
        return token

    def _another(self, result: Mapping[str, Any]) -> Secret:
        token = Secret(str(result["access_token"]))
        if token == self._rejected:
            raise SignInError("Graph rejects the token, and the sign-in service gives no other.")
        return token
