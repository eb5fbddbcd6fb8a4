from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from batchreset.model import PasswordSource
from batchreset.rehearsal.behaviour import Fault
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, user

if TYPE_CHECKING:
    import pytest

    from batchreset.engine.progress import Snapshot

FAULTS = st.lists(st.sampled_from(Fault), max_size=3, unique=True)


@settings(max_examples=6, deadline=None)
@given(
    accounts=st.lists(st.tuples(FAULTS, st.booleans()), min_size=1, max_size=12),
    workers=st.integers(1, 6),
    source=st.sampled_from([PasswordSource.GENERATED, PasswordSource.SYSTEM]),
    stop_after=st.none() | st.integers(0, 6),
)
def test_no_outcome_disagrees_with_the_tenant(
    tmp_path_factory: pytest.TempPathFactory,
    accounts: list[tuple[list[Fault], bool]],
    workers: int,
    source: PasswordSource,
    stop_after: int | None,
) -> None:
    """Whatever goes wrong, wherever it is stopped and resumed: every row is accounted for, and truthfully.

    None is left waiting but behind an on-premises domain's first account, whose reset did not come true.
    """

    def stop(told: Snapshot) -> None:
        if stop_after is not None and told.done >= stop_after:
            signal.raise_signal(signal.SIGINT)

    async def go() -> Run:
        users = [
            user(f"user{number:02}", *faults, synchronised=is_synchronised)
            for number, (faults, is_synchronised) in enumerate(accounts)
        ]
        out = tmp_path_factory.mktemp("run")
        more: dict[str, Any] = {"deadline": "20s", "directory_lag": "10s", "max_failures": "100%"}
        async with at_desk(out, users, workers=workers, password_source=source, **more) as desk:
            run = await desk.carry_out(await desk.plan(), stop)
            assert sum(run.summary.counts.values()) == len(accounts)
            assert not run.disagreements()
            return run if run.status != 130 else await desk.resume(run.folder)

    run = run_virtual(go())
    assert not run.disagreements()
    assert run.counts.get("not_attempted", 0) == run.summary.reasons.get("writeback", 0)
