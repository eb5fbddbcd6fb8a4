"""Looking accounts up by what people call them: mail, aliases, logon names of Active Directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchreset.auth.token import GivenToken
from batchreset.errors import DirectoryError
from batchreset.graph.answers import accounts
from batchreset.graph.directory import Directory
from batchreset.graph.queries import BATCH_REQUESTS, COMPARISONS, by_mail, by_names, going_by
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Turnstile
from batchreset.model import Account, Kind
from batchreset.policy.lookups import BY_MAIL
from batchreset.policy.pace import Pacer
from batchreset.rehearsal.behaviour import UNHINDERED, Route
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant
from batchreset.secret import Secret
from tests.support.clock import run_virtual
from tests.support.desk import upn, user
from tests.support.scripted import answering, as_json, talking_to

if TYPE_CHECKING:
    from aiohttp import web

    from batchreset.rehearsal.population import User


def find(users: list[User], *keys: str) -> tuple[dict[str, list[str]], list[int]]:
    """Look keys up in a simulated tenant of these users; return who goes by each, and the children of each $batch."""

    async def look_up() -> tuple[dict[str, list[str]], list[int]]:
        tenant = Tenant(users, UNHINDERED)
        rounds: list[int] = []
        async with (
            serve(tenant) as url,
            GraphSession(url, GivenToken(Secret(tenant.token)), connections=8) as graph,
        ):

            def note(_: object) -> None:
                rounds.append(tenant.requests[Route.USERS, 200] - sum(rounds))

            found = await Directory(graph, Turnstile(Pacer()), note).find(keys)
        assert not tenant.requests[Route.USERS, 400]
        return {key: [each.user.partition("@")[0] for each in them] for key, them in found.items()}, rounds

    return run_virtual(look_up())


def from_premises(name: str, logon_name: str, domain: str = "corp.contoso.example") -> User:
    return user(name, synchronised=True, sam_account_name=logon_name, on_premises_domain=domain)


PEOPLE = [
    user("ana", mail="ana.silva@contoso.example", aliases=("A.Silva@Contoso.example", "as@contoso.example")),
    user("ben", mail="ana@contoso.example"),
    user("cem", mail="team@contoso.example"),
    user("dora", aliases=("team@contoso.example",)),
    from_premises("u1", "Zoe"),
    from_premises("u2", "zoe", "emea.contoso.example"),
    from_premises("u3", "yui", "ad.fabrikam.example"),
    from_premises("u4", "ido"),
]


def test_an_address_is_a_user_principal_name_first_and_a_mailbox_else() -> None:
    """By mail or an alias, in any case; both are found where one has it as name, and another gets the mail.

    Where it stands for a user principal name only, mailboxes are not looked for. Whoever has it as both is looked for
    once, all the others cost another round.
    """
    strict, loose = upn("as"), f"smtp:{upn('as')}"
    keys = [f"smtp:{upn('ana.silva')}", f"smtp:{upn('a.silva')}", strict, loose, f"smtp:{upn('nobody')}"]
    found, rounds = find(PEOPLE, *keys, f"smtp:{upn('ana')}", upn("ben"), f"smtp:{upn('team')}")
    assert found == {
        f"smtp:{upn('ana.silva')}": ["ana"],
        f"smtp:{upn('a.silva')}": ["ana"],
        loose: ["ana"],
        f"smtp:{upn('ana')}": ["ana", "ben"],
        upn("ben"): ["ben"],
        f"smtp:{upn('team')}": ["cem", "dora"],
    }
    assert rounds == [1, 2]
    dual = user("dual", aliases=(upn("d"),))
    assert find([dual], f"smtp:{upn('dual')}", upn("as")) == ({f"smtp:{upn('dual')}": ["dual"]}, [1])


def test_a_logon_name_is_narrowed_by_its_domain() -> None:
    """By its DNS name: whose a NetBIOS name is, is a guess. One of another domain is returned, not taken for it."""
    by_netbios_name = ["corp\\zoe", "corp\\ido", "corp\\yui", "fabrikam\\yui", "x\\y"]
    keys = ["corp.contoso.example\\zoe", "emea.contoso.example\\zoe", *by_netbios_name, "\\zoe", "\\ido"]
    found, rounds = find(PEOPLE, *keys)
    assert found == {
        "corp.contoso.example\\zoe": ["u1"],
        "corp\\zoe": ["u1", "u2"],
        "corp\\ido": ["u4"],
        "emea.contoso.example\\zoe": ["u2"],
        "\\zoe": ["u1", "u2"],
        "\\ido": ["u4"],
        "corp\\yui": ["u3"],
        "fabrikam\\yui": ["u3"],
    }
    assert rounds == [1]


def test_a_batch_never_holds_more_than_twenty() -> None:
    """Also where names of several kinds, or mailboxes, take more children than that."""
    names = [upn(f"user{number}") for number in range(298)]
    _, rounds = find(PEOPLE, *names, "6b4b76b0-e179-4773-a6e0-f3c09514b7dd", "\\zoe")
    assert rounds == [20, 2]
    _, rounds = find([], *(BY_MAIL + name for name in names[:120]))
    assert rounds == [8, 20, 4]


def test_what_stands_on_a_further_page_counts() -> None:
    """A hit that was missed would make a name look like one person's; a page that leads elsewhere is refused."""
    links = ["/v1.0/users?more"]

    def page(name: str, **more: str) -> dict[str, Any]:
        told = {"id": f"id-{name}", "userPrincipalName": upn(name), "onPremisesSamAccountName": "Zoe"}
        return {"value": [told], **more}

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.method == "GET":
            assert request.headers["ConsistencyLevel"] == "eventual"
            return as_json(page("b"))
        (child,) = (await request.json())["requests"]
        assert (child["headers"], child["url"].endswith("&$count=true")) == ({"ConsistencyLevel": "eventual"}, True)
        body = page("a", **{"@odata.nextLink": links[0]})
        return as_json({"responses": [{"id": child["id"], "status": 200, "body": body}]})

    async def look_up() -> list[str]:
        async with answering(handle) as root, talking_to(root) as graph:
            found = await Directory(graph, Turnstile(Pacer()), lambda _: None).find(["\\zoe"])
        return [account.user for account in found["\\zoe"]]

    assert run_virtual(look_up()) == [upn("a"), upn("b")]
    links[:] = ["https://evil.example/v1.0/users"]
    with pytest.raises(DirectoryError, match="leads to another host"):
        run_virtual(look_up())


def test_only_addresses_that_receive_mail_name_an_account() -> None:
    """Of the proxy addresses those of SMTP; a domain counts only where the directory tells it."""
    told = {
        "id": "ID-1",
        "userPrincipalName": "Ana@contoso.example",
        "mail": "A@contoso.example",
        "proxyAddresses": ["SMTP:A@contoso.example", "Smtp:b@contoso.example", "SIP:c@contoso.example", "x500:/o=d", 7],
        "onPremisesSamAccountName": "Ana",
    }
    (account,) = accounts({"value": [told]}) or []
    assert account.names == {
        *("id-1", "ana@contoso.example", "smtp:a@contoso.example", "smtp:b@contoso.example", "\\ana"),
    }
    (account,) = accounts({"value": [told | {"mail": None, "onPremisesDomainName": "Corp.Contoso.example"}]}) or []
    assert {"corp\\ana", "corp.contoso.example\\ana"} < account.names
    assert BY_MAIL not in account.names


NAMES = st.lists(
    st.sampled_from([f"{mark}n{n}{end}" for mark in ("", "\\", "d\\") for n in range(40) for end in ("", "@x.example")])
)


@given(NAMES)
@settings(max_examples=50)
def test_filters_ask_for_each_name_and_keep_within_the_limits(names: list[str]) -> None:
    """No filter compares more than fifteen times, and each name is in one of the right kind, quotes doubled."""
    quoted = [name.replace("n1", "n'1") for name in names]
    queries = [*by_names(quoted), *by_mail(BY_MAIL + name for name in dict.fromkeys(quoted) if "@" in name)]
    filters = [unquote(query.path).partition("$filter=")[2].partition("&$select")[0] for query in queries]
    assert all(each.replace("''", "").count("'") <= 2 * COMPARISONS for each in filters)
    for name in quoted:
        kind = "onPremisesSamAccountName" if "\\" in name else "userPrincipalName" if "@" in name else "id"
        value = name.rpartition("\\")[2].replace("'", "''")
        assert any(each.startswith(f"{kind} in (") and f"'{value}'" in each for each in filters)
    assert BATCH_REQUESTS * COMPARISONS == 300


LOGON_NAMES = st.tuples(st.sampled_from("abc"), st.sampled_from(["", "d.x", "e.x"]))


@given(st.lists(LOGON_NAMES, max_size=6), st.sampled_from("abc"))
def test_whoever_is_left_out_of_a_look_up_goes_by_another_name(people: list[tuple[str, str]], wanted: str) -> None:
    """Without a domain all of that name are found, with it those in it; where none is, those elsewhere."""
    known = [
        Account(f"{number}", "", "", Kind.CLOUD, None, None, names=frozenset({f"\\{name}", f"{domain}\\{name}"}))
        for number, (name, domain) in enumerate(people)
    ]
    found = going_by({"all": f"\\{wanted}", "in": f"d.x\\{wanted}"}, known)
    everybody = [f"{number}" for number, (name, _) in enumerate(people) if name == wanted]
    there = [f"{number}" for number, each in enumerate(people) if each == (wanted, "d.x")]
    assert [each.object_id for each in found.get("all", ())] == everybody
    assert [each.object_id for each in found.get("in", ())] == (there or everybody)
