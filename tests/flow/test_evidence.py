"""What the directory said of each account before and after: taken when all is over, at no cost to the run."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchreset.engine.control import Control
from batchreset.engine.evidence import look_after
from batchreset.graph.answers import SELECT
from batchreset.graph.directory import Directory
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Turnstile
from batchreset.policy.pace import Pacer
from batchreset.rehearsal.behaviour import Fault, Outage, Route
from batchreset.status import database
from batchreset.status.evidence import unwitnessed
from batchreset.status.schema import evidence, sends
from batchreset.status.writer import Writer
from tests.support import runs
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, remove, upn, user

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.desk import Desk

ACCOUNTS = [
    user("ana"),
    user("bea", Fault.OPERATION_FAILS),
    user("cem", synchronised=True),
    user("dan"),
    user("guest", guest=True),
]


def told(run: Run) -> list[dict[str, Any]]:
    lines = (run.folder / "evidence.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def moments(run: Run) -> list[tuple[str, str]]:
    return [(line["user"].partition("@")[0], line["moment"]) for line in told(run)]


def decisions(run: Run, event: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (run.folder / "audit.jsonl").read_text("utf-8").splitlines())
    return [line for line in lines if line["event"] == event]


def test_nobody_is_asked_about_twice_unless_something_happened_since(tmp_path: Path) -> None:
    """Whoever was sent again, or has ended since, is asked about again; whoever was never sent, never."""
    noon = "2026-11-21T12:00:{:02}.000Z".format
    rows: list[dict[str, Any]] = [
        {"object_id": "A0"},
        {"object_id": "B0"},
        {"object_id": "C0"},
        {"object_id": "D0", "finished_at": noon(50)},
        {"object_id": "E0"},
        {"object_id": "F0"},
    ]
    engine = runs.make_run(tmp_path, rows)
    sent = [(1, 10), (2, 10), (3, 10), (3, 40), (4, 10), (5, 10)]
    lines = [runs.send(row, at, verdict="unsent" if row == 5 else "accepted", step="disable") for row, at in sent]
    runs.put(engine, sends, lines)
    said = [{"reset_id": row, "moment": "after", "at": noon(30), "said": "{}"} for row in (2, 3, 4)]
    runs.put(engine, evidence, [*said, {"reset_id": 1, "moment": "before", "at": noon(30), "said": "{}"}])
    assert list(unwitnessed(engine, 2)) == [{"a0": 1, "c0": 3}, {"d0": 4}]
    engine.dispose()


async def stopped_in_the_middle(desk: Desk, run: Run) -> float:
    """Take the evidence again while the directory is away, stop that after a second, and return how long it took."""
    desk.tenant.behaviour = replace(STEADY, outages=(Outage(0, 1e9, answered=True),))
    engine, control, clock = database.connect(run.folder), Control(), asyncio.get_running_loop().time
    with engine.begin() as connection:
        connection.execute(evidence.delete().where(evidence.c.moment == "after"))
    start = clock()
    with Writer(engine, print) as writer:
        async with GraphSession(desk.settings.graph_root, desk.tokens, connections=2) as graph:
            directory = Directory(graph, Turnstile(Pacer()), lambda _: None)
            asyncio.get_running_loop().call_later(1.0, control.interrupt)
            await look_after(engine, directory, writer, control)
            await look_after(engine, directory, writer, control)
    engine.dispose()
    return clock() - start


def test_the_directory_is_asked_once_more_of_whoever_was_sent_and_that_can_hold_nothing_up(tmp_path: Path) -> None:
    """Each account has its line from before; whoever was sent has one from after, however it ended, also when gone.

    Nothing is kept but what was asked for. Where the directory is refused the run ends as it would have, the audit
    trail says why, and the next start takes the evidence that is missing. Ctrl-C ends it at once.
    """

    async def go() -> tuple[Run, float]:
        async with at_desk(tmp_path, ACCOUNTS, limit=1) as desk:
            plan = await desk.plan()
            desk.tenant.behaviour = replace(STEADY, forbidden=frozenset({Route.USERS}))
            run = await desk.carry_out(plan)
            assert run.counts == {"succeeded": 1, "excluded": 1, "not_attempted": 3}
            assert {moment for _, moment in moments(run)} == {"before"}
            (noted,) = decisions(run, "evidence not taken")
            assert noted["because"].startswith("HTTP 403 Authorization_RequestDenied")
            desk.tenant.behaviour = STEADY
            assert run.row("cem")["attempts"] == "1"  # of a synchronised domain one account goes first
            remove(desk.tenant, "cem")
            desk.settings = desk.settings.but(limit=None)
            run = await desk.resume(run.folder)
            return run, await stopped_in_the_middle(desk, run)

    run, seconds = run_virtual(go())
    assert run.counts == {"succeeded": 3, "failed": 1, "excluded": 1}
    assert moments(run) == [
        ("ana", "before"),
        ("ana", "after"),
        ("bea", "before"),
        ("bea", "after"),
        ("cem", "before"),
        ("cem", "after"),
        ("dan", "before"),
        ("dan", "after"),
        ("guest", "before"),
    ]
    lines = {(line["user"].partition("@")[0], line["moment"]): line for line in told(run)}
    assert lines["cem", "after"]["said"] is None
    assert lines["dan", "before"]["said"]["userPrincipalName"] == upn("dan")
    change = "lastPasswordChangeDateTime"
    assert lines["dan", "after"]["said"][change] > lines["dan", "before"]["said"][change]
    assert lines["bea", "after"]["said"][change] == lines["bea", "before"]["said"][change]
    assert set().union(*(line["said"] or {} for line in lines.values())) <= set(SELECT)
    assert 1.0 <= seconds < 1.1
