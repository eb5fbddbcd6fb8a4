"""What could not be done beside a reset shows, whoever is to blame; and whom others have seen to is left to them."""

from __future__ import annotations

import asyncio
import re
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import insert

from batchreset.cli.words import end_text, snapshot_text
from batchreset.engine import evidence
from batchreset.engine.resume import prepare
from batchreset.model import RevokeSessions, Step
from batchreset.rehearsal.behaviour import Fault, Route, Spread
from batchreset.rehearsal.tenant import What
from batchreset.rehearsal.troubles import Trouble
from batchreset.report.wording import shortcomings
from batchreset.status import database, schema
from tests.support import runs
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, object_id, upn, user, users
from tests.support.steps import answers, changes, trail

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from batchreset.engine.progress import Snapshot

NEVER, AFTER, BOTH = RevokeSessions.NEVER, RevokeSessions.AFTER, RevokeSessions.BOTH
APPLIED, REVOKED, DISABLED, ENABLED = What.APPLIED, What.REVOKED, What.DISABLED, What.ENABLED


def page_of(run: Run) -> str:
    return (run.folder / "report.html").read_text("utf-8").split("</style>")[1]


def test_who_was_reset_without_being_blocked_first_is_named_and_counted(tmp_path: Path) -> None:
    """Refusals of those who go first deprive nobody else; what was not done before the reset is said at every place."""

    async def go() -> Run:
        refused = [user(f"adm{number:02}", step_faults=(Fault.FORBIDDEN,)) for number in range(21)]
        accounts = [*refused, user("ben"), user("cid", enabled=False), user("dan", Fault.REJECTED)]
        async with at_desk(tmp_path, accounts, disable=True, revoke_sessions=BOTH, workers=1) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 23, "failed": 1}
    assert changes(run.tenant, "ben") == [DISABLED, REVOKED, APPLIED, REVOKED]
    assert (run.summary.not_blocked, run.summary.blocked) == (21, 2)
    assert run.summary.recorded()["not_blocked"] == 21
    for number in range(21):
        detail = run.row(f"adm{number:02}")["detail"]
        assert "sign-in was not blocked before the reset: HTTP 403 Authorization_RequestDenied" in detail
        assert "sessions were not revoked before the reset: HTTP 403 Authorization_RequestDenied" in detail
    assert run.row("ben")["detail"] == run.row("cid")["detail"] == ""
    assert "21 not blocked before the reset" in shortcomings(run.summary)
    assert "Sign-in was not blocked before the reset for 21 accounts;" in end_text(run.folder, run.summary)
    listed = page_of(run).split("Not blocked before the reset</h2>")[1].split("</section>")[0]
    assert len(re.findall(r"<bdi>adm\d\d@", listed)) == 21
    assert not trail(run, "step given up")


def test_the_report_goes_by_what_was_wanted_last(tmp_path: Path) -> None:
    """A plan that left sessions alone is carried out by settings that do not, and resumed with --enable."""

    async def go() -> tuple[Run, Run, Run]:
        accounts = [user("ana"), user("ben", step_faults=(Fault.FORBIDDEN,))]
        async with at_desk(tmp_path, accounts, revoke_sessions=NEVER) as desk:
            plan = await desk.plan()
            desk.settings = desk.settings.but(revoke_sessions=AFTER, disable=True)
            first = await desk.carry_out(plan)
            page = page_of(first)
            assert "left alone, as was asked for" not in page
            assert "--revoke-sessions never" not in page
            desk.settings = desk.settings.but(enable=True)
            desk.tenant.troubles.cause(Trouble.SIGNED_OUT, Route.UPDATE, times=1)
            halted = await desk.resume(first.folder)
            return first, halted, await desk.resume(first.folder)

    first, halted, opened = run_virtual(go())
    assert first.summary.sessions == {"revoked": 1, "failed": 1, "left": 0}
    assert (first.summary.not_blocked, first.summary.blocked) == (1, 1)
    assert first.row("ana")["detail"] == ""
    # A sign-in that was lost is no refusal: the next start does it.
    assert halted.status == 4
    said = "sign-in is not open again yet: HTTP 401 InvalidAuthenticationToken; `batchreset resume "
    assert halted.row("ana")["detail"].startswith(said)
    assert (opened.row("ana")["detail"], opened.summary.blocked) == ("", 0)


def test_whom_an_administrator_has_blocked_meanwhile_is_not_opened(tmp_path: Path) -> None:
    """The directory is asked right before a block; this run's own, whose answer was lost, is not taken for his."""

    async def go() -> Run:
        accounts = [user(name) for name in ("ana", "ben", "cid", "dan")]
        async with at_desk(tmp_path, accounts, disable=True, enable=True, revoke_sessions=NEVER) as desk:
            plan = await desk.plan()
            for name in ("ana", "ben"):
                desk.tenant.accounts[object_id(name)].enabled = False
            engine = database.connect(plan.folder)
            with engine.begin() as connection:
                connection.execute(insert(schema.sends), runs.send(2, step="disable", verdict=None, status=None))
            engine.dispose()
            desk.tenant.troubles.cause(Trouble.THROTTLED, Route.USER, object_id("cid"), 1)
            desk.tenant.troubles.cause(Trouble.GONE, Route.USER, object_id("dan"), 1)
            return await desk.carry_out(plan)

    run = run_virtual(go())
    assert run.counts == {"succeeded": 4}
    assert changes(run.tenant, "ana") == [APPLIED]
    assert changes(run.tenant, "ben")[-2:] == [APPLIED, ENABLED]
    assert changes(run.tenant, "cid") == changes(run.tenant, "dan") == [DISABLED, APPLIED, ENABLED]
    enabled = {name: run.tenant.accounts[object_id(name)].enabled for name in ("ana", "ben", "cid", "dan")}
    assert enabled == {"ana": False, "ben": True, "cid": True, "dan": True}
    assert answers(run, Step.DISABLE, "ana") == []
    asked = [line["path"] for line in trail(run, "request", route="read") if "accountEnabled" in line["path"]]
    assert [any(object_id(name) in path for path in asked) for name in ("ana", "ben", "cid")] == [True, False, True]
    assert (run.summary.blocked, run.summary.not_blocked) == (0, 0)


def test_who_is_protected_by_now_is_left_as_it_is(tmp_path: Path) -> None:
    """With steps due, or with an operation still to be followed; others have theirs, and the plan counts only them."""

    async def go() -> tuple[Run, Run]:
        slow = [user(name, synchronised=True, on_premises_domain=f"{name}.example") for name in ("cid", "dan")]
        behaviour = replace(STEADY, synchronised_operation=Spread(60), forbidden=frozenset({Route.REVOKE}))
        interrupt = [signal.SIGINT]

        def after_a_while(told: Snapshot) -> None:
            if told.seconds > 10 and interrupt:
                signal.raise_signal(interrupt.pop())

        async with at_desk(
            tmp_path, [user("ana"), user("ben"), *slow], behaviour, disable=True, revoke_sessions=AFTER
        ) as desk:
            first = await desk.carry_out(await desk.plan(), after_a_while)
            desk.tenant.behaviour = replace(behaviour, forbidden=frozenset())
            desk.settings = desk.settings.but(protect=(upn("ana"), upn("cid")), enable=True)
            plan = await prepare(first.folder, desk.settings, desk.tokens)
            assert plan.due == {Step.REVOKE: 1, Step.ENABLE: 1}
            return first, await desk.resume(first.folder)

    first, run = run_virtual(go())
    assert first.counts == {"succeeded": 2, "unresolved": 2}
    assert changes(run.tenant, "ana") == changes(run.tenant, "cid") == [DISABLED, APPLIED]
    assert changes(run.tenant, "ben") == changes(run.tenant, "dan") == [DISABLED, APPLIED, REVOKED, ENABLED]
    for name in ("ana", "cid"):
        assert run.row(name)["detail"].endswith("left as it is: protected by now")
    assert run.row("ben")["detail"] == ""
    assert run.summary.sessions == {"revoked": 2, "failed": 0, "left": 0}
    assert run.summary.blocked == 2


def test_ctrl_c_while_evidence_is_taken_interrupts_nothing_of_a_run_that_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends that at once, and the run stays finished; where a step is due yet, it is interrupted as ever.

    The live view says what is being done, and the audit trail that it was not.
    """
    told: list[str] = []

    async def ask(*_: object) -> None:
        await asyncio.sleep(2)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(3600)

    def note(snapshot: Snapshot) -> None:
        told.append(snapshot_text(snapshot))

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, [user("ana"), user("ben")], revoke_sessions=AFTER) as desk:
            monkeypatch.setattr(evidence, "_ask", ask)
            over = await desk.carry_out(await desk.plan(), note)
            desk.tenant.behaviour = replace(STEADY, forbidden=frozenset({Route.REVOKE}))
            return over, await desk.run()

    over, due = run_virtual(go())
    assert (over.summary.state, over.status, over.summary.seconds < 20) == ("finished", 0, True)
    (line,) = trail(over, "evidence not taken")
    assert line["because"] == "it was interrupted"
    assert sum("asking the directory once more" in text for text in told) >= 3
    assert (due.summary.state, due.status) == ("interrupted", 130)


def test_while_all_wait_for_a_few_no_rate_is_told(tmp_path: Path) -> None:
    """The live view says for what: a rate of canaries tells nothing of when the others are through."""
    told: list[str] = []

    def note(snapshot: Snapshot) -> None:
        told.append(snapshot_text(snapshot))

    async def go() -> None:
        async with at_desk(tmp_path, users(6), canary=1, rate=2, workers=1) as desk:
            await desk.carry_out(await desk.plan(), note)
        async with at_desk(tmp_path, users(60), workers=1) as desk:
            await desk.carry_out(await desk.plan(), note)

    run_virtual(go())
    for_canary = [text for text in told if "waiting for the canary" in text]
    assert len(for_canary) >= 8
    for_caution = [text for text in told if "waiting for the first 20" in text]
    assert for_caution
    assert all("/s" not in text and "about" not in text for text in for_canary + for_caution)
    assert any("/s" in text and "about" in text for text in told)
