"""Passwords that come with the cohort: judged before anything is sent, and sent to the letter."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.engine.plan import Inputs, make
from batchreset.errors import CohortError
from batchreset.model import PasswordPolicy, PasswordSource
from batchreset.rehearsal.behaviour import UNHINDERED, Fault
from batchreset.rehearsal.tenant import Tenant, What
from tests.support.clock import run_virtual
from tests.support.cohorts import workbook
from tests.support.desk import Run, at_desk, happened, object_id, upn, user
from tests.support.program import Call, at_home, signed_in

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.rehearsal.population import User

COLUMN: dict[str, Any] = {"password_source": PasswordSource.COLUMN, "password_column": "New password"}
OPTIONS = ("--password-source", "column", "--password-column", "New password")
HEADER = "userPrincipalName,New password"
GOOD, ANOTHER = "Copper-8-harbour", "Quartz 7 meadow"
IN_CLEAR = (
    "The given passwords stand in clear in cohort.csv. The run folder holds them sealed: once the run has started "
    "nothing needs them in clear any more, and they may be deleted there."
)


def lines_of(given: dict[str, str]) -> list[str]:
    """Write a cohort's lines: names, and their passwords."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((upn(name), password) for name, password in given.items())
    return text.getvalue().splitlines()


def everybody(given: dict[str, str], unusual: tuple[User, ...]) -> list[User]:
    """Make the accounts that passwords are given for, those that are `unusual` as they are."""
    named = {each.id: each for each in unusual}
    return [named.get(object_id(name)) or user(name) for name in given]


def planned(out: Path, given: dict[str, str], *unusual: User, **more: Any) -> Plan:
    """Plan with those passwords."""

    async def go() -> Plan:
        async with at_desk(out, everybody(given, unusual), **COLUMN, **more) as desk:
            return await desk.plan(*lines_of(given), header=HEADER)

    return run_virtual(go())


def carried_out(out: Path, given: dict[str, str], *unusual: User, **more: Any) -> Run:
    """Plan with those passwords, and carry it out."""

    async def go() -> Run:
        async with at_desk(out, everybody(given, unusual), **COLUMN, **more) as desk:
            return await desk.run(*lines_of(given), header=HEADER)

    return run_virtual(go())


def test_what_the_cloud_would_refuse_is_never_sent(tmp_path: Path) -> None:
    """Each such row says the rule, and never the password; the others are reset to the letter."""
    given = {
        "ana": GOOD,
        "bea": "Sh0rt!",
        "cem": "only lower case letters",
        "dora": "Pässwort-8-harbour",
        "emil": "Harbour-8-EMIL",
        "finn": f" {ANOTHER} ",
    }
    run = carried_out(tmp_path, given)
    rule = "the given password was not sent: it "
    assert [(row["outcome"], row["reason"], row["detail"].removeprefix(rule)) for row in run.rows] == [
        ("succeeded", "", ""),
        ("excluded", "password_rejected", "has fewer than 8 characters"),
        (
            "excluded",
            "password_rejected",
            "has fewer than three of: lower case, upper case, digits, symbols",
        ),
        (
            "excluded",
            "password_rejected",
            "has a character that is neither an ASCII letter, a digit, a space nor ASCII punctuation",
        ),
        ("excluded", "password_rejected", "holds a part of the account's own name"),
        ("succeeded", "", ""),
    ]
    assert all(row["detail"].startswith(rule) for row in run.rows if row["outcome"] == "excluded")
    assert not any(happened(run.tenant, name) for name in ("bea", "cem", "dora", "emil"))
    assert [each.password.reveal() for each in run.passwords] == [given["ana"], given["finn"]]
    assert run.tenant.password_of(object_id("finn")) == given["finn"]
    written = b"".join(path.read_bytes() for path in run.folder.iterdir())
    assert not [name for name, password in given.items() if password.encode() in written]


def test_the_domain_is_no_part_of_a_name(tmp_path: Path) -> None:
    """A word such as `compact` is no offence at an address that ends in `.com`; the display name counts."""
    com = user("ana", user_principal_name="ana@compact.com", display_name="Ann Bell")
    bell = user("bea", user_principal_name="bea@compact.com", display_name="Ann Bell")

    async def go() -> Plan:
        async with at_desk(tmp_path, [com, bell], **COLUMN) as desk:
            lines = ("ana@compact.com,Compact-8-harbour", f"{bell.id},Doorbell-8-harbour")
            return await desk.plan(*lines, header=HEADER)

    plan = run_virtual(go())
    assert (plan.ready, dict(plan.excluded)) == (1, {"password_rejected": 1})


def test_rows_that_share_a_password_name_each_other(tmp_path: Path) -> None:
    """One password for several accounts is a password that several people know: none of them gets it."""
    given = {"ana": GOOD, "bea": ANOTHER, "cem": GOOD, "dora": GOOD, "emil": "short", "finn": "short"}
    run = carried_out(tmp_path, given)
    told = {row["row"]: row["detail"].removeprefix("the given password was not sent: ") for row in run.rows}
    assert told == {
        "2": "it is also that of cohort.csv row 4",
        "3": "",
        "4": "it is also that of cohort.csv row 2",
        "5": "it is also that of cohort.csv row 2",
        "6": "it has fewer than 8 characters; it is also that of cohort.csv row 7",
        "7": "it has fewer than 8 characters; it is also that of cohort.csv row 6",
    }
    assert run.counts == {"succeeded": 1, "excluded": 5}


def test_of_a_repeated_account_the_first_good_password_counts(tmp_path: Path) -> None:
    """By either of its names. The same one again is no other account's; one of another account's is nobody's."""
    shared = "Basalt-9-harbour"

    async def go() -> Run:
        async with at_desk(tmp_path, [user(name) for name in ("ana", "ben", "cy", "dee")], **COLUMN) as desk:
            rows = [("ana", "short"), ("ana", GOOD), ("ben", ANOTHER), ("ben", ANOTHER)]
            rows += [("cy", shared), ("cy", shared), ("dee", shared)]
            lines = [f"{upn(name)},{password}" for name, password in rows]
            lines[1] = f"{object_id('ana')},{GOOD}"
            return await desk.run(*lines, header=HEADER)

    run = run_virtual(go())
    assert [row["reason"] or row["outcome"] for row in run.rows] == [
        *("password_rejected", "succeeded", "succeeded", "duplicate"),
        *("password_rejected", "password_rejected", "password_rejected"),
    ]
    assert "it is also that of cohort.csv row 8" in run.rows[5]["detail"]
    assert run.tenant.password_of(object_id("ana")) == GOOD


def test_a_row_that_is_left_out_shares_nothing(tmp_path: Path) -> None:
    """The same account twice, and one that is not found, are no second account with that password."""

    async def go() -> Plan:
        async with at_desk(tmp_path, [user("ana")], **COLUMN) as desk:
            lines = (f"{upn('nobody')},{GOOD}", f"{upn('ana')},{GOOD}", f"{object_id('ana')},{GOOD}")
            return await desk.plan(*lines, header=HEADER)

    plan = run_virtual(go())
    assert (plan.ready, dict(plan.excluded)) == (1, {"not_found": 1, "duplicate": 1})
    assert plan.warnings == (IN_CLEAR,)


def test_the_plan_says_which_rows_break_which_rule(tmp_path: Path) -> None:
    """A sentence for each rule: how many rows, and the first few of them."""
    given = {f"short{number}": f"A-{number}" for number in range(5)} | {"ana": GOOD, "bea": GOOD, "cem": ANOTHER}
    plan = planned(tmp_path, given)
    short, shared, in_clear = plan.warnings
    assert short == (
        "5 rows left out for the given password: it has fewer than 8 characters (cohort.csv row 2, cohort.csv row 3, "
        "cohort.csv row 4 and 2 more)."
    )
    assert shared == (
        "2 rows left out for the given password: it is given for another account too (cohort.csv row 7, "
        "cohort.csv row 8)."
    )
    assert in_clear == IN_CLEAR


def test_synchronised_accounts_answer_to_another_policy(tmp_path: Path) -> None:
    """Where one was left out, the plan says who decides, and what sends it all the same."""
    plan = planned(tmp_path, {"ana": "harbour8", "bea": "short", "cem": GOOD}, user("ana", synchronised=True))
    (told,) = (sentence for sentence in plan.warnings if "on-premises" in sentence)
    assert told.startswith("1 row of those left out")
    assert "--password-policy warn" in told


def test_a_warning_leaves_nobody_out(tmp_path: Path) -> None:
    """On-premises policy may take what the cloud would not; the cloud still refuses what it refuses."""
    given = {"ana": "harbour8", "bea": "short", "cem": GOOD, "dora": GOOD}
    run = carried_out(tmp_path, given, user("ana", synchronised=True), password_policy=PasswordPolicy.WARN)
    assert [(row["outcome"], row["reason"]) for row in run.rows] == [
        ("succeeded", ""),
        ("failed", "password_rejected"),
        ("succeeded", ""),
        ("succeeded", ""),
    ]
    assert run.tenant.password_of(object_id("ana")) == given["ana"]
    plan = planned(tmp_path, given, password_policy=PasswordPolicy.WARN)
    assert not plan.excluded
    sent = "will be sent the given password all the same: it"
    assert plan.warnings == (
        f"1 row {sent} has fewer than three of: lower case, upper case, digits, symbols (cohort.csv row 2).",
        f"1 row {sent} has fewer than 8 characters (cohort.csv row 3).",
        f"2 rows {sent} is given for another account too (cohort.csv row 4, cohort.csv row 5).",
        IN_CLEAR,
    )


def test_they_need_not_be_looked_at(tmp_path: Path) -> None:
    """With `none` nothing is judged and nothing is said, but that the file holds them; empty cells stay out."""
    given = {"ana": GOOD, "bea": GOOD, "cem": "short", "dora": ""}
    plan = planned(tmp_path, given, password_policy=PasswordPolicy.NONE)
    assert (plan.ready, dict(plan.excluded), plan.warnings) == (3, {"password_missing": 1}, (IN_CLEAR,))


def test_a_rejected_password_is_never_opened(tmp_path: Path) -> None:
    """Not from the plan, and not after the run was taken up again: it cannot be in force."""

    async def go() -> Run:
        async with at_desk(tmp_path, [user("ana"), user("bea", Fault.OPERATION_FAILS)], **COLUMN) as desk:
            lines = lines_of({"ana": "short", "bea": GOOD})
            run = await desk.run(*lines, header=HEADER)
            return await desk.resume(run.folder, retry_failed=True)

    run = run_virtual(go())
    assert run.row("ana")["reason"] == "password_rejected"
    assert upn("ana") not in {each.user for each in run.passwords}
    assert What.RECEIVED not in happened(run.tenant, "ana")
    assert not run.disagreements()


@pytest.mark.parametrize(
    ("cells", "sent"),
    [
        ((" leading and trailing 7 ", "'=Sum-8-harbour", "+Plus-8-harbour"), None),
        (("Tab\tin-8-harbour", 'Quo"te-8-harbour', "Comma,8,Harbour"), None),
        ((12345678, 1234.5, "00123456"), ("12345678", "1234.5", "00123456")),
    ],
    ids=["blanks-and-signs", "separators", "numbers"],
)
def test_a_cell_of_a_workbook_is_taken_to_the_letter(
    tmp_path: Path, cells: tuple[object, ...], sent: tuple[str, ...] | None
) -> None:
    """Blanks, apostrophes and signs included, and numbers as Excel shows them."""
    names = ["ana", "bea", "cem"]
    records: list[list[object]] = [
        ["upn", "New password"],
        *([upn(name), cell] for name, cell in zip(names, cells, strict=True)),
    ]
    path = workbook(tmp_path / "cohort.xlsx", {"A": records})

    async def go() -> list[str | None]:
        # Synchronised, since the simulated cloud takes no password of digits alone.
        accounts = [user(name, synchronised=True) for name in names]
        async with at_desk(tmp_path, accounts, **COLUMN, password_policy=PasswordPolicy.NONE) as desk:
            inputs = Inputs([str(path)], desk.tokens)
            run = await desk.carry_out(await make(inputs, desk.settings))
            return [run.tenant.password_of(object_id(name)) for name in names]

    assert run_virtual(go()) == list(sent or cells)


def test_a_cell_of_a_text_file_is_taken_to_the_letter(tmp_path: Path) -> None:
    """No apostrophe before a formula's sign is taken off: no report of ours ever put one before a password."""
    cells = [" leading and trailing 7 ", "'=Sum-8-harbour", "'quoted-8-Harbour'", '"Double"-8', "a;b,c|D\\8"]
    given = {f"user{number}": cell for number, cell in enumerate(cells)}
    run = carried_out(tmp_path, given, password_policy=PasswordPolicy.NONE)
    assert [run.tenant.password_of(object_id(name)) for name in given] == cells


@pytest.mark.parametrize(
    "cell",
    [dt.datetime.fromisoformat("2026-11-21T10:30"), dt.date(2026, 11, 21), 12345678901234567],
    ids=["time", "date", "long"],
)
def test_what_a_sheet_shows_otherwise_is_no_password(tmp_path: Path, cell: object) -> None:
    """Nobody who reads the sheet could tell which password it came to: refused by its row, and no folder is left."""
    path = workbook(tmp_path / "cohort.xlsx", {"A": [["upn", "New password"], [upn("ana"), GOOD], [upn("bea"), cell]]})

    async def go() -> None:
        async with at_desk(tmp_path / "runs", [user("ana"), user("bea")], **COLUMN) as desk:
            with pytest.raises(
                CohortError, match=r"cohort\.xlsx#A, row 3: the password is a date, or a number"
            ) as told:
                await make(Inputs([str(path)], desk.tokens), desk.settings)
            assert "2026" not in str(told.value)
            assert "1234" not in str(told.value)

    run_virtual(go())
    assert not [path for path in (tmp_path / "runs").iterdir() if (path / "status.sqlite").exists()]


def test_the_program_tells_and_leaves_them_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """`plan` and `run` say it before the question; the report, and no password, is all that is written of them."""
    at_home(tmp_path, monkeypatch)
    given = {"ana": GOOD, "bea": "short", "cem": "harbour8", "dora": ""}
    (tmp_path / "cohort.csv").write_text("\n".join([HEADER, *lines_of(given)]), encoding="utf-8")
    accounts = [user(name, synchronised=name == "cem") for name in given]
    with signed_in(monkeypatch, Tenant(accounts, UNHINDERED)):
        planned = here("plan", "cohort.csv", *OPTIONS)
        shown = here("run", "cohort.csv", *OPTIONS, "--yes")
        told = json.loads(here("plan", "cohort.csv", *OPTIONS, "--json", "--password-policy", "warn").out)
    for said in (planned.out, shown.err):
        assert "1 row left out for the given password: it has fewer than 8 characters (cohort.csv row 3)" in said
        assert "--password-policy warn" in said
        assert IN_CLEAR in said
        assert "      2  password_rejected" in said
    assert shown.status == 6
    assert told["excluded"] == {"password_missing": 1}
    assert len(told["warnings"]) == 3
    everything = "".join((planned.out, planned.err, shown.out, shown.err, json.dumps(told)))
    assert not [password for password in given.values() if password and password in everything]


def test_passwords_through_a_pipe_leave_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """Then there is none to be deleted, and none is named."""
    at_home(tmp_path, monkeypatch)
    content = f"{HEADER}\n{upn('ana')},{GOOD}\n".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    with signed_in(monkeypatch, Tenant([user("ana")], UNHINDERED)):
        told = json.loads(here("plan", "-", *OPTIONS, "--json").out)
    assert (told["ready"], told["warnings"]) == (1, [])


def test_a_rerun_of_failed_rows_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """`retry.csv` holds no passwords, so it cannot be run as the cohort was; the sentence says so. `resume` can."""
    at_home(tmp_path, monkeypatch)
    (tmp_path / "cohort.csv").write_text(f"{HEADER}\n{upn('ana')},{GOOD}\n", encoding="utf-8")
    with signed_in(monkeypatch, Tenant([user("ana", Fault.OPERATION_FAILS)], UNHINDERED)):
        assert here("run", "cohort.csv", *OPTIONS, "--yes").status == 3
        (retry,) = tmp_path.glob("reports/*/retry.csv")
        ended = here("run", str(retry), *OPTIONS, "--yes")
    assert ended.status == 5
    assert "retry.csv has no column 'New password'" in ended.err
    assert "add the column: no report of batchreset's holds passwords" in ended.err
    assert GOOD not in retry.read_text(encoding="utf-8-sig")
