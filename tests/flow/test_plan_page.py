"""A plan as a page that a person can take in, on the terminal and as plan.html."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from batchreset.cli.words import plan_text, plan_values
from batchreset.model import RevokeSessions
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR
from batchreset.status import database
from tests.support.clock import run_virtual
from tests.support.desk import at_desk, upn, user, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan

HOSTILE = "<img src=x onerror=alert(1)>"
ACCOUNTS = [
    *users(52),
    user("ana", roles=(GLOBAL_ADMINISTRATOR,)),
    user("gone", enabled=False),
    user("robot", never_expires=True),
    user("local", synchronised=True),
    user("unit", restricted=True),
    user("visitor", guest=True),
]
STRANGERS = [f"stranger{number}@elsewhere.example" for number in range(4)] + ["lost@contoso.example"]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Plan a cohort with some of each kind, and all options that a plan tells of."""

    async def go() -> Plan:
        async with at_desk(
            tmp_path_factory.mktemp("page"),
            ACCOUNTS,
            canary=None,
            include_privileged=True,
            revoke_sessions=RevokeSessions.BOTH,
            disable=True,
            limit=40,
            stop_after="2h",
            rate=5.0,
            protect=(upn("user007"),),
            ticket="INC-4711",
            justification="<b>leaked</b>",
        ) as desk:
            names = [account.user_principal_name for account in ACCOUNTS]
            return await desk.plan(*names, names[0].upper(), '""', *STRANGERS, f'"{HOSTILE}"')

    return run_virtual(go())


def test_the_terminal_shows_all_that_is_to_be_known(plan: Plan) -> None:
    """Who, in which order, by which route, with what around it, how long it takes, and within which bounds."""
    text = plan_text(plan)
    facts = dict(re.findall(r"^  (\S[\w -]*?)  +(.*)$", text.partition("\n\n")[2].partition("\n\n")[0], re.MULTILINE))
    assert facts["to be reset"] == (
        "55 of 66 rows: 54 cloud, 1 synchronised; of them 1 privileged, 1 blocked already, 1 likely used by programs"
    )
    assert facts["order"] == (
        "3 first, as a canary (user000@contoso.example, local@contoso.example, user001@contoso.example): the others "
        "once each of them has succeeded; of each on-premises domain one account before the rest of it; privileged "
        "accounts before others; as in the cohort"
    )
    assert facts["sessions"] == "revoked before the reset, and again once it has succeeded"
    assert facts["sign-in"] == (
        "blocked before the reset, stays blocked until --enable opens it; synchronised accounts are to be disabled in "
        "Active Directory too"
    )
    assert facts["duration"] == (
        "about 32 s to send 160 writes, by --rate 5 (Graph's documented quota of 20 writes a second would allow more)"
    )
    assert facts["bounds"] == (
        "32 requests at once (--workers); 5 writes a second at most (--rate); 40 accounts now and no more (--limit); "
        "nothing more is sent after 2h (--stop-after); halts when over 20%, and at least 10, have failed "
        "(--max-failures)"
    )
    assert (facts["ticket"], facts["justification"]) == ("INC-4711", "<b>leaked</b>")


def test_who_is_left_out_is_named(plan: Plan) -> None:
    """Why, how many and who, the first few of them by name; duplicates and blanks are counted."""
    section = re.search(r"Left out:\n(.*?)\n\n", plan_text(plan), re.DOTALL)
    assert section
    assert [" ".join(line.split()) for line in section[1].splitlines()] == [
        f"5 not_found {', '.join(STRANGERS)}",
        "1 blank",
        "1 duplicate",
        "1 guest visitor@contoso.example",
        f"1 invalid_identifier {HOSTILE[:3]}…",
        "1 protected user007@contoso.example",
        "1 restricted unit@contoso.example",
    ]


def test_what_is_to_be_minded_is_said(plan: Plan) -> None:
    """Accounts of programs, strangers by their domain, and who is out of reach of whoever is signed in, by name."""
    text = plan_text(plan)
    assert "signing in with 1 account, whose password never expires: robot@contoso.example. They will fail" in text
    assert "4 accounts of the cohort are outside the tenant's verified domains: elsewhere.example (4)." in text
    assert re.search(r"1 account holds a role that an? Authentication Administrator may not reset: ana@", text)


def test_json_says_the_same(plan: Plan) -> None:
    """As numbers and lists, for scripts."""
    told = json.loads(json.dumps(plan_values(plan)))
    assert told["kinds"] == {"cloud": 54, "synchronised": 1}
    assert told["marks"] == {"privileged": 1, "out of reach": 1, "disabled": 1, "likely service account": 1}
    assert (told["looked_up"], told["excluded"]["not_found"]) == (63, 5)
    assert told["outside"] == {"elsewhere.example": 4}
    assert told["canaries"] == [upn("user000"), upn("local"), upn("user001")]
    assert (told["revoke_sessions"], told["disable"], told["enable"]) == ("both", True, False)
    assert told["predicted_seconds"] == 32
    assert told["plan_digest"] == plan.record.plan_digest
    assert len(told["warnings"]) == 4


def test_the_page_says_it_to_people_and_runs_nothing(plan: Plan) -> None:
    """Every name of those left out is on it, with what the reason means; a name of somebody's making stays a name."""
    page = (plan.folder / "plan.html").read_text(encoding="utf-8")
    assert (plan.folder / "plan.html").stat().st_mode & 0o077 == 0
    assert "<h1>55 accounts to be reset in Contoso Rehearsal</h1>" in page
    assert all(f"<bdi>{name}</bdi>" in page for name in [*STRANGERS, upn("visitor"), upn("user050")])
    assert "Not in this tenant" in page
    assert "<dd>INC-4711</dd>" in page
    assert f"batchreset resume {plan.run_id} --plan-digest {plan.record.plan_digest}" in page
    assert HOSTILE not in page
    assert "<b>leaked" not in page
    assert "&lt;im…" in page
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert policy.startswith("default-src 'none';")
    assert b64encode(sha256(style.encode()).digest()).decode() in policy
    assert not re.search(r"<script|<link|https?://(?!127\.0\.0\.1)|\son\w+=\"", page.partition("<body>")[2])


def test_the_audit_trail_says_what_was_planned(plan: Plan) -> None:
    """With ticket and justification, and by its digest."""
    engine = database.connect(plan.folder)
    with engine.connect() as connection:
        told = connection.exec_driver_sql("select fields from audit where event = 'planned'").scalar_one()
    engine.dispose()
    assert json.loads(told) == {
        "plan_digest": plan.record.plan_digest,
        "operator": "operator@contoso.example",
        "ticket": "INC-4711",
        "justification": "<b>leaked</b>",
    }


def test_a_plain_plan_is_short(tmp_path: Path) -> None:
    """What does not apply is not mentioned; without revoking, what stays is."""

    async def go() -> Plan:
        async with at_desk(tmp_path, users(2)) as desk:
            return await desk.plan()

    text = plan_text(run_virtual(go()))
    assert "to be reset    2 of 2 rows: 2 cloud\n" in text
    assert "order          as in the cohort\n" in text
    assert "sessions       not revoked: whoever is signed in stays so" in text
    assert not re.search("sign-in  |Left out|Mind|Not checked|ticket", text)
