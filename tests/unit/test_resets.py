from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest
from aiohttp import web

from batchreset.graph.resets import PASSWORD_METHOD_ID, Form, ResetRequest, reset_path, send_reset
from batchreset.model import Method
from batchreset.policy.verdict import Answer, describe
from batchreset.secret import Secret
from tests.support.clock import run_virtual
from tests.support.scripted import answering, as_json, talking_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchreset.graph.session import Exchange

PLAIN = "Quartz-7-meadow"


def reset(
    answer: web.Response,
    password: str | None = PLAIN,
    method: Method = Method.RESET_PASSWORD,
    **properties: str | bool,
) -> tuple[Exchange, Secret | None, list[tuple[web.BaseRequest, Any]]]:
    """Send one reset and have it answered so."""
    seen = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append((request, await request.json()))
        return answer

    async def exchange() -> tuple[Exchange, Secret | None]:
        secret = Secret(password) if password is not None else None
        async with answering(handle) as root, talking_to(root) as graph:
            form = Form(method, {"X-Ticket": "INC-1"}, properties)
            return await send_reset(graph, ResetRequest("id-1", "name", secret, form))

    done, made = run_virtual(exchange())
    return done, made, seen


def test_a_reset_is_posted_as_documented() -> None:
    """To the password method of the account, with the new password and what the operator adds."""
    exchange, made, [(request, body)] = reset(web.Response(status=202), note="x")
    assert request.method == "POST"
    assert request.path == f"/v1.0/users/id-1/authentication/methods/{PASSWORD_METHOD_ID}/resetPassword"
    assert request.headers["client-request-id"] == exchange.client_request_id == "name"
    assert request.headers["X-Ticket"] == "INC-1"
    assert body == {"newPassword": PLAIN, "note": "x"}
    assert made is None


def test_a_profile_is_patched_as_documented() -> None:
    """At the account itself, password and properties in its passwordProfile; there is nothing to be made."""
    method = Method.PASSWORD_PROFILE
    exchange, made, [(request, body)] = reset(
        web.Response(status=204), method=method, forceChangePasswordNextSignIn=True
    )
    assert (request.method, request.path) == ("PATCH", "/v1.0/users/id-1")
    assert request.headers["client-request-id"] == exchange.client_request_id == "name"
    assert request.headers["X-Ticket"] == "INC-1"
    assert body == {"passwordProfile": {"forceChangePasswordNextSignIn": True, "password": PLAIN}}
    assert made is None


def test_without_a_password_the_service_makes_one() -> None:
    """The body is an empty object; what was made is taken out of the answer, whatever else is in it."""
    exchange, made, [(_, body)] = reset(as_json({"newPassword": "Made-1-for-you"}, 202), password=None)
    assert body == {}
    assert made == Secret("Made-1-for-you")
    assert isinstance(exchange.result, Answer)
    assert exchange.result.body is None


@pytest.mark.parametrize("body", [None, [], {}, {"newPassword": None}, {"newPassword": ""}, {"newPassword": 7}])
def test_a_service_that_does_not_tell_made_none(body: Any) -> None:
    """Nothing is taken for a password that is none."""
    _, made, _ = reset(as_json(body, 202), password=None)
    assert made is None


def test_an_error_keeps_no_password() -> None:
    """One that the service quotes back is masked, and nothing but code and message stays."""
    error = {"code": f"bad{PLAIN}", "message": f"'{PLAIN}' is too weak", "innerError": {"value": PLAIN}}
    exchange, _, _ = reset(as_json({"error": error, "newPassword": PLAIN}, 400))
    assert isinstance(exchange.result, Answer)
    assert exchange.result.body == {"error": {"code": "bad***", "message": "'***' is too weak"}}
    assert PLAIN not in describe(exchange.result)


@pytest.mark.parametrize("write", [str, quote, lambda text: b64encode(text.encode()).decode()])
def test_a_header_that_quotes_the_password_is_left_out(write: Callable[[str], str]) -> None:
    """Whether it is the Location or another; those that say nothing of it stay."""
    plain = "Zq%41+<&7>x"
    headers = {"Location": f"/v1.0/users/id-1/authentication/operations/2?p={write(plain)}", "X-Told": write(plain)}
    exchange, _, _ = reset(as_json({}, 202, Retry_After="7", **headers), password=plain)
    assert isinstance(exchange.result, Answer)
    assert not {"Location", "X-Told"} & set(exchange.result.headers)
    assert exchange.result.headers["Retry-After"] == "7"


@pytest.mark.parametrize("name", ["ana@contoso.example", "o'brien", "a/b?c#d", "x#EXT#@y", "é"])
def test_a_path_is_one_persons(name: str) -> None:
    """Signs that would end the segment are escaped."""
    segments = reset_path(name).split("/")
    assert len(segments) == 7
    assert unquote(segments[2]) == name
    assert not set("/?#'") & set(segments[2])
