"""A terminal, or a console window, that is closed under a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from batchreset.engine import signals
from batchreset.rehearsal.behaviour import UNHINDERED, Spread
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import Tenant
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, users
from tests.support.program import _COMMAND, _WITH_TTY, at_home, call, posix_only, signed_in, wait_until
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from batchreset.engine.progress import Snapshot

CTRL_C, CTRL_CLOSE = 0, 2


def test_a_console_window_that_is_closed_ends_the_run_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows ends the process when its event has been handled: that is when all is written down."""
    handlers: list[Callable[[int], bool]] = []
    ended: list[str] = []

    @contextmanager
    def console(handle: Callable[[int], bool]) -> Iterator[None]:
        handlers.append(handle)
        yield

    def close(folder: Path) -> None:
        assert handlers[0](CTRL_CLOSE) is True
        ended.append((folder / "summary.json").read_text(encoding="utf-8"))

    # Where Windows would be asked to call.
    monkeypatch.setattr(signals, "_console", console)

    async def go() -> Run:
        async with at_desk(tmp_path, users(40), replace(STEADY, latency=Spread(2.0)), workers=4) as desk:
            plan = await desk.plan()
            window = threading.Thread(target=close, args=[plan.folder])

            def tell(told: Snapshot) -> None:
                if told.done and not window.ident:
                    assert handlers[0](CTRL_C) is False
                    window.start()

            stopped = await desk.carry_out(plan, tell)
            window.join()
            return stopped

    stopped = run_virtual(go())
    assert stopped.status == 130
    assert '"state": "interrupted"' in ended[0]
    assert stopped.counts.keys() >= {"succeeded", "not_attempted"}
    assert not stopped.disagreements()


@posix_only
def test_a_terminal_that_is_closed_ends_the_run_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is left to be told, but the report is there, and the run can be resumed."""
    import pty  # noqa: PLC0415  not there on Windows

    at_home(tmp_path, monkeypatch)
    (tmp_path / "cohort.csv").write_text("\n".join(["upn", *upns(40)]), encoding="utf-8")
    slow = replace(UNHINDERED, latency=Spread(0.3), cloud_operation=Spread(0.3))
    with signed_in(monkeypatch, Tenant(populate(upns(40), plain=True), slow)) as tenant:
        ours, theirs = pty.openpty()
        with subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-c", _WITH_TTY, *_COMMAND, "run", "cohort.csv", "--yes", "--workers", "2"],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            wait_until(lambda: any(account.password for account in list(tenant.accounts.values())))
            os.close(ours)
            status = process.wait(60)
        assert status == 130
        ended = call(capsys, "status", "--json")
        assert '"state": "interrupted"' in ended.out, ended
        (folder,) = (tmp_path / "reports").iterdir()
        assert (folder / "report.html").is_file()
