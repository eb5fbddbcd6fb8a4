"""Which rows a run is about, and what its plan says of each of its inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.cli.words import plan_text, plan_values
from batchreset.cohort import EmptyError
from batchreset.engine.outline import source_text
from batchreset.engine.plan import Inputs, make
from batchreset.engine.repeat import finished_earlier
from batchreset.errors import CohortError, UsageError
from batchreset.rehearsal.behaviour import Route
from batchreset.rehearsal.population import Group
from batchreset.status.record import SourceRecord
from tests.support.clock import run_virtual
from tests.support.desk import at_desk, object_id, upn, user, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from tests.support.desk import Run

HEADER = "userPrincipalName,Department,Sign ins"
LINES = [f"{upn(f'user{n:03}')},{'Sales' if n % 2 else 'IT'},{n}" for n in range(6)]
WHERE = "Department == 'Sales' and `Sign ins`.astype(int) > 1"


def test_only_the_rows_that_are_meant_are_reset(tmp_path: Path) -> None:
    """The others are left out before anybody is looked up, and as intended; each row is accounted for.

    The plan says which expression, how many rows it leaves out, and for each input what names its accounts.
    """

    async def go() -> tuple[Plan, Run, list[str]]:
        async with at_desk(tmp_path, users(6), where=WHERE) as desk:
            lines = [*LINES, LINES[3], ",Sales,1", ",IT,1", "nobody,IT,1"]
            plan = await desk.plan(*lines, header=HEADER)
            looked_up = [
                json.dumps(sent) for route, sent in desk.tenant.requests if route in (Route.USERS, Route.BATCH)
            ]
            assert plan.contents.looked_up == 2
            first = await desk.carry_out(plan)
            assert finished_earlier(await desk.plan(*lines, header=HEADER)) is not None
            # The same file with another expression is another cohort.
            desk.settings = desk.settings.but(where="Department == 'IT'")
            assert finished_earlier(await desk.plan(*lines, header=HEADER)) is None
            return plan, first, looked_up

    plan, first, looked_up = run_virtual(go())
    text = plan_text(plan)
    assert (
        'cohort.csv: 10 lines, 2 accounts (2 blank, 5 left out by --where), from column "userPrincipalName" '
        f"(by its header), for example {upn('user003')}, {upn('user005')}\n"
    ) in text
    assert f"where          {WHERE} (--where), which leaves out 5 of 10 rows\n" in text
    assert "cohort.csv: 10 lines, 2 accounts (2 blank, 5 left out by --where)" in (
        first.folder / "plan.html"
    ).read_text(encoding="utf-8")
    told: dict[str, Any] = plan_values(plan)
    assert told["where"] == WHERE
    (source,) = told["sources"]
    assert (source["found_by"], source["accounts"], source["not_selected"]) == ("header", 2, 5)
    written = json.loads((first.folder / "plan.json").read_text(encoding="utf-8"))
    assert (written["settings"]["where"], written["cohort"][0]["examples"]) == (WHERE, list(source["examples"]))
    assert not any(upn("user000") in each for each in looked_up)

    assert (first.status, first.counts) == (0, {"succeeded": 2, "excluded": 8})
    assert [row["reason"] for row in first.rows] == [
        *("not_selected", "not_selected", "not_selected", "", "not_selected", ""),
        *("duplicate", "blank", "blank", "not_selected"),
    ]
    assert first.summary.cohort["where"] == WHERE


def test_what_cannot_be_meant_is_refused_before_anybody_is_looked_up(tmp_path: Path) -> None:
    """A column that one of the inputs lacks, a query that cannot be read, one that nothing matches."""
    group = Group(id=object_id("leaked"), display_name="Leaked", members=(object_id("user000"),))

    async def go() -> list[str]:
        said = []
        async with at_desk(tmp_path, users(2), groups=[group]) as desk:
            usual = desk.settings
            for where, error in (
                ("Office == 'Lagos'", CohortError),
                ("Department = 'Sales'", UsageError),
                ("Department == 'Legal'", EmptyError),
                ("Department.astype(int) == 1", CohortError),
            ):
                desk.settings = usual.but(where=where)
                with pytest.raises(error) as caught:
                    await desk.plan(*LINES[:2], header=HEADER)
                said.append(str(caught.value))
            assert {route for route, _ in desk.tenant.requests}.isdisjoint({Route.USERS, Route.BATCH})
            # Members of a group have columns too, and lack others.
            desk.settings = usual.but(where="displayName.str.startswith('User')", group=("Leaked",))
            with pytest.raises(CohortError, match=r"--where: cohort\.csv has no column 'displayName'"):
                await desk.plan(*LINES[:1], header=HEADER)
            desk.settings = usual.but(where="Department == 'IT'", group=("Leaked",))
            with pytest.raises(CohortError, match=r"group-Leaked\.csv has no column 'Department'; .* displayName"):
                await desk.plan(*LINES[:1], header=HEADER)
        return said

    said = run_virtual(go())
    assert not [each for each in tmp_path.iterdir() if each.name.startswith("2")]
    assert "cohort.csv has no column 'Office'; those that it has: userPrincipalName, Department, Sign ins" in said[0]
    assert "this is no expression" in said[1]
    assert said[2] == "--where Department == 'Legal': this is true for none of the 2 rows of the cohort."
    assert "does not fit the cells of cohort.csv" in said[3]


def test_members_of_a_group_are_selected_too(tmp_path: Path) -> None:
    """By the columns of the file that they are written to."""
    members = (object_id("ana"), object_id("bo"))
    group = Group(id=object_id("leaked"), display_name="Leaked", members=members)

    async def go() -> Plan:
        async with at_desk(tmp_path, [user("ana"), user("bo")], groups=[group], group=("Leaked",)) as desk:
            desk.settings = desk.settings.but(where="userPrincipalName\n  .str.startswith('bo@')")
            return await make(Inputs([], desk.tokens), desk.settings)

    plan = run_virtual(go())
    assert (plan.contents.to_be_reset, plan.excluded) == ([upn("bo")], {"not_selected": 1})
    # On as many lines as a config file gives it, it is told on one.
    assert "userPrincipalName .str.startswith('bo@') (--where), which leaves out 1 of 2 rows\n" in plan_text(plan)
    assert (
        'group-Leaked.csv: 2 lines, 1 account (1 left out by --where), from column "id" (by its header)'
        in plan_text(plan)
    )


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (
            {"records": 4112, "accounts": 37, "column": "Username", "found_by": "header"},
            '4,112 lines, 37 accounts, from column "Username" (by its header), for example a@b.example, c@d.example',
        ),
        (
            {"records": 2, "accounts": 2, "found_by": "content", "encoding": "cp1250"},
            (
                '2 accounts, from column "upn" (by its content), for example a@b.example, c@d.example; '
                "read as cp1250, which is a guess"
            ),
        ),
        (
            {
                "records": 3,
                "accounts": 1,
                "blank": 1,
                "invalid": 1,
                "found_by": "--column",
                "examples": ["a@b.example"],
            },
            '3 lines, 1 account (1 blank, 1 invalid), from column "upn" (by --column), for example a@b.example',
        ),
        (
            {"records": 1, "accounts": 0, "found_by": "--column", "examples": ()},
            '1 line, 0 accounts, from column "upn"',
        ),
        ({"records": 3}, "3 rows, accounts in column upn"),
    ],
)
def test_an_input_is_told_in_a_line(facts: dict[str, object], told: str) -> None:
    """Lines that repeat accounts come to one number; the column by what it was found, with three examples at most."""
    usual: dict[str, object] = {"column": "upn", "examples": ["a@b.example", "c@d.example"]}
    line = source_text(SourceRecord("log.csv", "ab" * 32, **(usual | facts)))  # type: ignore[arg-type]  # as JSON has it
    assert line.startswith(f"log.csv: {told}")
