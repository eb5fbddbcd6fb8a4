"""Users at risk as a cohort: by level, with what is known of the risk, night after night."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.engine.plan import Inputs, make
from batchreset.errors import DirectoryError
from batchreset.graph.directory import Directory
from batchreset.graph.risk import at_risk
from batchreset.graph.turnstile import Turnstile
from batchreset.model import Risk
from batchreset.policy.pace import Pacer
from batchreset.rehearsal.behaviour import UNHINDERED, Behaviour, Route
from batchreset.rehearsal.tenant import Tenant, What
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, happened, object_id, upn, user
from tests.support.program import at_home, signed_in
from tests.support.scripted import answering, as_json, talking_to

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aiohttp import web

    from tests.support.program import Call

LEVELS = ("", "low", "medium", "high")
#: One account of each level; `none` is not at risk.
PEOPLE = [user(level or "none", risk=level) for level in LEVELS]


def test_users_at_risk_are_reset_from_a_level_on(tmp_path: Path) -> None:
    """Nobody else is written to; what is known of the risk goes along to the report."""

    async def go() -> tuple[dict[Risk, int], Run]:
        async with at_desk(tmp_path, PEOPLE, risky_users=True) as desk:
            plans = {
                least: await make(Inputs([], desk.tokens), desk.settings.but(min_risk=least))
                for least in (Risk.LOW, Risk.HIGH, Risk.MEDIUM)
            }
            run = await desk.carry_out(plans[Risk.MEDIUM])
            return {least: plan.ready for least, plan in plans.items()}, run

    planned, run = run_virtual(go())
    assert planned == {Risk.LOW: 3, Risk.MEDIUM: 2, Risk.HIGH: 1}
    assert run.folder.name.partition("-")[2].startswith("risky-users-")
    assert {row["cohort.riskLevel"]: row["user"] for row in run.rows} == {"medium": upn("medium"), "high": upn("high")}
    assert {row["cohort.riskState"] for row in run.rows} == {"atRisk"}
    assert {row["identifier"] for row in run.rows} == {object_id("medium"), object_id("high")}
    assert run.counts == {"succeeded": 2}
    assert [bool(happened(run.tenant, level or "none")) for level in LEVELS] == [False, False, True, True]
    assert run.disagreements() == []


def test_users_at_risk_who_stand_in_a_file_too_are_reset_once(tmp_path: Path) -> None:
    """The file comes first."""

    async def go() -> Run:
        async with at_desk(tmp_path, PEOPLE, risky_users=True) as desk:
            return await desk.run(upn("none"), upn("high"))

    run = run_virtual(go())
    assert [row["source"] for row in run.rows] == ["cohort.csv"] * 2 + ["risky-users.csv"] * 3
    (again,) = (row for row in run.rows if row["reason"])
    assert (again["identifier"], again["detail"]) == (object_id("high"), "the same account as cohort.csv row 3")
    assert [run.sends(level or "none") for level in LEVELS] == [1, 1, 1, 1]


def test_where_users_at_risk_may_not_be_read_it_is_said_what_that_takes(tmp_path: Path) -> None:
    """A permission, and a licence."""

    async def go() -> None:
        async with at_desk(tmp_path, PEOPLE, Behaviour(forbidden=frozenset({Route.RISKY})), risky_users=True) as desk:
            await make(Inputs([], desk.tokens), desk.settings)

    with pytest.raises(
        DirectoryError, match=r"IdentityRiskyUser\.Read\.All allows it.* Identity Protection \(Entra ID P2\)"
    ):
        run_virtual(go())


def listed(least: Risk, *people: dict[str, Any]) -> tuple[Sequence[dict[str, Any]], str]:
    """Ask a directory that has these users at risk, one a page; return who was found, and what was asked first."""
    asked: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append(request.path_qs)
        page = len(asked)
        link = {"@odata.nextLink": f"{request.path}?page={page}"} if page < len(people) else {}
        return as_json({"value": people[page - 1 : page], **link})

    async def ask() -> Sequence[dict[str, Any]]:
        async with answering(handle) as root, talking_to(root) as graph:
            return await at_risk(Directory(graph, Turnstile(Pacer()), lambda _: None), least)

    return run_virtual(ask()), asked[0]


def test_a_confirmed_risk_counts_and_a_deleted_user_does_not() -> None:
    """Asked for are all open risks, in pages as large as may be."""
    confirmed = {"id": "1", "riskLevel": "High", "riskState": "confirmedCompromised"}
    gone = {"id": "2", "riskLevel": "high", "riskState": "atRisk", "isDeleted": True}
    found, asked = listed(Risk.HIGH, confirmed, gone, {"id": "3", "riskLevel": "none"})
    assert found == [confirmed]
    assert "riskState%20eq%20'atRisk'%20or%20riskState%20eq%20'confirmedCompromised'" in asked.replace("%27", "'")
    assert "$top=500" in asked


def test_a_risk_of_unknown_height_is_not_guessed_at() -> None:
    """Without the licence the level is hidden: then all users at risk can be taken, or none."""
    hidden = {"id": "1", "userPrincipalName": upn("jo"), "riskLevel": "hidden", "riskState": "atRisk"}
    assert listed(Risk.LOW, hidden)[0] == [hidden]
    with pytest.raises(DirectoryError, match=rf"{upn('jo')} is, is not told .*--min-risk low"):
        listed(Risk.MEDIUM, hidden)


def test_a_night_without_a_change_resets_nobody_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """A reset takes nobody off the list of users at risk, which the refusal says; another list goes on."""
    at_home(tmp_path, monkeypatch)
    nightly = ("run", "--risky-users", "--yes", "--revoke-sessions", "never", "--json")
    with signed_in(monkeypatch, Tenant(PEOPLE, UNHINDERED)) as tenant:
        first = json.loads(here(*nightly, "--min-risk", "high").out)
        assert (first["state"], first["counts"]["succeeded"]) == ("finished", 1)
        refused = here(*nightly, "--min-risk", "high")
        assert refused.status == 5
        assert f"has not changed since run {first['run_id']}" in refused.err
        assert "at risk until their risk is dismissed or remedied" in refused.err
        assert here(*nightly, "--min-risk", "medium").status == 0
        received = [happened(tenant, level or "none").count(What.RECEIVED) for level in LEVELS]
    assert received == [0, 0, 1, 2]
