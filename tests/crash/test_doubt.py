"""What becomes of rows that an earlier process left between intent and answer, or with more than one operation."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from batchreset.clock import timestamp
from batchreset.engine.keys import key_needed
from batchreset.engine.runner import Means, carry_out
from batchreset.model import Fate, PasswordSource, State
from batchreset.rehearsal.behaviour import COURSES, Fault
from batchreset.rehearsal.tenant import What
from batchreset.secret import Secret
from batchreset.status import database
from batchreset.status.schema import candidates, resets, sends
from batchreset.vault.sealing import Sealer
from tests.support.clock import run_virtual
from tests.support.desk import Desk, Run, at_desk, object_id, user

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from batchreset.rehearsal.tenant import Account

LAG, DEADLINE = 60.0, 600.0


@dataclass
class Left:
    """A run of one account, Ana, as a process that was killed left it."""

    desk: Desk
    folder: Path
    account: Account

    def tried(self, password: str | None, fate: Fate = Fate.POSSIBLE, **send: Any) -> None:
        """Have a password sent: the answer was lost, unless `send` says otherwise."""
        engine = database.connect(self.folder)
        with engine.begin() as connection:
            number = len(connection.execute(select(candidates.c.id)).all()) + 1
            recipient = connection.exec_driver_sql("SELECT recipient FROM run").scalar_one()
            sealed = Sealer(recipient).seal(Secret(password)) if password is not None else None
            line = {"id": number, "reset_id": 1, "sealed": sealed, "fate": fate, "made_at": timestamp()}
            connection.execute(candidates.insert(), line)
            intent = {"client_request_id": f"send-{number}", "candidate_id": number, "intent_at": timestamp()}
            if send:
                send |= {"verdict": "accepted", "status": 202, "answered_at": timestamp()}
            connection.execute(sends.insert(), {"reset_id": 1, "step": "reset", **intent, **send})
        engine.dispose()

    def accepted(self, password: str, lasts: float) -> None:
        """Have a password accepted, to be put in force in so many seconds."""
        operation = self.desk.tenant.accept(self.account, password, None)
        operation.ends_at = self.desk.tenant.now + lasts
        tenant = self.desk.tenant
        url = f"{tenant.url}/v1.0/users/{self.account.user.id}/authentication/operations/{operation.id}"
        self.tried(password, operation_url=url)

    def accepted_unheard(self, password: str) -> None:
        """Have a password put in force at once, of whose answer nobody has heard."""
        self.desk.tenant.accept(self.account, password, None).ends_at = self.desk.tenant.now

    async def go_on(self, state: State = State.DOUBTFUL, *, has_key: bool = True) -> Run:
        """Take the run up, found in this state."""
        engine = database.connect(self.folder)
        with engine.begin() as connection:
            connection.execute(resets.update().values(state=state))
        engine.dispose()
        means = Means(self.desk.tokens, key_needed(self.folder) if has_key else None)
        return self.desk.look(self.folder, await carry_out(self.folder, self.desk.settings, means))


@asynccontextmanager
async def left(out: Path, *faults: Fault, synchronised: bool = False, **settings: Any) -> AsyncIterator[Left]:
    accounts = [user("ana", *faults, synchronised=synchronised)]
    async with at_desk(out, accounts, deadline=f"{DEADLINE:g}s", directory_lag=f"{LAG:g}s", **settings) as desk:
        plan = await desk.plan()
        yield Left(desk, plan.folder, desk.tenant.accounts[object_id("ana")])


def given(run: Run) -> dict[str, str]:
    """Return the passwords handed out, and how sure each is."""
    return {each.password.reveal(): each.certainty for each in run.passwords}


def arrivals(run: Run) -> list[float]:
    """Say when writes arrived, in seconds of the tenant's life."""
    return [event.at for event in run.tenant.events_of(object_id("ana")) if event.what is What.RECEIVED]


def test_with_the_key_the_same_password_is_sent_again_at_once(tmp_path: Path) -> None:
    """It converges, whichever of the two lands; and however often a crash came in between."""

    async def go() -> Run:
        async with left(tmp_path) as ana:
            for _ in range(4):
                ana.tried("Copper-8-harbour")
            return await ana.go_on()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 1}
    assert arrivals(run)[0] < LAG
    assert "Copper-8-harbour" in given(run)


def test_without_the_key_another_password_waits_for_the_directorys_lag(tmp_path: Path) -> None:
    """The first may land yet: both are handed out as candidates, and one of them opens the account."""

    async def go() -> Run:
        async with left(tmp_path) as ana:
            ana.tried("Copper-8-harbour")
            return await ana.go_on(has_key=False)

    run = run_virtual(go())
    assert run.counts == {"succeeded": 1}
    (arrived,) = arrivals(run)
    assert arrived >= LAG
    assert len(given(run)) == 2
    assert set(given(run).values()) == {"candidate"}
    assert not run.disagreements()


def test_without_the_key_another_password_is_tried_where_nothing_can_be_compared(tmp_path: Path) -> None:
    """The directory does not tell when a password changed, before or now; its lag has passed all the same."""

    async def go() -> Run:
        async with left(tmp_path) as ana:
            ana.tried("Copper-8-harbour")
            engine = database.connect(ana.folder)
            with engine.begin() as connection:
                connection.execute(resets.update().values(password_changed_before=None))
            engine.dispose()
            ana.account.password_changed_at = None  # type: ignore[assignment]
            return await ana.go_on(has_key=False)

    run = run_virtual(go())
    assert (len(arrivals(run)), run.counts) == (1, {"succeeded": 1})
    assert len(given(run)) == 2


def test_without_the_key_nothing_is_sent_where_the_directory_shows_the_first(tmp_path: Path) -> None:
    """It is the only one there is, so it is sure."""

    async def go() -> Run:
        async with left(tmp_path) as ana:
            ana.tried("Copper-8-harbour")
            ana.desk.tenant.put_in_force(ana.account, "Copper-8-harbour", None, ana.desk.tenant.now)
            return await ana.go_on(has_key=False)

    run = run_virtual(go())
    assert (run.counts, arrivals(run), given(run)) == ({"succeeded": 1}, [], {"Copper-8-harbour": "sure"})


@pytest.mark.parametrize("is_shown", [True, False])
def test_after_the_lag_the_directory_is_asked_before_the_same_is_sent_again(tmp_path: Path, *, is_shown: bool) -> None:
    """Meanwhile the user may have chosen another password, which is not to be overwritten."""

    async def go() -> Run:
        async with left(tmp_path) as ana:
            ana.tried("Copper-8-harbour")
            engine = database.connect(ana.folder)
            with engine.begin() as connection:
                connection.execute(sends.update().values(intent_at="2026-01-02T03:04:05.000Z"))
            engine.dispose()
            if is_shown:
                ana.desk.tenant.put_in_force(ana.account, "Copper-8-harbour", None, ana.desk.tenant.now)
            return await ana.go_on()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 1}
    assert len(arrivals(run)) == (0 if is_shown else 1)
    assert all(at < LAG for at in arrivals(run))


def test_a_refused_resend_is_not_failed_by_itself(tmp_path: Path) -> None:
    """What was sent first may have been applied: it is handed out, the refused one is not, and the row says it all."""

    async def go() -> Run:
        async with left(tmp_path, Fault.REJECTED) as ana:
            ana.tried("Copper-8-harbour")
            return await ana.go_on(has_key=False)

    run = run_virtual(go())
    row = run.row("ana")
    assert (row["outcome"], row["reason"]) == ("unresolved", "answer_lost")
    assert row["detail"].startswith("sent once; an earlier answer was lost; then HTTP 400 PasswordPolicyViolation")
    assert "the directory shows no change of password" in row["detail"]
    assert given(run) == {"Copper-8-harbour": "candidate"}


def test_a_synchronised_account_is_asked_for_and_never_sent_again(tmp_path: Path) -> None:
    """The directory is given until the deadline."""

    async def go() -> Run:
        async with left(tmp_path, synchronised=True) as ana:
            ana.tried("Copper-8-harbour")
            return await ana.go_on()

    run = run_virtual(go())
    assert (run.counts, arrivals(run), given(run)) == ({"unresolved": 1}, [], {"Copper-8-harbour": "candidate"})
    assert "the directory shows no change of password after 6" in run.row("ana")["detail"]


@pytest.mark.parametrize("lasts", [(5.0, 20.0), (20.0, 5.0)], ids=["in order", "overtaken"])
def test_the_operation_that_ended_last_decides(tmp_path: Path, lasts: tuple[float, float]) -> None:
    """Of two that were accepted, each with its password, the earlier may be the slower."""

    async def go() -> Run:
        async with left(tmp_path) as ana:
            for password, seconds in zip(("Copper-8-harbour", "Quartz-7-meadow"), lasts, strict=True):
                ana.accepted(password, seconds)
            return await ana.go_on(State.ACCEPTED)

    run = run_virtual(go())
    assert run.counts == {"succeeded": 1}
    assert given(run) == {("Copper-8-harbour" if lasts[0] > lasts[1] else "Quartz-7-meadow"): "sure"}
    assert not run.disagreements()


@pytest.mark.parametrize("lost_first", [True, False])
def test_where_one_of_several_does_not_tell_all_are_candidates(tmp_path: Path, *, lost_first: bool) -> None:
    """An operation ended with success, and another send may have landed later."""

    async def go() -> Run:
        async with left(tmp_path) as ana:
            if lost_first:
                ana.tried("Copper-8-harbour")
            ana.accepted("Quartz-7-meadow", 5.0)
            if not lost_first:
                ana.tried("Copper-8-harbour", operation_url=None)
            return await ana.go_on(State.ACCEPTED)

    run = run_virtual(go())
    assert run.counts == {"succeeded": 1}
    assert given(run) == {"Copper-8-harbour": "candidate", "Quartz-7-meadow": "candidate"}
    assert not run.disagreements()


def test_a_row_whose_every_send_came_to_nothing_is_in_no_doubt(tmp_path: Path) -> None:
    """Its operation failed while nobody worked: it is sent anew, whatever kind of account it is."""

    async def go() -> Run:
        async with left(tmp_path, synchronised=True) as ana:
            ana.accepted("Copper-8-harbour", 5.0)
            for operation in ana.account.under_way:
                operation.course = COURSES[Fault.OPERATION_FAILS]
            return await ana.go_on(State.DOUBTFUL)

    run = run_virtual(go())
    assert run.counts == {"succeeded": 1}
    assert "Copper-8-harbour" not in given(run)
    assert not run.disagreements()


def test_a_row_taken_up_again_after_it_failed_may_be_in_doubt_like_any_other(tmp_path: Path) -> None:
    """The operation that failed before says nothing of the send that was lost since."""

    async def go() -> Run:
        async with left(tmp_path) as ana:
            ana.tried("Copper-8-harbour", Fate.REFUSED, operation_url="/failed", operation_status="failed")
            ana.tried("Quartz-7-meadow")
            return await ana.go_on()

    run = run_virtual(go())
    assert (run.counts, len(arrivals(run))) == ({"succeeded": 1}, 1)
    assert given(run) == {"Quartz-7-meadow": "sure"}


@pytest.mark.parametrize(("faults", "at_least"), [((Fault.LOST_BEFORE,), LAG), ((Fault.LOST_AFTER,), 5.0)])
def test_a_password_of_the_services_making_is_made_again_in_its_time(
    tmp_path: Path, faults: tuple[Fault, ...], at_least: float
) -> None:
    """When the directory shows the first, or has had its time to; nobody was told that one, so the next is unsure."""

    async def go() -> Run:
        async with left(tmp_path, *faults, password_source=PasswordSource.SYSTEM) as ana:
            return await ana.go_on(State.READY)

    run = run_virtual(go())
    first, second = arrivals(run)
    assert second - first >= at_least
    assert list(given(run).values()) == ["candidate"]
    assert not run.disagreements()


@pytest.mark.parametrize("was_applied", [False, True])
@pytest.mark.parametrize("source", [PasswordSource.GENERATED, PasswordSource.SYSTEM])
def test_a_discarded_password_in_doubt(tmp_path: Path, source: PasswordSource, *, was_applied: bool) -> None:
    """Nobody has it, so the directory is asked first, and another is sent only where it shows no change in its time."""

    async def go() -> Run:
        async with left(tmp_path, password_source=source, discard_passwords=True) as found:
            if was_applied:
                found.accepted_unheard("the first, 1")
            found.tried(None)
            return await found.go_on(has_key=False)

    run = run_virtual(go())
    assert (run.counts, run.sends("ana")) == ({"succeeded": 1}, 0 if was_applied else 1)
    assert not run.row("ana")["detail"]
    assert not run.passwords


def test_what_comes_back_from_doubt_is_within_the_limit(tmp_path: Path) -> None:
    """A row in doubt without a key is given back by the tracker, and sent once under --limit too."""

    async def go() -> tuple[Run, Run]:
        async with left(tmp_path, limit=1) as found:
            found.tried("the first, 1")
            part = await found.go_on(has_key=False)
            found.desk.settings = found.desk.settings.but(limit=None)
            return part, await found.desk.resume(found.folder)

    part, whole = run_virtual(go())
    assert (part.counts, part.sends("ana")) == ({"succeeded": 1}, 1)
    assert (whole.counts, whole.sends("ana")) == ({"succeeded": 1}, 1)
