"""Accounts that a cohort names by mail, or as Active Directory does: who is reset, who is not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.cli.rehearse import _identifiers
from batchreset.engine.keys import key_at_hand
from batchreset.engine.passwords import opened
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import What
from batchreset.settings import Settings
from batchreset.status import database
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, happened, object_id, upn, user

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.rehearsal.population import User


def from_premises(name: str, logon_name: str, domain: str) -> User:
    return user(name, synchronised=True, sam_account_name=logon_name, on_premises_domain=f"{domain}.contoso.example")


PEOPLE = [
    user("ana", mail="ana.silva@contoso.example", aliases=("as@contoso.example",)),
    user("ben"),
    user("hal", mail="hal.adm@contoso.example"),
    user("hal.adm", mail="hal@contoso.example"),
    user("user_partner.example#EXT#", mail="user@partner.example", guest=True),
    user("shared1", mail="team@contoso.example"),
    user("shared2", aliases=("team@contoso.example",)),
    from_premises("u1", "Zoe", "corp"),
    from_premises("u2", "Zoe", "emea"),
    from_premises("u3", "Yui", "corp"),
    *(user(name, mail=f"{name}.mail@contoso.example") for name in ("eve", "fay", "gus")),
    *(user(f"desk{number}", aliases=("desk@contoso.example",)) for number in range(5)),
    from_premises("u4", "Ido", "corp"),
]
#: Each line of the cohort, and what is to become of it.
COHORT = [
    (upn("Ana.Silva"), "succeeded", ""),
    (upn("as"), "excluded", "duplicate"),
    (upn("ana"), "excluded", "duplicate"),
    (upn("ben"), "succeeded", ""),
    (object_id("ben"), "excluded", "duplicate"),
    (upn("team"), "excluded", "ambiguous"),
    (upn("desk"), "excluded", "ambiguous"),
    (upn("hal"), "excluded", "ambiguous"),
    ("user@partner.example", "excluded", "guest"),
    ("CORP\\zoe", "excluded", "ambiguous"),
    ("corp.contoso.example\\zoe", "succeeded", ""),
    ("emea.contoso.example\\ZOE", "succeeded", ""),
    ("EMEA\\yui", "excluded", "ambiguous"),
    (upn("nobody"), "excluded", "not_found"),
    ("NT AUTHORITY\\SYSTEM", "excluded", "invalid_identifier"),
    ("CORP\\PC-7$", "excluded", "invalid_identifier"),
    (upn("eve.mail"), "excluded", "protected"),
    (upn("fay"), "excluded", "protected"),
    (upn("gus.mail"), "excluded", "protected"),
    (upn("u4"), "excluded", "protected"),
]


def test_names_of_every_kind_lead_to_one_account_or_to_none(tmp_path: Path) -> None:
    """Whoever is meant is reset once; where several may be, none is, and it says who they are.

    Exceptions and --protect are looked up in the same way, whatever the cohort calls the account. A run that is cut
    short goes on with the accounts that it found. A password is opened by any of their names.
    """
    staff = tmp_path / "staff.csv"
    staff.write_text(f"mail\n{upn('fay.mail')}\nCORP\\ido\n", encoding="utf-8")
    protect = (upn("eve.mail"), upn("gus"))

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, PEOPLE, except_=(str(staff),), protect=protect, limit=1) as desk:
            cut = await desk.run(*(line for line, _, _ in COHORT), header="mail")
            desk.settings = desk.settings.but(limit=None)
            run = await desk.resume(cut.folder)
            engine, key = database.connect(run.folder), key_at_hand(run.folder)
            assert key
            for name in (upn("ana"), upn("ANA.Silva"), object_id("ana")):
                assert [each.user for each in opened(engine, key, user=name)] == [upn("ana")]
            assert not list(opened(engine, key, user=upn("team")))
            engine.dispose()
            return cut, run

    cut, run = run_virtual(go())
    assert (cut.counts["succeeded"], cut.counts["not_attempted"]) == (1, 3)
    assert [(row["outcome"], row["reason"]) for row in run.rows] == [(outcome, why) for _, outcome, why in COHORT]
    assert run.disagreements() == []
    names = [account.user_principal_name.partition("@")[0] for account in PEOPLE]
    assert [name for name in names if What.APPLIED in happened(run.tenant, name)] == ["ana", "ben", "u1", "u2"]
    assert [name for name in names if happened(run.tenant, name)] == ["ana", "ben", "u1", "u2"]
    told = {row["identifier"]: (row["user"], row["detail"]) for row in run.rows}
    assert told[upn("Ana.Silva")][0] == upn("ana")
    assert told["corp.contoso.example\\zoe"][0] == upn("u1")
    shared = ", ".join(f"{upn(name)} ({object_id(name)})" for name in ("shared1", "shared2"))
    assert told[upn("team")] == ("", f"2 accounts have this name: {shared}")
    assert told[upn("desk")][1].endswith(f"{upn('desk2')} ({object_id('desk2')}) and 2 more")
    home = "the domain corp.contoso.example"
    assert told["EMEA\\yui"][1].startswith(f"the one account of this name is {upn('u3')}, of {home}: if it is meant")
    assert told["EMEA\\yui"][0] == ""
    assert {"NT …", "COR…"} <= set(told)


def test_an_exception_that_may_mean_several_protects_them_all(tmp_path: Path) -> None:
    """By an address that is one's name and another's mailbox, or two mailboxes'; by a logon name in whatever domain."""
    staff = tmp_path / "staff.txt"
    staff.write_text(f"{upn('team')}\nEMEA\\yui\nCORP\\nobody\n{upn('left')}\n{upn('hal')}\n", encoding="utf-8")

    async def go() -> Plan:
        async with at_desk(tmp_path, PEOPLE, except_=(str(staff),), protect=("EMEA\\ido", "nobody@x.example")) as desk:
            return await desk.plan(*map(upn, ("shared1", "shared2", "u3", "u4", "u2", "hal", "hal.adm")))

    plan = run_virtual(go())
    assert (plan.ready, dict(plan.excluded)) == (1, {"protected": 6})
    protect, missing = plan.record.unchecked
    assert protect.startswith("--protect nobody@x.example: nobody in this tenant has this name")
    assert f"2 are not in this tenant (corp\\nobody, {upn('left')})" in missing


def test_a_rehearsal_holds_whom_the_cohort_names(tmp_path: Path) -> None:
    """Some by another user principal name than their mail, or by an alias, and those of Active Directory from there."""
    lines = [
        *(upn(f"person{number}") for number in range(12)),
        "CORP\\ido",
        "emea.fabrikam.example\\zoe",
        "corp\\Yui xu",
    ]
    cohort = tmp_path / "leaked.csv"
    cohort.write_text("\n".join(["mail", *lines]), encoding="utf-8")
    people = populate(_identifiers([str(cohort)], Settings(), None), 3, plain=True)

    async def go() -> Run:
        async with at_desk(tmp_path, people) as desk:
            return await desk.run(*lines, header="mail")

    run = run_virtual(go())
    assert run.counts == {"succeeded": len(lines)}
    assert run.disagreements() == []
    assert 1 < sum(row["user"] != row["identifier"] for row in run.rows[:12]) < 8
    assert [(row["user"], row["kind"]) for row in run.rows[12:]] == [
        (upn("ido"), "synchronised"),
        ("zoe@emea.fabrikam.example", "synchronised"),
        (upn("yui.xu"), "synchronised"),
    ]
