"""Reading the directory: who is signed in, which tenant it is, whom the cohort names, when a password changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batchreset.auth.bearer import read
from batchreset.clock import utc_now
from batchreset.errors import DirectoryError, SignInError
from batchreset.graph import queries
from batchreset.graph.answers import accounts, children, role_name, text_in, values_in
from batchreset.graph.retry import until_decided
from batchreset.graph.session import MAX_BATCH_BODY
from batchreset.model import Operator, Reason
from batchreset.policy.attempts import MOST_TRANSIENT, backoff
from batchreset.policy.lookups import BY_MAIL
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
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from batchreset.auth.bearer import Bearer
    from batchreset.graph.queries import Query
    from batchreset.graph.session import Exchange, GraphSession
    from batchreset.graph.turnstile import Turnstile
    from batchreset.model import Account
    from batchreset.policy.verdict import Result

#: Pages of a collection: a hundred thousand entries, where a page holds a hundred.
_MOST_PAGES = 1000


class LookUpRefusedError(Exception):
    """The tenant does not let this sign-in read what was asked, for `reason`; `code` is Graph's, in lower case."""

    def __init__(self, refused: Refused) -> None:
        """Say what the service said."""
        super().__init__(refused.why)
        self.reason = refused.reason
        self.code = refused.code


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

    async def bearer(self) -> Bearer | None:
        """Return what the token says of itself; None where it is no JWT."""
        return read(await self._graph.token())

    async def operator(self) -> Operator:
        """Say who is signed in, and to which tenant. An application goes by its client id, where its token tells it."""
        bearer = await self.bearer()
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
            return await self.read("/me?$select=id,userPrincipalName", lambda told: bool(text_in(told, "id")))
        except LookUpRefusedError as error:
            if error.reason is not Reason.REQUEST_REFUSED:
                raise
            return None

    async def _tenant(self, bearer: Bearer | None) -> dict[str, Any]:
        """Read which tenant this is; where that is refused, the token names it by its id."""
        try:
            page = await self.read("/organization?$select=id,displayName", _page_of("id"))
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
                found = [role_name(role) async for page in self.pages(path) for role in page]
            elif (bearer := await self.bearer()) and bearer.object_id:
                mine = quote(f"principalId eq '{bearer.object_id}'", safe="")
                path = f"/roleManagement/directory/roleAssignments?$filter={mine}&$expand=roleDefinition"
                found = [
                    text_in(assigned.get("roleDefinition"), "displayName") or text_in(assigned, "roleDefinitionId")
                    async for page in self.pages(path)
                    for assigned in page
                ]
            else:
                return None
        except LookUpRefusedError:
            return None
        return frozenset(found) if all(found) else None

    async def domains(self) -> dict[str, bool]:
        """Return the tenant's verified domains in lower case, and whether each is federated; none where none is told.

        Source: Microsoft's "verifiedDomain resource type".
        """
        page = await self.read("/organization?$select=id,verifiedDomains", _page_of("id"))
        told = [each.get("verifiedDomains") for each in values_in(page) or []]
        listed = [domain for domains in told if isinstance(domains, list) for domain in domains]
        return {
            name.lower(): text_in(domain, "type").lower() == "federated"
            for domain in listed
            if (name := text_in(domain, "name"))
        }

    async def find(self, keys: Sequence[str]) -> dict[str, tuple[Account, ...]]:
        """Look accounts up by keys as `policy.lookups` has them; return those found by key, mostly one for each.

        What may be an address of a mailbox is looked up as a user principal name first. Where nobody has that name, or
        who has it does not receive the mail, a second round adds whose mailbox it is: somebody else's, perhaps.
        """
        names = {key: key.removeprefix(BY_MAIL) for key in keys}
        found = queries.going_by(names, await self._users(queries.by_names(names.values())))
        if others := queries.unreached(keys, found):
            reached = queries.going_by({key: key for key in others}, await self._users(queries.by_mail(others)))
            found = queries.together(found, reached)
        return {key: found[key] for key in keys if key in found}

    async def _users(self, asked: Iterable[Query]) -> list[Account]:
        """Return whom these queries find, as many in one $batch as it takes."""
        return [user for some in queries.batches(asked) for user in await self._batch(some)]

    async def _batch(self, asked: Sequence[Query]) -> list[Account]:
        """Send one $batch, its children retried one by one as they are throttled; return whom they find."""
        found: list[Account] = []
        pending = dict(enumerate(asked))
        further: list[tuple[str, Query]] = []
        tries = 0

        async def attempt() -> _Try:
            nonlocal tries
            stamp = await self._turnstile.permit()
            body = {"requests": [query.child(number) for number, query in pending.items()]}
            exchange = await self._graph.send("POST", "/$batch", body=body, max_body=MAX_BATCH_BODY)
            self._journal(exchange)
            verdict = judge(exchange.result, utc_now())
            told: list[tuple[Verdict, Result]] = [(verdict, exchange.result)]
            if isinstance(verdict, Accepted) and isinstance(exchange.result, Answer):
                for number, answer in children(exchange.result, pending):
                    child = judge(answer, utc_now())
                    told.append((child, answer))
                    users = accounts(answer.body) if isinstance(child, Accepted) else None
                    if users is not None:
                        found.extend(users)
                        query = pending.pop(number)
                        if following := self._following(answer.body):
                            further.append((following, query))
            throttled = [(each, result) for each, result in told if isinstance(each, Throttled)]
            longest, its_result = max(throttled, key=lambda each: each[0].retry_after or 0.0, default=told[0])
            self._turnstile.tell(longest, stamp, its_result)
            tries += not throttled
            return _next([each for each, _ in told], done=not pending, tries=tries, what="the accounts")

        await until_decided(attempt)
        for following, query in further:
            headers = queries.EVENTUALLY if query.is_advanced else None
            async for body in self._bodies(following, lambda told: accounts(told) is not None, headers):
                found.extend(accounts(body) or [])
        return found

    async def read(
        self, path: str, fits: Callable[[dict[str, Any]], bool] = bool, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """GET one thing; retried, also where the answer is no object that `fits`."""
        tries = 0
        body: dict[str, Any] = {}

        async def attempt() -> _Try:
            nonlocal tries, body
            stamp = await self._turnstile.permit()
            exchange = await self._graph.send("GET", path, headers=headers)
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

    async def pages(
        self, path: str, key: str = "", headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the values of each page, to the end. Each has a text under `key`.

        Raises `DirectoryError` where the end does not come, too.
        """
        async for body in self._bodies(path, _page_of(key), headers):
            yield values_in(body) or []

    async def _bodies(
        self, path: str, fits: Callable[[dict[str, Any]], bool], headers: Mapping[str, str] | None
    ) -> AsyncIterator[dict[str, Any]]:
        page = path
        for _ in range(_MOST_PAGES):
            body = await self.read(page, fits, headers)
            yield body
            following = self._following(body)
            if following is None:
                return
            page = following
        raise DirectoryError(
            f"The directory's pages do not end ({path.partition('?')[0]}: {_MOST_PAGES:,} were read); nothing was sent."
        )

    def _following(self, body: dict[str, Any]) -> str | None:
        """Return where the page after this one is; None where it is the last."""
        link = body.get("@odata.nextLink")
        if link is None:
            return None
        following = self._graph.resolve(link) if isinstance(link, str) and link else None
        if following is None:
            raise DirectoryError("The directory's next page leads to another host; it was not followed.")
        return following


async def ask_about(graph: GraphSession, object_id: str) -> Exchange:
    """Ask once when an account's password last changed; the caller decides when to ask again."""
    return await graph.send("GET", f"/users/{quote(object_id, safe='')}?$select=id,lastPasswordChangeDateTime")


async def ask_whether_open(graph: GraphSession, object_id: str) -> Exchange:
    """Ask once whether an account can sign in now."""
    return await graph.send("GET", f"/users/{quote(object_id, safe='')}?$select=id,accountEnabled")


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
