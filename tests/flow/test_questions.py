"""What is asked before passwords are changed, what is refused whatever the answer, and what --what-if shows."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import batchreset
from batchreset.errors import RefusedError
from batchreset.rehearsal.behaviour import UNHINDERED
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR
from batchreset.rehearsal.tenant import Tenant
from tests.support.desk import upn, user, users
from tests.support.program import Ended, at_home, call, sign_in, tenant_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADMINS = [user(f"admin{number:02}", roles=(GLOBAL_ADMINISTRATOR,)) for number in range(12)]


class Desk:
    """A user on a terminal, signed in to a simulated tenant."""

    def __init__(self, folder: Path, tenant: Tenant, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.tenant = tenant
        self._capture = capture

    def cohort(self, *names: str) -> str:
        lines = [name if "@" in name else upn(name) for name in names]
        (self.folder / "cohort.csv").write_text("\n".join(["userPrincipalName", *lines]), encoding="utf-8")
        return "cohort.csv"

    def call(self, *arguments: str, types: str | None = None) -> Ended:
        """Run a command in this process; None types nothing, since there is no terminal."""
        return call(self._capture, *arguments, types=types)

    def written_to(self) -> int:
        return sum(bool(account.events) for account in self.tenant.accounts.values())

    @property
    def latest(self) -> str:
        return max(path.name for path in (self.folder / "reports").iterdir() if not path.name.startswith("."))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    tenant = Tenant([*users(12), *ADMINS], replace(UNHINDERED, may_reset_privileged=True))
    at_home(tmp_path, monkeypatch)
    with tenant_beside(tenant) as url:
        sign_in(monkeypatch, tenant, url)
        yield Desk(tmp_path, tenant, capsys)


def test_privileged_accounts_are_asked_about_by_their_number(desk: Desk) -> None:
    """A yes to all is none to them: their own number is to be typed, and ten of them are named; --yes is enough."""
    cohort = desk.cohort("user000", *(admin.display_name.lower() for admin in ADMINS))
    refused = desk.call("run", cohort, "--include-privileged", types="yes\nyes\n")
    assert refused.status == 5
    assert "Reset the passwords of 13 accounts in Contoso Rehearsal (7f1c9f6e" in refused.err
    assert "Type yes to go on" in refused.err
    assert "12 accounts of them are privileged: admin00@contoso.example, " in refused.err
    assert "admin09@contoso.example and 2 more. Reset these too?\nType 12 to go on" in refused.err
    assert "the answer was no. The plan is kept: batchreset resume" in refused.err.splitlines()[-1]
    assert desk.written_to() == 0

    unasked = desk.call("resume", desk.latest)
    assert "there is no terminal to ask on" in unasked.err
    done = desk.call("resume", desk.latest, "--limit", "1", types="yes\n12\n")
    assert done.status == 130, done.err
    assert "Reset the passwords of 1 of 13 accounts now in Contoso Rehearsal" in done.err
    assert desk.written_to() == 1
    assert desk.call("resume", desk.latest, "--yes").status == 0
    assert desk.written_to() == 13


def test_whom_whoever_resumes_protects_is_left_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With whom the planner protects; the digest that was agreed to is of the plan, and holds."""
    cohort = desk.cohort("user000", "user001", "user002")
    digest = json.loads(desk.call("plan", cohort, "--protect", upn("user000"), "--json").out)["plan_digest"]
    monkeypatch.setenv("BATCHRESET_PROTECT", upn("user001"))
    done = desk.call("resume", desk.latest, "--yes", "--plan-digest", digest, "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert (told["counts"]["succeeded"], told["reasons"], desk.written_to()) == (1, {"protected": 2}, 1)


def test_a_cohort_of_strangers_is_refused_whatever_anybody_says(desk: Desk) -> None:
    """By run, plan, --what-if, resume and the library: how many, three of them, the tenant's domains, what to do."""
    strangers = [f"stranger{number}@elsewhere.example" for number in range(5)]
    cohort = desk.cohort(*(f"user{number:03}" for number in range(12)), *strangers)
    shown = desk.call("plan", cohort)
    assert shown.status == 5
    assert "to be reset    12 of 17 rows" in shown.out
    assert "Carry it out" not in shown.out
    (sentence,) = shown.err.splitlines()[-1:]
    assert sentence.startswith(
        "batchreset: 5 of the 17 accounts that were looked up are not in Contoso Rehearsal (7f1c9f6e-3c58-4d0e-9a53-"
        "52d3c0a1b6f4): stranger0@elsewhere.example, stranger1@elsewhere.example, stranger2@elsewhere.example and 2 "
        "more. Its verified domains are: contoso.example."
    )
    assert "the wrong column (--column)" in sentence
    assert "--allow-not-found" in sentence
    for arguments in (["run", cohort, "--yes"], ["run", cohort, "--what-if"], ["resume", desk.latest, "--yes"]):
        refused = desk.call(*arguments)
        assert (refused.status, refused.err.splitlines()[-1].startswith("batchreset: 5 of the 17 ")) == (5, True)

    async def in_python() -> object:
        settings = batchreset.Settings(graph_url=desk.tenant.url, out=desk.folder / "reports")
        return await batchreset.run(await batchreset.plan(desk.folder / cohort, settings), settings)

    with pytest.raises(RefusedError, match="5 of the 17 accounts"):
        asyncio.run(in_python())
    assert desk.written_to() == 0
    done = desk.call("resume", desk.latest, "--yes", "--allow-not-found")
    assert (done.status, desk.written_to()) == (6, 12), done.err


@pytest.mark.parametrize(("known", "strangers", "status"), [(12, 4, 0), (45, 5, 0), (44, 5, 5)])
def test_a_few_strangers_are_left_out_and_no_more(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    known: int,
    strangers: int,
    status: int,
) -> None:
    """Under five of them, or up to a tenth, may be misspelt or gone; blanks and duplicates do not count."""
    tenant = Tenant(users(known), UNHINDERED)
    at_home(tmp_path, monkeypatch)
    with tenant_beside(tenant) as url:
        sign_in(monkeypatch, tenant, url)
        desk = Desk(tmp_path, tenant, capsys)
        names = [f"user{number:03}" for number in range(known)] + [f"gone{number}" for number in range(strangers)]
        assert desk.call("plan", desk.cohort(*names, *["user000"] * 9)).status == status


def test_what_if_is_plan(desk: Desk) -> None:
    """The same page and the same keys of JSON, nobody is asked or written to, and it can be carried out."""
    cohort = desk.cohort("user000", "user001")
    planned, what_if = desk.call("plan", cohort), desk.call("run", cohort, "--what-if", "--yes")
    assert (planned.status, what_if.status) == (0, 0), what_if.err
    assert [line.split()[:1] for line in what_if.out.splitlines()] == [
        line.split()[:1] for line in planned.out.splitlines()
    ]
    told = [
        json.loads(desk.call(*arguments, "--json").out)
        for arguments in (("plan", cohort), ("run", cohort, "--what-if"))
    ]
    assert told[0].keys() == told[1].keys()
    assert (told[1]["state"], told[1]["ready"]) == ("planned", 2)
    assert desk.written_to() == 0
    done = desk.call("resume", told[1]["run_id"], "--plan-digest", told[1]["plan_digest"], types="yes\n")
    assert (done.status, desk.written_to()) == (0, 2), done.err
    assert "Sessions:  2 revoked\n" in done.out
    refused = desk.call("resume", told[0]["run_id"], "--plan-digest", told[1]["plan_digest"], "--yes")
    assert refused.status == 5
    assert "is not the plan that was agreed to" in refused.err


def test_what_is_left_to_do_after_the_resets_is_asked_about(desk: Desk) -> None:
    """Sign-in that was blocked is opened by resume --enable, once that is agreed to, for as many as it says."""
    cohort = desk.cohort("user000", "user001", "user002")
    done = desk.call("run", cohort, "--disable", "--revoke-sessions", "never", "--yes")
    assert done.status == 0, done.err
    assert (
        f"Sign-in is still blocked for 3 accounts; batchreset resume reports/{desk.latest} --enable opens it again for "
        "those that were reset." in done.out
    )
    refused = desk.call("resume", desk.latest, "--enable", types="no\n")
    assert refused.status == 5
    assert "still due      sign-in is to be opened again for 3 accounts" in refused.err
    assert "Open sign-in again for 3 accounts in Contoso Rehearsal" in refused.err
    opened = desk.call("resume", desk.latest, "--enable", types="yes\n")
    assert opened.status == 0, opened.err
    assert "Sign-in is still blocked" not in opened.out
    assert all(account.enabled for account in desk.tenant.accounts.values())
    nothing_left = desk.call("resume", desk.latest, "--enable")
    assert nothing_left.status == 0


def test_nothing_at_all_names_a_cohort(desk: Desk) -> None:
    """That is a wrong command line, and says what may be given."""
    refused = desk.call("plan")
    assert refused.status == 2
    assert "--group" in refused.err
    assert "--risky-users" in refused.err
