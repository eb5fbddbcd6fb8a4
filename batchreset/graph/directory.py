"""Reading the directory: who is signed in, who holds a role, whom the cohort names, when a password changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batchreset.auth.bearer import read
from batchreset.clock import utc_now
from batchreset.errors import DirectoryError, SignInError
from batchreset.graph.answers import accounts, children, role_name, text_in, values_in
from batchreset.graph.retry import until_decided
from batchreset.graph.session import MAX_BATCH_BODY
from batchreset.model import Operator, Reason
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
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from batchreset.auth.bearer import Bearer
    from batchreset.graph.session import Exchange, GraphSession
    from batchreset.graph.turnstile import Turnstile
    from batchreset.model import Account
    from batchreset.policy.verdict import Result

#: Microsoft's limits: values in one `in (...)`, requests in one $batch.
IN_VALUES = 15
BATCH_REQUESTS = 20
#: Accounts that one $batch looks up.
LOOKUP_SIZE = IN_VALUES * BATCH_REQUESTS

#: Pages of a collection: a hundred thousand entries, where a page holds a hundred.
_MOST_PAGES = 1000
_SELECT = (
    "id,userPrincipalName,displayName,accountEnabled,userType,onPremisesSyncEnabled,lastPasswordChangeDateTime,"
    "mail,proxyAddresses"
)


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
        if not text_in(tenant, "id"):
            raise DirectoryError("The directory did not tell which tenant this is; nothing was sent.")
        if me is not None:
            object_id, user = text_in(me, "id") or None, text_in(me, "userPrincipalName")
        else:
            object_id, user = None, f"application {bearer.client_id}" if bearer else "an application"
        return Operator(object_id, user, text_in(tenant, "id"), text_in(tenant, "displayName"))

    async def _me(self) -> dict[str, Any] | None:
        """Read who is signed in; None where it is an application, which Graph has no `me` for (400)."""
        try:
            return await self._read("/me?$select=id,userPrincipalName", lambda told: bool(text_in(told, "id")))
        except LookUpRefusedError as error:
            if error.reason is not Reason.REQUEST_REFUSED:
                raise
            return None

    async def _tenant(self, bearer: Bearer | None) -> dict[str, Any]:
        """Read which tenant this is; where that is refused, the token names it by its id."""
        try:
            page = await self._read("/organization?$select=id,displayName", _page_of("id"))
        except LookUpRefusedError:
            if bearer is None or not bearer.tenant_id:
                raise
            return {"id": bearer.tenant_id}
        return (values_in(page) or [{}])[0]

    async def own_roles(self, operator: Operator) -> frozenset[str] | None:
        """Return the directory roles that whoever is signed in holds now, by their names, or ids where none is told.

        A person's through groups too, an application's own ones only. None where they may not be read.
        Source: "List a user's memberships (direct and transitive)" and "List unifiedRoleAssignments".
        """
        try:
            if not operator.is_application:
                path = "/me/transitiveMemberOf/microsoft.graph.directoryRole?$select=id,displayName,roleTemplateId"
                found = [role_name(role) async for page in self._pages(path) for role in page]
            elif (bearer := read(await self._graph.token())) and bearer.object_id:
                mine = quote(f"principalId eq '{bearer.object_id}'", safe="")
                path = f"/roleManagement/directory/roleAssignments?$filter={mine}&$expand=roleDefinition"
                found = [
                    text_in(assigned.get("roleDefinition"), "displayName") or text_in(assigned, "roleDefinitionId")
                    async for page in self._pages(path)
                    for assigned in page
                ]
            else:
                return None
        except LookUpRefusedError:
            return None
        return frozenset(found) if all(found) else None

    async def privileged(self) -> frozenset[str]:
        """Return the object ids, in lower case, of all who hold a directory role; read once for the tenant."""
        found = {
            text_in(assignment, "principalId").lower()
            async for page in self._pages(
                "/roleManagement/directory/roleAssignments?$select=principalId", "principalId"
            )
            for assignment in page
        }
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
                for number, answer in children(exchange.result, pending):
                    child = judge(answer, utc_now())
                    told.append((child, answer))
                    users = accounts(answer.body) if isinstance(child, Accepted) else None
                    if users is not None:
                        del pending[number]
                        found.update(users)
            throttled = [(each, result) for each, result in told if isinstance(each, Throttled)]
            longest, its_result = max(throttled, key=lambda each: each[0].retry_after or 0.0, default=told[0])
            self._turnstile.tell(longest, stamp, its_result)
            tries += not throttled
            return _next([each for each, _ in told], done=not pending, tries=tries, what="the accounts")

        await until_decided(attempt)
        return {key: found[key] for key in keys if key in found}

    async def _read(self, path: str, fits: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
        """GET one thing; retried, also where the answer is no object that `fits`."""
        tries = 0
        body: dict[str, Any] = {}

        async def attempt() -> _Try:
            nonlocal tries, body
            stamp = await self._turnstile.permit()
            exchange = await self._graph.send("GET", path)
            self._journal(exchange)
            verdict = judge(exchange.result, utc_now())
            self._turnstile.tell(verdict, stamp, exchange.result)
            tries += not isinstance(verdict, Throttled)
            told = exchange.result.body if isinstance(exchange.result, Answer) else None
            if isinstance(verdict, Accepted) and isinstance(told, dict) and fits(told):
                body = told
            return _next([verdict], done=bool(body), tries=tries, what=path.partition("?")[0])

        await until_decided(attempt)
        return body

    async def _pages(self, path: str, key: str = "") -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the values of each page, to the end. Each has a text under `key`.

        Raises `DirectoryError` where the end does not come, too.
        """
        page = path
        for _ in range(_MOST_PAGES):
            body = await self._read(page, _page_of(key))
            yield values_in(body) or []
            link = body.get("@odata.nextLink")
            if link is None:
                return
            following = self._graph.resolve(link) if isinstance(link, str) and link else None
            if following is None:
                raise DirectoryError("The directory's next page leads to another host; it was not followed.")
            page = following
        raise DirectoryError(
            f"The directory's pages do not end ({path.partition('?')[0]}: {_MOST_PAGES:,} were read); nothing was sent."
        )


async def ask_about(graph: GraphSession, object_id: str) -> Exchange:
    """Ask once when an account's password last changed; the caller decides when to ask again."""
    return await graph.send("GET", f"/users/{quote(object_id, safe='')}?$select=id,lastPasswordChangeDateTime")


async def probe(graph: GraphSession) -> Exchange:
    """Ask for something harmless, to see whether the service answers."""
    return await graph.send("GET", "/organization?$select=id")


def _page_of(key: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: values_in(body, key) is not None


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
