"""A service that quotes back whatever it was told: in errors, headers, links and operations, in every form."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from batchreset.rehearsal.behaviour import Route
from batchreset.rehearsal.exchange import Answer, error
from batchreset.rehearsal.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchreset.rehearsal.exchange import Call

#: How a quotation is written.
WAYS: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: quote(text, safe=""),
    lambda text: quote(quote(text, safe=""), safe=""),
    lambda text: json.dumps({"newPassword": text}).replace("+", "\\u002B").replace("<", "\\u003c"),
    lambda text: json.dumps(json.dumps(text)),
    html.escape,
    lambda text: base64.b64encode(f"x{text}".encode()).decode(),
    lambda text: base64.urlsafe_b64encode(f'"{text}"'.encode("utf-16-le")).decode(),
    "\0".join,
    lambda text: text.encode().hex(),
)
_WRITES = frozenset({Route.RESET, Route.UPDATE})
_LOOKS = frozenset({Route.OPERATION, Route.USER})
#: Of the manners to answer a write, the last after which there is nothing to look at.
_ENDED_BY_WRITE = 1


class Quoting(Troubles):
    """Spoils the answers to writes and to looks, each account's in a manner of its own, but those about `spared`.

    `heard` is every password that was given to it, or made by it. What it made it tells properly, or nobody could know
    it for a quotation.
    """

    def __init__(self, spared: str = "") -> None:
        """Know nothing yet."""
        super().__init__()
        self._spared = spared
        self.heard: set[str] = set()
        self.quoted = 0
        self._latest: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def spoil(self, route: Route, call: Call, usual: Answer, root: str) -> Answer:
        """Return the usual answer, or one that quotes."""
        made = usual.body.get("newPassword") if isinstance(usual.body, dict) else None
        if route in _WRITES:
            given = call.properties()
            password = made or given.get("newPassword") or given.get("passwordProfile", {}).get("password")
            if password:
                self._latest[call.user] = password
                self.heard.add(password)
        if route not in _WRITES | _LOOKS or call.user not in self._latest or call.user == self._spared:
            return super().spoil(route, call, usual, root)
        number = self._numbers.setdefault(call.user, len(self._numbers))
        manner = number // len(WAYS) % 4
        text = WAYS[number % len(WAYS)](self._latest[call.user])
        token = call.headers.get("Authorization", "").removeprefix("Bearer ")
        self.quoted += 1
        if route in _WRITES:
            return self._of_write(max(manner, 2) if made else manner, usual, text, token)
        return self._of_look(number % 5, usual, text, token) if manner > _ENDED_BY_WRITE else usual

    def _of_write(self, manner: int, usual: Answer, text: str, token: str) -> Answer:
        line = text.replace("\0", "%00")  # no header holds it
        match manner:
            case 0:
                return error(400, "badRequest", f"'{text}' is no good, says {token}", {"WWW-Authenticate": token})
            case 1:
                headers = {"Location": f"https://evil.example/{line}?{token}", "Retry-After": line}
                return Answer(307, {"error": {"code": text, "message": token}}, headers)
            case 2:
                location = f"{usual.headers.get('Location', '')}&p={quote(line, safe='%')}"
                return Answer(usual.status, usual.body, {**usual.headers, "Location": location, "X-Told": token})
            case _:
                return usual

    def _of_look(self, manner: int, usual: Answer, text: str, token: str) -> Answer:
        match manner:
            case 0:
                return error(403, f"no{text}", f"{text} {token}")
            case 1 if isinstance(usual.body, dict):
                return Answer(200, {**usual.body, "status": f"running {text}", "lastActionDateTime": text})
            case 2 if isinstance(usual.body, dict):
                return Answer(200, {**usual.body, "status": "failed", "statusDetail": f"{text} {token}"})
            case 3 if isinstance(usual.body, dict):
                body = {**usual.body, "status": "failed", "statusDetail": f"Rejected: {text}"}
                return Answer(200, {**body, "lastActionDateTime": text, "resourceLocation": f"/{text}/users/x"})
            case _:
                return error(409, text, f"cannot say {text}")
