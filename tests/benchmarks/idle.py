"""What a run costs while it only waits: operations under way, and none due to be looked at.

Run it as `python -m tests.benchmarks.idle [OPERATIONS]`. The tenant asks not to be looked at for an hour, so that
once everything is sent nothing is due. The program's live view goes to a file the first time and to a terminal the
second, where it is drawn. No sessions are revoked, and no canary goes first; a few rows fail at once, before which
hardly any would be sent. Figures are printed, never asserted; it needs a system other than Windows.
"""

from __future__ import annotations

import argparse
import os
import pty
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from batchreset.model import State
from batchreset.policy.opening import CAUTIOUS_UNTIL
from batchreset.status import database, rows
from tests.support.processes import ROOT, cpu_of, memory_of
from tests.support.tenant_process import tenant_process, upns

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds that are measured, and those before them in which what was sent last comes to rest.
MEASURED, SETTLING = 20.0, 5.0


@contextmanager
def terminal() -> Iterator[int]:
    """Open a terminal that somebody reads, and yield its file descriptor."""
    ours, theirs = pty.openpty()

    def read() -> None:
        try:
            while os.read(ours, 65536):
                pass
        except OSError:  # Linux's way to say that nobody writes any more
            pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)


def wait_until_sent(out: Path, process: subprocess.Popen[bytes], operations: int) -> None:
    """Wait until the run's table has all operations under way."""
    while True:
        assert process.poll() is None, "the run ended before its operations"
        time.sleep(1)
        if made := list(out.glob("2*")):
            engine = database.connect(made[0])
            counts = rows.counts(engine)
            engine.dispose()
            if counts[State.ACCEPTED] == operations:
                return


def share(operations: int, error: int, *, drawn: bool) -> tuple[float, float]:
    """Carry out a run that waits: the share of a core that it takes, and the MB that it holds."""
    accounts = CAUTIOUS_UNTIL + operations
    options = ("--operation", "7200", "--look-after", "3600", "--rejecting", str(CAUTIOUS_UNTIL))
    with tenant_process(accounts, *options) as tenant, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "cohort.csv").write_text("userPrincipalName\n" + "\n".join(upns(accounts)), encoding="utf-8")
        environment = os.environ | {
            "BATCHRESET_ACCESS_TOKEN": tenant.token,
            "BATCHRESET_IDENTITY": str(folder / "identity.txt"),
            "XDG_STATE_HOME": place,
            "BATCHRESET_GRAPH_URL": tenant.url,
            "BATCHRESET_OUT": str(folder / "reports"),
            "BATCHRESET_DEADLINE": "4h",
            "BATCHRESET_REVOKE_SESSIONS": "never",
            "BATCHRESET_CANARY": "0",
            "BATCHRESET_MAX_FAILURES": "100%",
            "TERM": "xterm" if drawn else "dumb",
        }
        command = [sys.executable, "-m", "batchreset", "run", str(folder / "cohort.csv"), "--yes"]
        with subprocess.Popen(  # noqa: S603  our own program
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=error
        ) as process:
            try:
                wait_until_sent(folder / "reports", process, operations)
                time.sleep(SETTLING)
                before = cpu_of(process.pid)
                time.sleep(MEASURED)
                return (cpu_of(process.pid) - before) / MEASURED, memory_of(process.pid)
            finally:
                process.kill()


def main() -> None:
    """Print the share of a core, with plain lines and with a live view."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.idle")
    parser.add_argument("operations", nargs="?", type=int, default=5000)
    operations = parser.parse_args().operations
    with Path(os.devnull).open("wb") as nowhere:
        plain, held = share(operations, nowhere.fileno(), drawn=False)
    print(f"{operations:,} operations under way, none due: {plain:.2%} of a core, {held:.0f} MB")
    with terminal() as screen:
        drawn, held = share(operations, screen, drawn=True)
    print(f"the same with a live view on a terminal: {drawn:.2%} of a core, {held:.0f} MB")


if __name__ == "__main__":
    main()
