"""One token for all, in virtual time: when it is asked for, with what, and who learns of a failure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.auth.msal_tokens import MsalTokens
from batchreset.errors import SignInError, SignInNeededError, SignInUnreachableError
from batchreset.secret import Secret
from tests.support.clock import run_virtual

if TYPE_CHECKING:
    from collections.abc import Mapping

Asked = list[tuple[str | None, bool]]


class Service:
    """Gives out numbered tokens, and fails when told to."""

    def __init__(self, lasts: float = 3600) -> None:
        self.asked: Asked = []
        self.fails: Exception | None = None
        self.gives = ""
        self._lasts = lasts

    def __call__(self, claims: str | None, must_be_new: bool) -> Mapping[str, Any]:  # noqa: FBT001  as `Acquire` has it
        self.asked.append((claims, must_be_new))
        if self.fails:
            raise self.fails
        return {"access_token": self.gives or f"token {len(self.asked)}", "expires_in": self._lasts}


def test_the_first_may_be_an_old_one_and_every_other_is_new() -> None:
    """A cache may answer the first; a renewal must not be answered from one."""

    async def story() -> None:
        service = Service()
        tokens = MsalTokens(service)
        await tokens.token()
        await asyncio.sleep(3301)
        await tokens.token()
        assert service.asked == [(None, False), (None, True)]

    run_virtual(story())


def test_a_short_token_is_renewed_at_half_of_its_time() -> None:
    """It is not asked for all the time."""

    async def story() -> None:
        service = Service(lasts=20)
        tokens = MsalTokens(service)
        for _ in range(100):
            await tokens.token()
            await asyncio.sleep(1)
        assert len(service.asked) == 10

    run_virtual(story())


def test_claims_are_asked_for_until_they_are_met() -> None:
    """A renewal that failed in between does not forget them, and the next one after does."""

    async def story() -> None:
        service = Service()
        tokens = MsalTokens(service)
        first = await tokens.token()
        service.fails = SignInUnreachableError("away")
        with pytest.raises(SignInUnreachableError):
            await tokens.renew(first, "claims")
        service.fails = None
        await asyncio.sleep(11)
        second = await tokens.token()
        assert await tokens.renew(second, None)
        assert service.asked == [(None, False), ("claims", True), ("claims", True), (None, True)]

    run_virtual(story())


def test_a_rejected_token_that_comes_again_is_an_end() -> None:
    """A service that hands out what Graph rejects is asked once, whoever asks; and again a while later."""

    async def story() -> None:
        service = Service()
        service.gives = "always the same"
        tokens = MsalTokens(service)
        token = await tokens.token()
        outcomes = await asyncio.gather(*(tokens.renew(token, None) for _ in range(32)), return_exceptions=True)
        assert {str(each) for each in outcomes} == {"Graph rejects the token, and the sign-in service gives no other."}
        assert len(service.asked) == 2
        service.gives = ""
        await asyncio.sleep(11)
        assert await tokens.token() != token

    run_virtual(story())


@pytest.mark.parametrize("error", [SignInError("no"), SignInNeededError("gone"), SignInUnreachableError("away")])
def test_a_failure_is_shared_in_kind_and_words(error: SignInError) -> None:
    """Thirty-two workers, one request, and each gets an error of its own to raise."""

    async def story() -> None:
        service = Service()
        tokens = MsalTokens(service)
        token = await tokens.token()
        service.fails = error
        outcomes = await asyncio.gather(*(tokens.renew(token, None) for _ in range(32)), return_exceptions=True)
        assert {(type(each), str(each)) for each in outcomes} == {(type(error), str(error))}
        assert len({id(each) for each in outcomes}) == 32
        assert len(service.asked) == 2

    run_virtual(story())


def test_a_late_rejection_of_a_replaced_token_costs_nothing() -> None:
    """The token was renewed while the request was under way."""

    async def story() -> None:
        service = Service()
        tokens = MsalTokens(service)
        first = await tokens.token()
        assert await tokens.renew(first, None)
        assert await tokens.renew(first, None)
        assert await tokens.renew(Secret("token 1"), None)
        assert len(service.asked) == 2

    run_virtual(story())


def test_a_worker_that_is_cancelled_leaves_the_turn_to_the_next() -> None:
    """Cancelled while it waits for the thread: nobody else waits for ever."""

    async def story() -> None:
        service = Service()
        tokens = MsalTokens(service)
        task = asyncio.create_task(tokens.token())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await tokens.token() in {Secret("token 1"), Secret("token 2")}

    run_virtual(story())


def test_a_lost_sign_in_is_told_while_the_token_lasts() -> None:
    """Five minutes are left to log in again elsewhere; then it is an error."""

    async def story() -> None:
        service, told = Service(), list[str]()
        tokens = MsalTokens(service, told.append)
        token = await tokens.token()
        service.fails = SignInNeededError("Revoked: run `batchreset login`.")
        await asyncio.sleep(3300)
        assert await tokens.token() is token
        assert told == ["The sign-in ends in 5 min and could not be renewed yet: Revoked: run `batchreset login`."]
        service.fails = None
        await asyncio.sleep(60)
        assert await tokens.token() != token

    run_virtual(story())
