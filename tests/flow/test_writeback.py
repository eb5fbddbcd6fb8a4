"""Synchronised accounts: of each on-premises domain one goes first, and where writeback fails the rest stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batchreset.rehearsal.behaviour import Fault, Spread
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, sent_in_order, upn, user, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.rehearsal.population import User

WELL, DEAD = "well.example", "dead.example"
#: On-premises takes half a minute.
SLOW = replace(STEADY, synchronised_operation=Spread(30))


def hybrids(name: str, count: int, domain: str, *faults: Fault) -> list[User]:
    """Make so many synchronised accounts of a domain."""
    return [user(f"{name}{number}", *faults, synchronised=True, on_premises_domain=domain) for number in range(count)]


def test_a_dead_domain_stops_alone(tmp_path: Path) -> None:
    """Cloud accounts and other domains go on; its rows are not attempted, for that reason, and `resume` tries again.

    A canary of it halts nothing.
    """
    accounts = [user("disabled", synchronised=True, on_premises_domain=DEAD, enabled=False)]
    accounts += [*hybrids("dead", 4, DEAD), *users(6), *hybrids("well", 4, WELL)]

    async def go() -> tuple[Run, Run]:
        behaviour = replace(SLOW, dead_writeback=frozenset({DEAD}))
        async with at_desk(tmp_path, accounts, behaviour, canary=3) as desk:
            part = await desk.run()
            desk.tenant.behaviour = STEADY
            return part, await desk.resume(part.folder)

    part, whole = run_virtual(go())
    assert (part.status, part.summary.state) == (3, "finished")
    assert part.counts == {"succeeded": 10, "failed": 1, "not_attempted": 4}
    assert part.halted_because == f"writeback failed in {DEAD}: 4 accounts were not attempted"
    left = [row for row in part.rows if row["outcome"] == "not_attempted"]
    assert {row["user"] for row in left} == {upn(name) for name in ("disabled", "dead1", "dead2", "dead3")}
    assert {row["reason"] for row in left} == {"writeback"}
    assert all(DEAD in row["detail"] and upn("dead0") in row["detail"] for row in left)
    assert part.row("dead0")["reason"] == "operation_failed"
    sent = sent_in_order(part.tenant)
    assert {name for _, name in sent[:2]} == {"user000", "dead0"}
    # The next start has a scout of its own, of a domain that has shown nothing yet, and forgets what was wrong.
    again = [(at, name) for at, name in sent if name in {"disabled", "dead1", "dead2", "dead3"}]
    assert again[0][1] == "dead1"
    assert again[1][0] >= again[0][0] + 5
    assert whole.counts == {"succeeded": 14, "failed": 1}
    assert whole.halted_because is None
    assert whole.row("disabled")["reason"] == ""


def test_a_scout_that_proves_nothing_is_followed_by_another(tmp_path: Path) -> None:
    """A refusal of its own says nothing of the domain; a password that on-premises refuses says that it answers.

    Meanwhile all accounts but those of its domain are sent.
    """
    accounts = [
        *hybrids("refused", 1, WELL, Fault.FORBIDDEN),
        *hybrids("well", 3, WELL),
        *hybrids("strict", 1, "strict.example", Fault.OPERATION_REJECTS),
        *hybrids("other", 3, "strict.example"),
        *users(5),
    ]

    async def go() -> Run:
        async with at_desk(tmp_path, accounts, SLOW, workers=2) as desk:
            return await desk.run()

    run = run_virtual(go())
    at = {name: at for at, name in reversed(sent_in_order(run.tenant))}
    assert at["well0"] < 5
    assert at["well1"] >= at["well0"] + 30
    assert at["other0"] >= at["strict0"] + 30
    assert max(at[f"user00{number}"] for number in range(5)) < 5
    assert run.counts == {"succeeded": 11, "failed": 2}
    assert run.row("strict0")["reason"] == "password_rejected"
