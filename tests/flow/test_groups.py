"""Members of groups as a cohort: all of them, each once, in a file of the run's own."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

import batchreset
from batchreset.cli import asynchronous
from batchreset.cohort import EmptyError, inspect
from batchreset.engine.plan import Inputs, Plan, make
from batchreset.errors import RefusedError
from batchreset.model import State
from batchreset.rehearsal.behaviour import UNHINDERED, Behaviour, Route
from batchreset.rehearsal.population import BREAK_GLASS, Group, User
from batchreset.settings import IfEmpty
from batchreset.status import database, record, rows
from tests.support.clock import VirtualLoop, run_virtual
from tests.support.desk import Desk, Run, at_desk, object_id, upn, user, users
from tests.support.program import at_home
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Call


#: Of twelve thousand accounts.
NAMES = upns(12_000)


def group(name: str, *members: str, key: str = "") -> Group:
    """Make a group of accounts and groups by their names; groups of one name differ by `key`."""
    return Group(id=object_id(key or name), display_name=name, members=tuple(object_id(each) for each in members))


async def plan_lists(desk: Desk, *files: Path, **changes: Any) -> Plan:
    """Plan files, and what the settings list besides."""
    desk.settings = desk.settings.but(**changes)
    return await make(Inputs([str(file) for file in files], desk.tokens), desk.settings)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_twelve_thousand_members_of_nested_groups_are_a_row_each(tmp_path: Path) -> None:
    """Through three levels and many pages, also who belongs to two of the groups; the saved file is a cohort itself."""
    ids = [f"{number:08x}-3c58-4d0e-9a53-52d3c0a1b6f4" for number in range(12_000)]
    people = [User(id=key, user_principal_name=name, display_name=key) for key, name in zip(ids, NAMES, strict=True)]
    inner = Group(id=object_id("inner"), display_name="Inner", members=tuple(ids[8_000:]))
    middle = Group(id=object_id("middle"), display_name="Middle", members=(*ids[4_000:9_000], inner.id))
    outer = Group(id=object_id("outer"), display_name="Everybody", members=(*ids[:5_000], middle.id, inner.id))

    async def go() -> Plan:
        async with at_desk(tmp_path, people, UNHINDERED, (inner, middle, outer)) as desk:
            plan = await plan_lists(desk, group=("Everybody",))
            assert desk.tenant.requests[Route.MEMBERS, 200] == 13
            return plan

    plan = run_virtual(go())
    assert plan.ready == plan.rows == 12_000
    assert plan.run_id.partition("-")[2].startswith("everybody-")
    engine = database.connect(plan.folder)
    (source,) = record.load(engine).sources
    held = {work.object_id for work in rows.work(engine, State.READY)}
    engine.dispose()
    assert held == set(ids)
    saved = plan.folder / "group-Everybody.csv"
    assert (source.name, source.records, source.path) == (saved.name, 12_000, None)
    (by_itself,) = inspect([str(saved)], column="id")
    assert (by_itself.records, by_itself.sha256) == (12_000, source.sha256)
    with saved.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["id"] for line in lines] == ids
    assert [line["userPrincipalName"] for line in lines] == NAMES


def test_a_group_goes_together_with_files_and_other_groups(tmp_path: Path) -> None:
    """Who stands in two of them is reset once; the rows of a group name its file, and the tenant's record agrees."""
    formula = '=HYPERLINK("x")'

    async def go() -> Run:
        people = [user("ana"), user("ben", display_name=formula), user("cy"), user("dee")]
        groups = (group("Sales", "ben", "ana"), group("Sales", "cy", "ben", key="other"))
        async with at_desk(tmp_path, people, groups=groups) as desk:
            cohort = write(tmp_path / "leak.csv", "userPrincipalName", upn("ana"))
            named = (object_id("other"), object_id("Sales").upper(), object_id("other"))
            return await desk.carry_out(await plan_lists(desk, cohort, group=named))

    run = run_virtual(go())
    assert run.folder.name.partition("-")[2].startswith("leak-")
    assert [(row["source"], row["row"]) for row in run.rows] == [
        ("leak.csv", "2"),
        ("group-Sales.csv", "2"),
        ("group-Sales.csv", "3"),
        ("group-Sales (2).csv", "2"),
        ("group-Sales (2).csv", "3"),
    ]
    assert [row["reason"] for row in run.rows] == ["", "", "", "duplicate", "duplicate"]
    assert {row["detail"].partition(" row ")[0] for row in run.rows[3:]} == {
        "the same account as leak.csv",
        "the same account as group-Sales.csv",
    }
    assert [run.sends(name) for name in ("ana", "ben", "cy", "dee")] == [1, 1, 1, 0]
    assert run.disagreements() == []
    (ben,) = (row for row in run.rows[1:3] if row["user"] == upn("ben"))
    assert ben["identifier"] == object_id("ben")
    assert ben["cohort.displayName"].endswith(formula)
    assert "'" + formula.replace('"', '""') in (run.folder / "group-Sales.csv").read_text(encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("Nobody's group", "--group Nobody's group: there is no such group in this tenant"),
        (object_id("nothing"), "there is no such group in this tenant"),
        ("twins", f"2 groups have this name; .*{object_id('Twins')}, {object_id('twin 2')}"),
    ],
)
def test_a_group_that_is_not_sure_is_refused(tmp_path: Path, named: str, said: str) -> None:
    """One that is not there, and one of several of that name, which are told by their ids; no run folder is left."""

    async def go() -> None:
        twins = (group("Twins", "user000"), group("Twins", "user001", key="twin 2"))
        async with at_desk(tmp_path, users(2), groups=twins) as desk:
            await plan_lists(desk, group=(named,))

    with pytest.raises(RefusedError, match=said):
        run_virtual(go())
    assert not list(tmp_path.glob("*Z-*"))


@pytest.mark.parametrize("route", [Route.GROUPS, Route.MEMBERS])
def test_a_group_that_may_not_be_read_is_refused(tmp_path: Path, route: Route) -> None:
    """The permission is named that allows it."""
    closed = Behaviour(forbidden=frozenset({route}))

    async def go() -> None:
        async with at_desk(tmp_path, users(1), closed, [group("Ann's", "user000")]) as desk:
            await plan_lists(desk, group=("ann's",))

    with pytest.raises(RefusedError, match=r"--group .*nothing was sent\. GroupMember\.Read\.All allows it"):
        run_virtual(go())


def test_a_group_without_anybody_is_an_empty_cohort(tmp_path: Path) -> None:
    """Refused, unless that is well: then it is left out, and nothing to do where nothing else has a row."""
    blank, file = write(tmp_path / "blank.csv", "upn"), write(tmp_path / "file.csv", "upn", upn("user000"))

    async def ask(*plans: tuple[Path, str], **settings: Any) -> list[str]:
        groups = (group("Empty", "Emptier"), group("Emptier"), group("One", "user001"))
        async with at_desk(tmp_path, users(2), groups=groups, **settings) as desk:
            made = [await plan_lists(desk, first, group=(name, "Empty")) for first, name in plans]
            return [source.name for plan in made for source in plan.record.sources]

    with pytest.raises(EmptyError, match="group-Empty is empty"):
        run_virtual(ask((file, "One")))
    with pytest.raises(EmptyError, match="group-Emptier is empty"):
        run_virtual(ask((blank, "Emptier"), if_empty=IfEmpty.OK))
    well = run_virtual(ask((file, "Empty"), (blank, "One"), if_empty=IfEmpty.OK))
    assert well == ["file.csv", "group-One.csv"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "CON", "risky-users", "a\x1b[31mb", "\u202egnp.exe"])
def test_no_name_of_a_group_leads_out_of_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whoever may make a group chooses its name, and nothing else; the library plans a group without a file, too."""

    async def go() -> Plan:
        async with at_desk(tmp_path, users(1), groups=[group(name, "user000")], group=(object_id(name),)) as desk:
            monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", desk.tenant.token)
            return await batchreset.plan([], desk.settings)

    plan = run_virtual(go())
    (source,) = plan.record.sources
    assert (plan.folder / source.name).is_file()
    assert source.name.startswith("group-")
    assert source.name.isprintable()
    assert plan.folder.parent == tmp_path


def test_a_cohort_is_a_file_or_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """Where neither is given the command line is wrong, and says what there is."""
    at_home(tmp_path, monkeypatch)
    for command in ("plan", "run"):
        ended = here(command)
        assert ended.status == 2
        assert "Missing argument 'COHORT': name a file, or - for standard input; or give --group" in ended.err
    assert here("rehearse", "--group", "Leaked accounts").status == 2


def test_a_rehearsal_has_groups_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """One of accounts that leaked, drawn from the cohort, and one of emergency access."""
    at_home(tmp_path, monkeypatch)
    monkeypatch.setattr(asynchronous, "_loop_factory", lambda: VirtualLoop)
    cohort = write(tmp_path / "cohort.csv", "upn", *upns(9), BREAK_GLASS[0].user_principal_name)
    ended = here(
        *("rehearse", str(cohort), "--group", "Leaked accounts", "--except-group", "Emergency access", "--risky-users"),
        *("--revoke-sessions", "never", "--json"),
    )
    assert ended.status == 0, ended.err
    told = json.loads(ended.out)
    lists = ["cohort.csv", "group-Leaked accounts.csv", "risky-users.csv"]
    assert [source["name"] for source in told["cohort"]["sources"]] == lists
    assert told["reasons"] == {"duplicate": 10, "protected": 1}
    assert told["counts"]["succeeded"] == 9
    assert told["disagreements"] == []
