"""Runs that die between any two commits and are taken up again, in virtual time, held against what the service did."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select

from batchreset.engine import runner
from batchreset.engine.control import Control
from batchreset.engine.keys import key_needed
from batchreset.engine.passwords import opened
from batchreset.engine.runner import Means
from batchreset.model import ENDED, Fate, PasswordSource, RevokeSessions, State, Step
from batchreset.rehearsal.behaviour import Fault, Spread
from batchreset.rehearsal.tenant import What
from batchreset.status import database, rows, writer
from batchreset.status.schema import candidates, resets, sends
from batchreset.status.writer import Writer
from tests.support.clock import VirtualLoop
from tests.support.desk import STEADY, Desk, at_desk, user

if TYPE_CHECKING:
    from batchreset.rehearsal.tenant import Account

SYSTEM, GENERATED = PasswordSource.SYSTEM, PasswordSource.GENERATED
#: What leaves something open; everything else is in the properties of the engine.
FAULTS = st.sampled_from(
    [
        (),
        (Fault.LOST_AFTER, Fault.REJECTED),
        (Fault.LOST_BEFORE, Fault.REJECTED),
        (Fault.LOST_AFTER, Fault.THROTTLED),
        (Fault.LOST_AFTER, Fault.NO_LOCATION),
        (Fault.LOST_AFTER,),
        (Fault.OPERATION_FAILS,),
        (Fault.OPERATION_UNREADABLE,),
        (Fault.OPERATION_NEVER_ENDS,),
    ]
)
#: All that can go with a reset.
STEPS = {"revoke_sessions": RevokeSessions.BOTH, "disable": True, "enable": True}
#: Operations that overtake each other, and the directory's patience with them.
BEHAVIOUR = replace(STEADY, cloud_operation=Spread(5, 1.5), synchronised_operation=Spread(5, 1.5))


class DiedError(Exception):
    """The process is no more."""


class Lives(RuleBasedStateMachine):
    """A run, its tenant, and the processes that work on it one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.out = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.loop = self.stack.enter_context(asyncio.Runner(loop_factory=VirtualLoop))
        self.desk: Desk

    @initialize(
        accounts=st.lists(st.tuples(FAULTS, st.booleans()), min_size=3, max_size=5),
        source=st.sampled_from([GENERATED, GENERATED, SYSTEM]),
        steps=st.sampled_from([{}, STEPS]),
    )
    def plan(
        self, accounts: list[tuple[tuple[Fault, ...], bool]], source: PasswordSource, steps: dict[str, Any]
    ) -> None:
        # Each from a domain of its own: none waits for another to show that writeback works.
        users = [
            user(f"u{number}", *faults, synchronised=synced, on_premises_domain=f"d{number}", enabled=number != 1)
            for number, (faults, synced) in enumerate(accounts)
        ]
        more: dict[str, Any] = {"deadline": "20s", "directory_lag": "10s", "max_failures": "100%", **steps}
        door = at_desk(self.out, users, BEHAVIOUR, workers=2, password_source=source, **more)
        self.desk = self.loop.run(door.__aenter__())
        self.stack.callback(lambda: self.loop.run(door.__aexit__(None, None, None)))
        self.folder = self.loop.run(self.desk.plan()).folder
        self.key = key_needed(self.folder)
        self.engine = database.connect(self.folder)
        self.stack.callback(self.engine.dispose)

    @rule(last=st.integers(2, 20), has_key=st.booleans(), pause=st.sampled_from([0, 0, 1, 30, 3600]))
    def live_and_die(self, last: int, has_key: bool, pause: int) -> None:  # noqa: FBT001  drawn
        """Work until so many commits are begun or done; what comes after is never written. Then nobody works."""
        numbers, write = itertools.count(1), Writer._write

        def write_one_by_one(self: Writer, items: Any) -> None:
            for item in items:
                for is_done in (False, True):
                    if is_done:
                        write(self, [item])
                    if next(numbers) >= last:
                        raise DiedError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Writer, "_write", write_one_by_one)
            patch.setattr(writer, "_GATHER", 0.0)
            with suppress(DiedError):
                self._live(has_key=has_key)
        self.loop.run(asyncio.sleep(pause))

    @precondition(lambda self: {State.FAILED, State.UNRESOLVED} & self.states)
    @rule()
    def retry(self) -> None:
        """Take up what failed, and what nobody knew."""
        rows.move_all(self.engine, State.FAILED, State.READY)
        rows.move_all(self.engine, State.UNRESOLVED, State.DOUBTFUL)

    @property
    def states(self) -> set[State]:
        return {state for state, count in rows.counts(self.engine).items() if count}

    def _live(self, *, has_key: bool) -> None:
        rows.move_all(self.engine, State.SENDING, State.DOUBTFUL)
        means = Means(self.desk.tokens, self.key if has_key else None)
        self.loop.run(runner._work(self.engine, self.desk.settings, means, Control()))

    @invariant()
    def nothing_is_claimed_that_the_service_knows_better(self) -> None:
        """Every row is somewhere; no claim is untrue; no password that took effect is thrown away."""
        if not hasattr(self, "engine"):
            return
        with self.engine.connect() as connection:
            table = connection.execute(select(resets)).all()
            tried = connection.execute(select(candidates)).all()
            sent = connection.execute(select(sends)).all()
        assert len(table) == len(self.desk.tenant.accounts) - 1
        handed_out = list(opened(self.engine, self.key))
        for row in table:
            account = self.desk.tenant.find(row.object_id)
            assert account is not None
            if row.state == State.EXCLUDED:
                assert not account.events
                continue
            mine = [each for each in tried if each.reset_id == row.id]
            fates = {self.key.unseal(each.sealed).reveal(): each.fate for each in mine if each.sealed}
            his = [each for each in handed_out if each.object_id == row.object_id]
            passwords = {each.password.reveal(): each.certainty for each in his}
            self._of_row(State(row.state), account, fates, passwords)
            assert Counter(each.fate for each in mine)[Fate.IN_FORCE] <= (row.state == State.SUCCEEDED)
            arrived = {each.client_request_id for each in account.events if each.what is What.RECEIVED}
            assert arrived <= {each.client_request_id for each in sent if each.reset_id == row.id}

    @staticmethod
    def _of_row(state: State, account: Account, fates: dict[str, str], passwords: dict[str, str]) -> None:
        applied = [event.password for event in account.events if event.what is What.APPLIED]
        # What has not taken effect, and will.
        coming = [each.password for each in account.under_way if each.course.fails is None]
        if state in {State.READY, State.FAILED}:
            assert not applied
            assert not coming
        if state is State.SUCCEEDED:
            assert applied
        else:
            assert {fates.get(password or "", Fate.POSSIBLE) for password in (*applied, *coming)} <= {Fate.POSSIBLE}
        if sure := [password for password, certainty in passwords.items() if certainty == "sure"]:
            # The same may take effect once more.
            assert [*sure, *coming] == [account.password] * (1 + len(coming))
        if state in {State.SUCCEEDED, State.UNRESOLVED}:
            known = {password for password in (*applied[-1:], *coming) if password in fates}
            assert known <= passwords.keys()

    def what_goes_with_each_reset_is_done(self) -> None:
        """Sessions are revoked once the password took effect; blocked are those who were, and those not reset."""
        with self.engine.connect() as connection:
            table = connection.execute(select(resets)).all()
            accepted = connection.execute(select(sends).where(sends.c.verdict == "accepted")).all()
        for row in table:
            account = self.desk.tenant.find(row.object_id)
            assert account is not None
            done = [event.what for event in account.events]
            steps = {Step(each.step) for each in accepted if each.reset_id == row.id}
            is_reset = row.state == State.SUCCEEDED
            if not account.user.enabled:
                assert not {What.DISABLED, What.ENABLED} & set(done)
            elif row.state != State.EXCLUDED:
                assert account.enabled is is_reset
                assert Step.DISABLE in steps
            if is_reset:
                assert {Step.REVOKE_BEFORE, Step.REVOKE} <= steps
                assert What.REVOKED in done[done.index(What.APPLIED) :]

    def teardown(self) -> None:
        """Let the last process finish everything."""
        try:
            if hasattr(self, "engine"):
                self._live(has_key=True)
                assert self.states <= ENDED
                self.nothing_is_claimed_that_the_service_knows_better()
                if self.desk.settings.disable:
                    self.what_goes_with_each_reset_is_done()
        finally:
            self.stack.close()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=9, stateful_step_count=6, deadline=None)
