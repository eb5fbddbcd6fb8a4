"""Accounts that are left out because a file or a group names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchreset.engine.resume import prepare, settings_of
from batchreset.errors import CohortError, DirectoryError, RefusedError, UsageError
from batchreset.rehearsal.behaviour import Behaviour, Route
from batchreset.rehearsal.population import Group
from batchreset.settings import IfEmpty
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, happened, object_id, upn, user, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan

NAMES = ("ana", "ben", "cy", "dee", "eve")
BOARD = Group(id=object_id("board"), display_name="Board", members=(object_id("dee"), object_id("inner")))
INNER = Group(id=object_id("inner"), display_name="Inner", members=(object_id("eve"),))


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_the_excepted_are_known_by_both_their_names_and_from_groups(tmp_path: Path) -> None:
    """Whichever name file and cohort use; each says where it was named, and the tenant received no write for it.

    A run that is taken up again leaves the same ones out, though the file is gone and the group has lost its members;
    a plan whose file is gone or has changed is refused, naming it, unless that is how it is to be.
    """
    by_id = write(tmp_path / "staff.csv", "name,id", f"Ana,{object_id('ana').upper()}", ",")
    by_name = write(tmp_path / "more.txt", upn("ben").upper())

    async def go() -> tuple[Plan, Run]:
        people, excepted = [user(name) for name in NAMES], (by_id, by_name)
        async with at_desk(tmp_path, people, groups=(BOARD, INNER), except_=excepted, except_group=("board",)) as desk:
            cohort = (upn("ana"), object_id("ben"), upn("cy"), upn("dee"), object_id("eve"))
            plan = await desk.plan(*cohort, header="account")
            (tmp_path / "staff.csv").unlink()
            write(tmp_path / "more.txt", upn("ben"), upn("cy"))
            desk.tenant.groups.clear()
            desk.settings = settings_of(plan.folder, desk.settings)
            changed = r"more\.txt has changed: it held 1 records \(SHA-256 \w{12}\), and holds 2"
            with pytest.raises(
                RefusedError, match=rf"--except \S*staff\.csv is no longer there; --except \S*{changed}"
            ):
                await desk.resume(plan.folder)
            return plan, await desk.resume(plan.folder, anyway=True)

    plan, run = run_virtual(go())
    assert (plan.ready, dict(plan.excluded)) == (1, {"protected": 4})
    assert plan.record.unchecked == ()
    assert [(row["outcome"], row["reason"], row["detail"]) for row in run.rows] == [
        ("excluded", "protected", "named in staff.csv"),
        ("excluded", "protected", "named in more.txt"),
        ("succeeded", "", ""),
        ("excluded", "protected", "member of group Board"),
        ("excluded", "protected", "member of group Board"),
    ]
    assert [bool(happened(run.tenant, name)) for name in NAMES] == [False, False, True, False, False]
    assert run.status == 0


def refused(tmp_path: Path, *files: str, **settings: Any) -> str:
    """Return the sentence with which exceptions are refused; no run folder is left, and nothing was sent."""

    async def go() -> None:
        async with at_desk(tmp_path, users(2), except_=files, **settings) as desk:
            try:
                await desk.plan(upn("user000"), upn("user001"))
            finally:
                assert sum(map(len, (account.events for account in desk.tenant.accounts.values()))) == 0

    with pytest.raises((RefusedError, UsageError)) as caught:
        run_virtual(go())
    assert not list(tmp_path.glob("*Z-*"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("upn,name", upn("user000"), "user001,Joe"), "--except staff.csv, row 3: 'use…' in column 'upn' names no"),
        (("upn,name", upn("user000"), " ,Joe"), "--except staff.csv, row 3: its cell in column 'upn' names no account"),
        (("name,town", "Joe,York"), "--except staff.csv has no account column"),
        (("upn,name",), "--except staff.csv has a header but no rows"),
    ],
)
def test_exceptions_that_are_not_understood_are_refused(tmp_path: Path, lines: tuple[str, ...], said: str) -> None:
    """By file and row, also where a cohort may be empty: one who was misread would be reset. Nobody signs in first."""
    file = write(tmp_path / "staff.csv", *lines)
    assert said in refused(tmp_path, file, if_empty=IfEmpty.OK)


def test_exceptions_are_files_and_groups_with_somebody_in_them(tmp_path: Path) -> None:
    """Neither standard input nor a file that is not there, nor a group that is empty or unknown."""
    assert "--except -: standard input can only be the cohort" in refused(tmp_path, "-")
    assert "--except nowhere.csv does not exist" in refused(tmp_path, "nowhere.csv")
    assert "--except-group Board: there is no such group" in refused(tmp_path, except_group=("Board",))

    async def go() -> None:
        async with at_desk(tmp_path, users(1), groups=(INNER,), except_group=("Inner",)) as desk:
            await desk.plan()

    with pytest.raises(CohortError, match="--except-group Inner: it has no members that may be read"):
        run_virtual(go())


def test_exceptions_that_may_not_be_looked_up_are_refused(tmp_path: Path) -> None:
    """One error, whichever of several look-ups it was."""
    names = write(tmp_path / "staff.csv", *(upn(f"user{number:04}") for number in range(700)))

    async def go() -> None:
        async with at_desk(tmp_path, users(1), Behaviour(forbidden=frozenset({Route.USERS})), except_=(names,)) as desk:
            await desk.plan()

    with pytest.raises(DirectoryError, match=r"--except may not be read .*User\.Read\.All allows it"):
        run_virtual(go())


def test_exceptions_that_nobody_has_are_told(tmp_path: Path) -> None:
    """A few are foreseen, as people leave; many look like the wrong column, which nobody goes on with unasked.

    A file may have the cohort's own column or another. Whoever takes the plan up is told and asked the same.
    """
    few = write(tmp_path / "few.csv", "Konto,upn", *(f"{upn(f'user{n:03}')},x" for n in range(10)), f"{upn('left')},x")
    many = write(tmp_path / "many.csv", "upn", upn("user009"), upn("smith"), upn("jones"))

    async def go() -> tuple[Plan, Plan]:
        async with at_desk(tmp_path, users(11), except_=(few, many), column="Konto") as desk:
            plan = await desk.plan(upn("user009"), upn("user010"), header="Konto")
            return plan, await prepare(plan.folder, desk.settings, desk.tokens)

    plan, again = run_virtual(go())
    assert again.record.unchecked == plan.record.unchecked
    assert again.warnings == plan.warnings
    assert (plan.ready, dict(plan.excluded)) == (1, {"protected": 1})
    (warning,) = (sentence for sentence in plan.warnings if "--except" in sentence)
    assert f"--except few.csv leaves out, 1 are not in this tenant ({upn('left')})" in warning
    (unchecked,) = plan.record.unchecked
    assert f"--except many.csv leaves out, 2 are not in this tenant ({upn('smith')}, {upn('jones')})" in unchecked
