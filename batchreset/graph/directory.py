"""Reading the directory: who is signed in, who holds a role, whom the cohort names, when a password changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from multidict import CIMultiDict

from batchreset.auth.bearer import read
from batchreset.clock import utc_now
from batchreset.errors import DirectoryError, SignInError
from batchreset.graph.retry import until_decided
from batchreset.graph.session import MAX_BATCH_BODY
from batchreset.model import Account, Kind, Operator, Reason
from batchreset.policy.attempts import MOST_TRANSIENT, backoff
from batchreset.policy.verdict import (
    Accepted,
    Ambiguous,
    Answer,
    Refused,
    SignedOut,
    Throttled,
    Transient,
    Verdict,
    judge,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from batchreset.auth.bearer import Bearer
    from batchreset.graph.session import Exchange, GraphSession
    from batchreset.graph.turnstile import Turnstile
    from batchreset.policy.verdict import Result

#: Microsoft's limits: values in one `in (...)`, requests in one $batch.
IN_VALUES = 15
BATCH_REQUESTS = 20
#: Accounts that one $batch looks up.
LOOKUP_SIZE = IN_VALUES * BATCH_REQUESTS

_SELECT = "id,userPrincipalName,displayName,accountEnabled,userType,onPremisesSyncEnabled,lastPasswordChangeDateTime"


class LookUpRefusedError(Exception):
    """The tenant does not let this sign-in read what was asked, for `reason`."""

    def __init__(self, refused: Refused) -> None:
        """Say what the service said."""
        super().__init__(refused.why)
        self.reason = refused.reason


@dataclass(frozen=True, slots=True)
class _Try:
    """One try of a look-up, for the retry policy."""

    again: bool
    backoff: float = 0.0
    at_least: float = 0.0


class Directory:
    """Look-ups, each retried while that can help. `journal` is told of every exchange.

    Raises `LookUpRefusedError` when a look-up is forbidden, `SignInError` when the token is not taken, and
    `DirectoryError` when the directory stays unreachable.
    """

    def __init__(self, graph: GraphSession, turnstile: Turnstile, journal: Callable[[Exchange], None]) -> None:
        """Read through `graph`, at the pace of `turnstile`."""
        self._graph = graph
        self._turnstile = turnstile
        self._journal = journal

    async def operator(self) -> Operator:
        """Say who is signed in, and to which tenant. An application goes by its client id, where its token tells it."""
        bearer = read(await self._graph.token())
        me = None if bearer and bearer.is_app_only else await self._me()
        tenant = await self._tenant(bearer)
        if not _text(tenant, "id"):
            raise DirectoryError("The directory did not tell which tenant this is; nothing was sent.")
        if me is not None:
            object_id, user = _text(me, "id") or None, _text(me, "userPrincipalName")
        else:
            object_id, user = None, f"application {bearer.client_id}" if bearer else "an application"
        return Operator(object_id, user, _text(tenant, "id"), _text(tenant, "displayName"))

    async def _me(self) -> dict[str, Any] | None:
        """Read who is signed in; None where it is an application, which Graph has no `me` for (400)."""
        try:
            me: dict[str, Any] = await self._read("/me?$select=id,userPrincipalName")
        except LookUpRefusedError as error:
            if error.reason is not Reason.REQUEST_REFUSED:
                raise
            return None
        return me

    async def _tenant(self, bearer: Bearer | None) -> dict[str, Any]:
        """Read which tenant this is; where that is refused, the token names it by its id."""
        try:
            organizations = _values(await self._read("/organization?$select=id,displayName"))
        except LookUpRefusedError:
            if bearer is None or not bearer.tenant_id:
                raise
            return {"id": bearer.tenant_id}
        return organizations[0] if organizations else {}

    async def own_roles(self, operator: Operator) -> frozenset[str] | None:
        """Return the directory roles that whoever is signed in holds now, by their names, or ids where none is told.

        A person's through groups too, an application's own ones only. None where they may not be read.
        Source: "List a user's memberships (direct and transitive)" and "List unifiedRoleAssignments".
        """
        try:
            if not operator.is_application:
                path = "/me/transitiveMemberOf/microsoft.graph.directoryRole?$select=id,displayName,roleTemplateId"
                found = [_role(role) async for page in self._pages(path) for role in page]
            elif (bearer := read(await self._graph.token())) and bearer.object_id:
                mine = quote(f"principalId eq '{bearer.object_id}'", safe="")
                path = f"/roleManagement/directory/roleAssignments?$filter={mine}&$expand=roleDefinition"
                found = [
                    _text(assigned.get("roleDefinition"), "displayName") or _text(assigned, "roleDefinitionId")
                    async for page in self._pages(path)
                    for assigned in page
                ]
            else:
                return None
        except LookUpRefusedError:
            return None
        return frozenset(found)

    async def privileged(self) -> frozenset[str]:
        """Return the object ids, in lower case, of all who hold a directory role; read once for the tenant."""
        found = [
            _text(assignment, "principalId").lower()
            async for page in self._pages("/roleManagement/directory/roleAssignments?$select=principalId")
            for assignment in page
        ]
        return frozenset(found)

    async def find(self, keys: Sequence[str]) -> dict[str, Account]:
        """Look up to `LOOKUP_SIZE` accounts up by UPN or object id; return those found, by key.

        Keys are in lower case (`str.lower`). One $batch, its children retried one by one as they are throttled.
        """
        found: dict[str, Account] = {}
        pending = dict(enumerate(_filters(keys)))
        tries = 0

        async def attempt() -> _Try:
            nonlocal tries
            stamp = await self._turnstile.permit()
            exchange = await self._graph.send("POST", "/$batch", body=_batch(pending), max_body=MAX_BATCH_BODY)
            self._journal(exchange)
            verdict = judge(exchange.result, utc_now())
            told: list[tuple[Verdict, Result]] = [(verdict, exchange.result)]
            if isinstance(verdict, Accepted) and isinstance(exchange.result, Answer):
                for number, answer in _children(exchange.result.body, pending):
                    child = judge(answer, utc_now())
                    told.append((child, answer))
                    if isinstance(child, Accepted):
                        del pending[number]
                        found.update(_by_key(_values(answer.body)))
            throttled = [(each, result) for each, result in told if isinstance(each, Throttled)]
            longest, its_result = max(throttled, key=lambda each: each[0].retry_after or 0.0, default=told[0])
            self._turnstile.tell(longest, stamp, its_result)
            tries += not throttled
            return _next([each for each, _ in told], done=not pending, tries=tries, what="the accounts")

        await until_decided(attempt)
        return {key: found[key] for key in keys if key in found}

    async def _read(self, path: str) -> Any:
        """GET one thing; retried."""
        tries = 0
        body: Any = None

        async def attempt() -> _Try:
            nonlocal tries, body
            stamp = await self._turnstile.permit()
            exchange = await self._graph.send("GET", path)
            self._journal(exchange)
            verdict = judge(exchange.result, utc_now())
            self._turnstile.tell(verdict, stamp, exchange.result)
            tries += not isinstance(verdict, Throttled)
            if isinstance(verdict, Accepted) and isinstance(exchange.result, Answer):
                body = exchange.result.body if isinstance(exchange.result.body, dict) else None
            return _next([verdict], done=body is not None, tries=tries, what=path.partition("?")[0])

        await until_decided(attempt)
        return body

    async def _pages(self, path: str) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the values of each page, to the end."""
        following: str | None = path
        while following is not None:
            body = await self._read(following)
            yield _values(body)
            link = body.get("@odata.nextLink")
            if link is None:
                return
            following = self._graph.resolve(str(link))
            if following is None:
                raise DirectoryError("The directory's next page leads to another host; it was not followed.")


async def ask_about(graph: GraphSession, object_id: str) -> Exchange:
    """Ask once when an account's password last changed; the caller decides when to ask again."""
    return await graph.send("GET", f"/users/{quote(object_id, safe='')}?$select=id,lastPasswordChangeDateTime")


async def probe(graph: GraphSession) -> Exchange:
    """Ask for something harmless, to see whether the service answers."""
    return await graph.send("GET", "/organization?$select=id")


def _next(verdicts: Sequence[Verdict], *, done: bool, tries: int, what: str) -> _Try:
    """Decide on a look-up's next try. A read may always be repeated, so an ambiguous answer is a transient one."""
    for verdict in verdicts:
        if isinstance(verdict, Refused):
            raise LookUpRefusedError(verdict)
        if isinstance(verdict, SignedOut):
            raise SignInError(f"The sign-in was not accepted ({verdict.why}); sign in again.")
    if done:
        return _Try(again=False)
    if any(isinstance(verdict, Throttled) for verdict in verdicts):
        return _Try(again=True)
    if tries >= MOST_TRANSIENT:
        faults = [verdict.why for verdict in verdicts if isinstance(verdict, (Transient, Ambiguous))]
        why = faults[0] if faults else "the answer was incomplete"
        raise DirectoryError(f"The directory could not be read ({what}: {why}); nothing was sent. Try again later.")
    waits = [verdict.retry_after or 0.0 for verdict in verdicts if isinstance(verdict, Transient)]
    return _Try(again=True, backoff=backoff(tries), at_least=max(waits, default=0.0))


def _filters(keys: Sequence[str]) -> Iterator[str]:
    """Yield the path of each look-up, `IN_VALUES` keys of one kind at a time."""
    by_name = [key for key in keys if "@" in key]
    by_id = [key for key in keys if "@" not in key]
    for column, group in (("userPrincipalName", by_name), ("id", by_id)):
        for start in range(0, len(group), IN_VALUES):
            values = ",".join("'" + key.replace("'", "''") + "'" for key in group[start : start + IN_VALUES])
            yield f"/users?$filter={quote(f'{column} in ({values})', safe='')}&$select={_SELECT}"


def _batch(pending: dict[int, str]) -> dict[str, Any]:
    return {"requests": [{"id": str(number), "method": "GET", "url": url} for number, url in pending.items()]}


def _children(body: Any, pending: dict[int, str]) -> list[tuple[int, Answer]]:
    """Return the answers to what is pending. A child with a foreign, repeated or malformed id is passed over."""
    responses = body.get("responses") if isinstance(body, dict) else None
    answers: dict[int, Answer] = {}
    for child in responses if isinstance(responses, list) else []:
        if not isinstance(child, dict) or not isinstance(child.get("status"), int):
            continue
        name = child.get("id")
        number = int(name) if isinstance(name, str) and name.isascii() and name.isdecimal() else -1
        if number in pending and number not in answers:
            headers = child.get("headers")
            given = headers.items() if isinstance(headers, dict) else ()
            folded = CIMultiDict((key, str(value)) for key, value in given)
            answers[number] = Answer(child["status"], folded, child.get("body"))
    return list(answers.items())


def _by_key(users: Iterable[dict[str, Any]]) -> dict[str, Account]:
    found = {}
    for user in users:
        object_id, name = _text(user, "id"), _text(user, "userPrincipalName")
        if not object_id or not name:
            continue
        enabled, changed = user.get("accountEnabled"), user.get("lastPasswordChangeDateTime")
        account = Account(
            object_id=object_id,
            user=name,
            display_name=_text(user, "displayName"),
            kind=_kind(user),
            enabled=enabled if isinstance(enabled, bool) else None,
            password_changed_at=changed if isinstance(changed, str) else None,
        )
        found[object_id.lower()] = account
        found[name.lower()] = account
    return found


def _kind(user: dict[str, Any]) -> Kind:
    if user.get("onPremisesSyncEnabled") is True:
        return Kind.SYNCHRONISED
    return Kind.GUEST if _text(user, "userType").lower() == "guest" else Kind.CLOUD


def _role(role: dict[str, Any]) -> str:
    return _text(role, "displayName") or _text(role, "roleTemplateId") or _text(role, "id")


def _values(body: Any) -> list[dict[str, Any]]:
    values = body.get("value") if isinstance(body, dict) else None
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _text(value: Any, name: str) -> str:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
