"""The reset itself, by either route, and looking at the operation that resetPassword starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from multidict import CIMultiDict

from batchreset.graph.profiles import profile_body, profile_path
from batchreset.model import Method
from batchreset.policy.routing import profile_properties
from batchreset.policy.verdict import Answer, user_in
from batchreset.secret import Secret
from batchreset.values import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.graph.session import Exchange, GraphSession
    from batchreset.settings import Settings

#: The password method's id is this constant in every tenant (Microsoft, "passwordAuthenticationMethod").
PASSWORD_METHOD_ID = "28c10230-6103-485e-b985-444c60001490"  # noqa: S105  a public constant
#: Characters of an error that are kept: of these far fewer are shown, so that none is the beginning of a cut quotation.
_MOST = 4000


class Written(NamedTuple):
    """A request as it goes out, but for its headers; the path is below the version."""

    verb: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """How a run writes its resets: the route, and the headers and properties that go along with each."""

    method: Method
    headers: Mapping[str, str]
    properties: Mapping[str, str | bool]

    def write(self, object_id: str, password: str | None) -> Written:
        """Write a reset. `password` is None where the service is to make it, which it does by resetPassword only."""
        if self.method is Method.PASSWORD_PROFILE:
            return Written("PATCH", profile_path(object_id), profile_body(password, self.properties))
        given = {"newPassword": password} if password is not None else {}
        return Written("POST", reset_path(object_id), {**self.properties, **given})


def form_of(method: Method, settings: Settings) -> Form:
    """Return the form that the settings give to a run's resets by this route."""
    given = dict(pairs(settings.body_property, "--body-property"))
    properties = profile_properties(settings) if method is Method.PASSWORD_PROFILE else given
    return Form(method, dict(pairs(settings.header, "--header")), properties)


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """One reset to send. `password` is None where the service is to make it."""

    object_id: str
    client_request_id: str
    password: Secret | None
    form: Form


def reset_path(object_id: str) -> str:
    """Return the path below the version that a reset is posted to."""
    return f"/users/{quote(object_id, safe='')}/authentication/methods/{PASSWORD_METHOD_ID}/resetPassword"


async def send_reset(graph: GraphSession, request: ResetRequest) -> tuple[Exchange, Secret | None]:
    """Send a reset; return what came of it, and the password the service made, if it made one.

    No password is left in the exchange: the one made by the service is taken out of the body, and one that the
    service quotes back, as it is or encoded, is masked, or its header left out.
    """
    plain = request.password.reveal() if request.password is not None else None
    verb, path, body = request.form.write(request.object_id, plain)
    exchange = await graph.send(
        verb, path, body=body, headers=request.form.headers, client_request_id=request.client_request_id
    )
    result = exchange.result
    if not isinstance(result, Answer):
        return exchange, None
    made = _made_password(result.body) if plain is None else None
    return replace(exchange, result=_without(result, made or request.password)), made


def _made_password(body: Any) -> Secret | None:
    text = body.get("newPassword") if isinstance(body, dict) else None
    return Secret(text) if isinstance(text, str) and text else None


def _without(answer: Answer, secret: Secret | None) -> Answer:
    """Keep of an answer's body only its error, and of all that only what does not hold the password."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    shown = {name: str(error.get(name) or "") for name in ("code", "message")} if isinstance(error, dict) else None
    if secret is not None:
        shown = shown and {name: secret.masked(text[:_MOST]) for name, text in shown.items()}
        answer = unquoted(answer, secret)
    return replace(answer, body=None if shown is None else {"error": shown})


def unquoted(answer: Answer, secret: Secret) -> Answer:
    """Return an answer without the headers that quote a secret."""
    if not secret.is_quoted("\n".join(answer.headers.values())):
        return answer
    kept = ((name, text) for name, text in answer.headers.items() if not secret.is_quoted(text))
    return replace(answer, headers=CIMultiDict(kept))


def operation_url(graph: GraphSession, location: str | None, object_id: str) -> str | None:
    """Return where the operation of this account's reset is; None where `location` leads elsewhere, or to another's."""
    url = graph.resolve(location) if location else None
    return url if url and user_in(url) == object_id.lower() else None


async def look_at_operation(graph: GraphSession, url: str) -> Exchange:
    """Ask an operation how it stands. `url` is its Location, query string and all."""
    return await graph.send("GET", url)
