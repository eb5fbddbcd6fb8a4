"""Sessions are revoked around a reset, whatever happens on the way, and what becomes of that is known."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchreset.model import RevokeSessions, Step
from batchreset.rehearsal.behaviour import Fault, Outage, Route, Spread
from batchreset.rehearsal.tenant import What
from batchreset.rehearsal.troubles import Trouble
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, happened, object_id, user, users
from tests.support.steps import answers, changes, trail

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.progress import Snapshot

AFTER, BOTH = RevokeSessions.AFTER, RevokeSessions.BOTH
APPLIED, REVOKED, RECEIVED = What.APPLIED, What.REVOKED, What.RECEIVED


def resets_of(run: Run) -> int:
    """Count the resets that reached the tenant."""
    return sum(count for (route, _), count in run.tenant.requests.items() if route is Route.RESET)


def test_sessions_are_revoked_once_the_new_password_is_in_force(tmp_path: Path) -> None:
    """Whoever tells of that, and of nobody else; one write more each, in the audit trail by its name."""
    accounts = [
        user("ana"),
        user("ben", synchronised=True),
        user("cid", Fault.NO_LOCATION),
        user("dan", Fault.LOST_AFTER),
        user("eve", Fault.OPERATION_FAILS),
        user("fay", Fault.REJECTED),
        user("gus", enabled=False),
    ]
    told: list[Snapshot] = []

    async def go() -> Run:
        async with at_desk(tmp_path, accounts, revoke_sessions=AFTER, ticket="INC-7", justification="a leak") as desk:
            return await desk.carry_out(await desk.plan(), told.append)

    run = run_virtual(go())
    assert run.counts == {"succeeded": 5, "failed": 2}
    for name in ("ana", "ben", "cid", "gus"):
        assert changes(run.tenant, name) == [APPLIED, REVOKED]
    # The lost reset took effect, and so did its repeat.
    assert changes(run.tenant, "dan")[-1] is REVOKED
    assert changes(run.tenant, "dan").count(REVOKED) == 1
    assert changes(run.tenant, "eve") == changes(run.tenant, "fay") == []
    assert (told[-1].revoked, told[-1].to_revoke) == (5, 5)
    assert answers(run, Step.REVOKE) == [("accepted", None)] * 5
    written = trail(run, "request", route="write", step="revoke", status=200)
    assert sorted(line["path"] for line in written) == sorted(
        f"/v1.0/users/{object_id(name)}/revokeSignInSessions" for name in ("ana", "ben", "cid", "dan", "gus")
    )
    assert trail(run, "started", ticket="INC-7", justification="a leak")
    assert not run.disagreements()


def test_before_and_after(tmp_path: Path) -> None:
    """An attacker who is signed in is thrown out before the reset, too; that is not repeated with it."""

    async def go() -> Run:
        accounts = [user("ana"), user("ben", Fault.UNAVAILABLE), user("cid", Fault.OPERATION_REJECTS)]
        async with at_desk(tmp_path, accounts, revoke_sessions=BOTH) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 2, "failed": 1}
    assert happened(run.tenant, "ana") == [RECEIVED, REVOKED, RECEIVED, What.ACCEPTED, APPLIED, RECEIVED, REVOKED]
    assert changes(run.tenant, "ben") == [REVOKED, APPLIED, REVOKED]
    assert happened(run.tenant, "cid").count(What.FAILED) == 3
    assert changes(run.tenant, "cid") == [REVOKED]


def test_what_goes_wrong_with_a_revocation_is_no_failure_of_the_reset(tmp_path: Path) -> None:
    """What may yet succeed is repeated; what was refused is said, and tried again by the next start: only that."""
    repeated = (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.THROTTLED, Fault.UNAVAILABLE, Fault.HTML_PAGE)
    accounts = [user(fault, step_faults=(fault,)) for fault in (*repeated, Fault.FORBIDDEN)]

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, accounts, revoke_sessions=AFTER) as desk:
            first = await desk.run()
            assert answers(first, Step.REVOKE, "throttled") == [("throttled", None)] * 3 + [("accepted", None)]
            assert [verdict for verdict, _ in answers(first, Step.REVOKE, "lost-after")] == ["ambiguous", "accepted"]
            (refused,) = answers(first, Step.REVOKE, "forbidden")
            assert refused[0] == "refused"
            assert str(refused[1]).startswith("HTTP 403 Authorization_RequestDenied")
            refusing = desk.tenant.accounts[object_id("forbidden")]
            refusing.user = replace(refusing.user, step_faults=())
            return first, await desk.resume(first.folder)

    first, resumed = run_virtual(go())
    assert first.counts == resumed.counts == {"succeeded": 6}
    assert first.summary.state == resumed.summary.state == "finished"
    assert resets_of(resumed) == 6
    assert all(changes(resumed.tenant, fault)[-1] is REVOKED for fault in (*repeated, Fault.FORBIDDEN))
    assert not resumed.disagreements()


def test_everybody_has_a_try_and_a_remark_of_their_own(tmp_path: Path) -> None:
    """Whom it is refused for deprives nobody else; everybody is reset, and `resume` revokes those that are left."""

    async def go() -> tuple[Run, Run]:
        refused = [user(f"adm{number:02}", step_faults=(Fault.FORBIDDEN,)) for number in range(21)]
        async with at_desk(tmp_path, [*refused, *users(4)], revoke_sessions=AFTER, workers=1) as desk:
            first = await desk.run()
            for each in refused:
                desk.tenant.accounts[each.id].user = replace(each, step_faults=())
            return first, await desk.resume(first.folder)

    first, resumed = run_virtual(go())
    assert first.summary.state == "finished"
    assert first.counts == resumed.counts == {"succeeded": 25}
    assert first.summary.sessions == {"revoked": 4, "failed": 21, "left": 0}
    assert sum("could not be revoked: HTTP 403" in row["detail"] for row in first.rows) == 21
    assert resumed.summary.sessions == {"revoked": 25, "failed": 0, "left": 0}
    assert resets_of(resumed) == 25


def test_ctrl_c_leaves_revocations_to_the_next_start(tmp_path: Path) -> None:
    """Although every reset has ended by then: the run says that it was interrupted, and goes on where it stopped."""
    first = [signal.SIGINT]

    def interrupt(snapshot: Snapshot) -> None:
        if snapshot.revoked and first:
            signal.raise_signal(first.pop())

    async def go() -> tuple[Run, Run]:
        behaviour = replace(STEADY, latency=Spread(1.0))
        async with at_desk(tmp_path, users(6), behaviour, revoke_sessions=AFTER, workers=1) as desk:
            stopped = await desk.carry_out(await desk.plan(), interrupt)
            assert 1 <= len(answers(stopped, Step.REVOKE)) < 6
            return stopped, await desk.resume(stopped.folder)

    stopped, resumed = run_virtual(go())
    assert (stopped.summary.state, stopped.status) == ("interrupted", 130)
    assert resumed.summary.state == "finished"
    assert [changes(resumed.tenant, f"user00{number}") for number in range(6)] == [[APPLIED, REVOKED]] * 6
    assert resets_of(resumed) == 6


def test_an_outage_costs_nobody_a_revocation(tmp_path: Path) -> None:
    """The service is away for longer than anybody tries, just when sessions are to be revoked: it is sat out."""

    async def go() -> Run:
        behaviour = replace(STEADY, outages=(Outage(5.5, 105.5),))
        async with at_desk(tmp_path, users(12), behaviour, revoke_sessions=AFTER, workers=8, rate=4) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 12}
    assert run.summary.seconds > 100
    assert run.tenant.requests[Route.REVOKE, 200] == 12
    assert all(changes(run.tenant, f"user{number:03}")[-1] is REVOKED for number in range(12))


def test_a_sign_in_that_is_lost_halts_the_run(tmp_path: Path) -> None:
    """A revocation that meets it halts as a reset does, and the next start revokes what is left."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, users(8), revoke_sessions=AFTER, workers=1) as desk:
            desk.tenant.troubles.cause(Trouble.SIGNED_OUT, Route.REVOKE, times=1)
            halted = await desk.run()
            return halted, await desk.resume(halted.folder)

    halted, resumed = run_virtual(go())
    assert (halted.summary.state, halted.status) == ("halted", 4)
    assert halted.halted_because == "the sign-in was lost (HTTP 401 InvalidAuthenticationToken)"
    assert resumed.summary.state == "finished"
    assert all(changes(resumed.tenant, f"user{number:03}")[:2] == [APPLIED, REVOKED] for number in range(8))


def test_a_halt_that_follows_operations_revokes_too(tmp_path: Path) -> None:
    """Too many failures: nothing new is reset, and whoever was reset is not left with old sessions."""

    async def go() -> Run:
        accounts = [*users(6), *(user(f"bad{number}", Fault.REJECTED) for number in range(6)), *users(20)[10:]]
        async with at_desk(tmp_path, accounts, revoke_sessions=AFTER, workers=1, max_failures="3") as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.status == 4
    assert run.counts["succeeded"] >= 6
    assert run.counts["not_attempted"] > 0
    assert run.tenant.requests[Route.REVOKE, 200] == run.counts["succeeded"]


def test_the_rate_bounds_all_writes_together(tmp_path: Path) -> None:
    """Three writes each at 6 a second: two accounts a second, and no second has more writes than that."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(16), revoke_sessions=BOTH, rate=6, workers=8) as desk:
            return await desk.run()

    run = run_virtual(go())
    received = [
        event.at for account in run.tenant.accounts.values() for event in account.events if event.what is RECEIVED
    ]
    assert len(received) == 48
    fullest = max(sum(at <= other < at + 1 for other in received) for at in received)
    assert 5 <= fullest <= 8
    (stopped,) = trail(run, "stopped")
    spent = stopped["spent"]
    assert sum(spent.values()) == pytest.approx(run.summary.seconds, abs=0.5)
    assert spent["quota"] > 7
