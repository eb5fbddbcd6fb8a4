"""What can go wrong with any request, whatever it is about: the usual answer is made, and then spoilt."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from batchreset.rehearsal.exchange import Answer, error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchreset.rehearsal.behaviour import Route
    from batchreset.rehearsal.exchange import Call

#: More than any client should read.
_TOO_MUCH = 9 << 20
_PAGE = "<html><body><h1>Sign in to the network</h1></body></html>"
_ELSEWHERE = "https://graph.microsoft.com.evil.example/v1.0/users/1/authentication/operations/2"
_USER = re.compile(r"/users/[^/]+")
_SOMEBODY_ELSE = "00000000-0000-4000-8000-00000000dead"


class Trouble(StrEnum):
    """What an answer can become."""

    #: Turned away, or lost on the way back.
    LOST = "lost"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    SERVER_ERROR = "server-error"
    REDIRECTED = "redirected"
    SIGNED_OUT = "signed-out"
    DENIED = "denied"
    GONE = "gone"
    #: A success by its status, and not what it should be.
    HTML_PAGE = "html-page"
    CUT_OFF = "cut-off"
    TOO_LARGE = "too-large"
    EMPTY = "empty"
    A_LIST = "a-list"
    NO_FIELDS = "no-fields"
    WRONG_TYPES = "wrong-types"
    HALF_A_LETTER = "half-a-letter"
    #: It names something that it should not.
    ELSEWHERE = "elsewhere"
    RELATIVE = "relative"
    NOT_A_URL = "not-a-url"
    ANOTHERS = "anothers"
    #: The answers to the requests of a batch.
    WRONG_IDS = "wrong-ids"
    REPEATED = "repeated"
    MISSING = "missing"


class Troubles:
    """The troubles that a tenant has with answers to some requests; none at first."""

    def __init__(self) -> None:
        """Have none."""
        self._waiting: list[_Waiting] = []

    def cause(self, trouble: Trouble, route: Route, user: str = "", times: float = math.inf) -> None:
        """Have so many requests of a route go wrong, all of them or those about the user of this object id."""
        self._waiting.append(_Waiting(trouble, route, user, times))

    def spoil(self, route: Route, call: Call, usual: Answer, root: str) -> Answer:
        """Return what becomes of the usual answer. `root` is the tenant's own URL."""
        for waiting in self._waiting:
            if waiting.route is route and waiting.times > 0 and waiting.user in {"", *call.segments[2:3]}:
                waiting.times -= 1
                return _SPOILERS[waiting.trouble](usual, root)
        return usual


@dataclass(slots=True)
class _Waiting:
    trouble: Trouble
    route: Route
    user: str
    times: float


def _refusing(status: int, code: str, **headers: str) -> Callable[[Answer, str], Answer]:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda _usual, _root: error(status, code, "The simulated tenant was told to answer this.", dict(named))


def _saying(make: Callable[[Any], Any]) -> Callable[[Answer, str], Answer]:
    """Keep status and headers, and make another body of the usual one."""
    return lambda usual, _root: Answer(usual.status, make(usual.body), usual.headers)


def _locating(make: Callable[[str, str], str]) -> Callable[[Answer, str], Answer]:
    """Make other links of the usual ones: the Location, an operation's resourceLocation, and a page's nextLink."""

    def spoilt(usual: Answer, root: str) -> Answer:
        headers, body = dict(usual.headers), usual.body
        if "Location" in headers:
            headers["Location"] = make(headers["Location"], root)
        if isinstance(body, dict) and "resourceLocation" in body:
            body = {**body, "resourceLocation": make(body["resourceLocation"], root)}
        if isinstance(body, dict) and "value" in body:
            body = {**body, "@odata.nextLink": make(f"{root}/v1.0/users/1", root)}
        return Answer(usual.status, body, headers)

    return spoilt


def _anothers(usual: Answer, root: str) -> Answer:
    """Answer about another user, whose password has changed by now."""
    found = _locating(lambda link, _: _USER.sub(f"/users/{_SOMEBODY_ELSE}", link))(usual, root)
    if isinstance(found.body, dict) and "lastPasswordChangeDateTime" in found.body:
        found.body |= {"id": _SOMEBODY_ELSE, "lastPasswordChangeDateTime": "2099-01-01T00:00:00Z"}
    return found


def _wrong(value: Any) -> Any:
    """Keep the shape of a JSON value, and none of its types."""
    if isinstance(value, dict):
        return {name: _wrong(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_wrong(inner) for inner in value]
    return ["a list"] if isinstance(value, int) else 7


def _half(value: Any) -> Any:
    return {**(value if isinstance(value, dict) else {}), "half": "\ud83d"}


def _responses(make: Callable[[list[Any]], list[Any]]) -> Callable[[Answer, str], Answer]:
    return _saying(lambda body: {**body, "responses": make(body["responses"])})


_SPOILERS: Mapping[Trouble, Callable[[Answer, str], Answer]] = {
    Trouble.LOST: lambda _usual, _root: Answer(None),
    Trouble.THROTTLED: _refusing(429, "TooManyRequests", Retry_After="2.128"),
    Trouble.UNAVAILABLE: _refusing(503, "serviceNotAvailable", Retry_After="1"),
    Trouble.SERVER_ERROR: _refusing(500, "generalException"),
    Trouble.REDIRECTED: lambda _usual, _root: Answer(307, None, {"Location": _ELSEWHERE}),
    Trouble.SIGNED_OUT: _refusing(401, "InvalidAuthenticationToken"),
    Trouble.DENIED: _refusing(403, "Authorization_RequestDenied"),
    Trouble.GONE: _refusing(404, "Request_ResourceNotFound"),
    Trouble.HTML_PAGE: lambda _usual, _root: Answer(200, _PAGE),
    Trouble.CUT_OFF: lambda usual, _root: Answer(usual.status, '{"value": [', usual.headers),
    Trouble.TOO_LARGE: lambda usual, _root: Answer(usual.status, " " * _TOO_MUCH, usual.headers),
    Trouble.EMPTY: _saying(lambda _body: None),
    Trouble.A_LIST: _saying(lambda body: [body]),
    Trouble.NO_FIELDS: _saying(lambda _body: {}),
    Trouble.WRONG_TYPES: _saying(_wrong),
    Trouble.HALF_A_LETTER: _saying(_half),
    Trouble.ELSEWHERE: _locating(lambda _link, _root: _ELSEWHERE),
    Trouble.RELATIVE: _locating(lambda link, root: link.removeprefix(root)),
    Trouble.NOT_A_URL: _locating(lambda _link, _root: "http://["),
    Trouble.ANOTHERS: _anothers,
    Trouble.WRONG_IDS: _responses(lambda children: [{**child, "id": f"{child['id']}0"} for child in children]),
    Trouble.REPEATED: _responses(lambda children: [*children, *children]),
    Trouble.MISSING: _responses(lambda children: children[1:]),
}
