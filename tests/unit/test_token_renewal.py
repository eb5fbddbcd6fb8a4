"""A token that Graph takes no more: another one, once, and what is told where there is none."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchreset.errors import SignInError, SignInUnreachableError
from batchreset.graph.challenge import claims_in
from batchreset.graph.session import Exchange, GraphSession
from batchreset.policy.verdict import NoToken, NotSent
from batchreset.secret import Secret
from tests.support.clock import run_virtual
from tests.support.scripted import answering, as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1763760000"}}}'
CHALLENGE = f'Bearer realm="", error="insufficient_claims", claims="{base64.b64encode(CLAIMS.encode()).decode()}"'


class Succession:
    """Tokens by number, from 0; how a renewal goes is scripted, and what it is asked is remembered."""

    is_renewable = True

    def __init__(self, *renewals: bool | SignInError) -> None:
        self.number = 0
        self.asked: list[tuple[str, str | None]] = []
        self._renewals = list(renewals)

    async def token(self) -> Secret:
        return Secret(f"token-{self.number}")

    async def renew(self, rejected: Secret, claims: str | None) -> bool:
        self.asked.append((rejected.reveal(), claims))
        outcome = self._renewals.pop(0)
        if isinstance(outcome, SignInError):
            raise outcome
        self.number += outcome
        return outcome

    async def refresh(self) -> bool:
        return False


class Gate:
    """A service that takes the tokens named, and refuses others with 401."""

    def __init__(self, *taken: str, challenge: str = "Bearer") -> None:
        self.seen: list[tuple[str, str]] = []
        self._taken = taken
        self._challenge = challenge

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.seen.append((token, request.headers["client-request-id"]))
        if token in self._taken:
            return as_json({"fine": True}, 202, request_id="taken")
        return as_json({}, 401, WWW_Authenticate=self._challenge, request_id="0badf00d")


def post(gate: Gate, tokens: Succession, name: str | None = None) -> tuple[Exchange, list[Exchange]]:
    """Send one request; return what came of it, and what the session told of renewals."""
    told: list[Exchange] = []

    async def send() -> Exchange:
        async with (
            answering(gate) as root,
            GraphSession(root, tokens, connections=1, on_renewal=told.append) as graph,
        ):
            return await graph.send("POST", "/thing", body={}, client_request_id=name)

    return run_virtual(send()), told


def test_a_refused_token_is_renewed_and_the_request_sent_again() -> None:
    """Under the same name, since the 401 proves that nothing was done; the refused try is told of."""
    gate, tokens = Gate("token-1"), Succession(True)
    exchange, told = post(gate, tokens)
    assert exchange.status == 202
    assert [token for token, _ in gate.seen] == ["token-0", "token-1"]
    assert len({name for _, name in gate.seen}) == 1
    assert tokens.asked == [("token-0", None)]
    assert [(each.status, each.request_id) for each in told] == [(401, "0badf00d")]


def test_a_request_that_has_a_name_is_sent_once() -> None:
    """It stands on disk under that name and took its turn: whoever sent it is told that there is another token now."""
    gate, tokens = Gate("token-1"), Succession(True)
    exchange, told = post(gate, tokens, name="mine")
    assert gate.seen == [("token-0", "mine")]
    assert (exchange.status, told, tokens.number) == (401, [], 1)
    assert exchange.refused is exchange.result


def test_the_second_refusal_stands() -> None:
    """One renewal a request: a token that is refused right away is not replaced for ever."""
    gate, tokens = Gate(), Succession(True)
    exchange, _ = post(gate, tokens)
    assert exchange.status == 401
    assert [token for token, _ in gate.seen] == ["token-0", "token-1"]


def test_without_another_token_the_refusal_stands() -> None:
    """A token that somebody else obtained cannot be renewed here."""
    gate, tokens = Gate(), Succession(False)
    exchange, told = post(gate, tokens)
    assert (exchange.status, len(gate.seen), told) == (401, 1, [])


def test_a_challenge_is_answered_with_its_claims() -> None:
    """What Graph demands of the next token is handed on as JSON."""
    tokens = Succession(True)
    exchange, _ = post(Gate("token-1", challenge=CHALLENGE), tokens)
    assert exchange.status == 202
    assert tokens.asked == [("token-0", CLAIMS)]


def test_a_sign_in_that_is_gone_is_told_from_one_that_cannot_be_reached() -> None:
    """The one ends the run, the other is waited out; either way nothing was sent that counts."""
    gone, _ = post(Gate(), Succession(SignInError("The account is disabled.")))
    assert gone.result == NoToken("The account is disabled")
    away, _ = post(Gate(), Succession(SignInUnreachableError()))
    assert away.result == NotSent("The sign-in service could not be reached")
    assert [(each.status, each.request_id) for each in (gone, away)] == [(401, "0badf00d")] * 2


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"',
        CHALLENGE.replace("insufficient_claims", "invalid_token"),
        'Bearer error="insufficient_claims"',
        'Bearer error="insufficient_claims", claims="no base64"',
        'Bearer error="insufficient_claims", claims="/w=="',
        'Bearer error="insufficient_claims", claims="W10="',
    ],
)
def test_what_is_no_challenge_demands_nothing(header: str | None) -> None:
    """Another error, claims that are missing, cannot be decoded, or are no JSON object."""
    assert claims_in(header) is None


@given(st.dictionaries(st.text(), st.text()), st.booleans(), st.booleans())
def test_claims_are_read_in_either_alphabet_and_without_padding(
    claims: dict[str, str],
    url_safe: bool,  # noqa: FBT001  hypothesis gives it
    padded: bool,  # noqa: FBT001  the same
) -> None:
    """As servers write base64."""
    text = json.dumps(claims, ensure_ascii=False)
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    encoded = encode(text.encode()).decode()
    header = f'Bearer error="insufficient_claims", claims="{encoded if padded else encoded.rstrip("=")}"'
    assert claims_in(header) == text


@given(st.text())
def test_no_header_is_too_strange(header: str) -> None:
    """Whatever a server sends, it is read as claims or as none."""
    claims_in(header)


def test_requests_under_way_together_each_come_back_renewed() -> None:
    """Eight refused at once: none is lost, whatever the token source does about the others."""

    class Shared(Succession):
        async def renew(self, rejected: Secret, claims: str | None) -> bool:
            await asyncio.sleep(1)
            if rejected.reveal() == f"token-{self.number}":
                self.asked.append((rejected.reveal(), claims))
                self.number += 1
            return True

    async def send(tokens: Succession) -> Sequence[Exchange]:
        async with answering(Gate("token-1")) as root, GraphSession(root, tokens, connections=8) as graph:
            return await asyncio.gather(*(graph.send("POST", "/thing", body={}) for _ in range(8)))

    tokens = Shared()
    assert [exchange.status for exchange in run_virtual(send(tokens))] == [202] * 8
    assert len(tokens.asked) == 1
