"""A process that carries out a run and dies when it is told to: `python -m tests.support.victim RUN --die after:3`.

It exits with the run's own status, or with `DEAD`. The token and the key come from the environment.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchreset.auth.token import EnvironmentToken
from batchreset.cli.asynchronous import run_async
from batchreset.engine.passwords import key_needed
from batchreset.engine.result import exit_status
from batchreset.engine.resume import prepare
from batchreset.engine.runner import Means, carry_out
from batchreset.gather import restore
from batchreset.status import database, record
from batchreset.status.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

DEAD = 99


@contextmanager
def victim(folder: Path, token: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a victim beside this process; it is not left behind."""
    command = [sys.executable, "-m", "tests.support.victim", str(folder), *options]
    environment = os.environ | {"BATCHRESET_ACCESS_TOKEN": token}
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, env=environment) as process:  # noqa: S603  our own module
        try:
            yield process
        finally:
            process.kill()


def _die_at(moment: str, commit: int) -> None:
    """See to it that this process dies right before, or right after, so many commits."""
    numbers, write = itertools.count(1), Writer._write

    def counted(self: Writer, items: Any) -> None:
        number = next(numbers)
        if (number, moment) == (commit, "before"):
            os._exit(DEAD)
        write(self, items)
        if (number, moment) == (commit, "after"):
            os._exit(DEAD)

    Writer._write = counted  # type: ignore[method-assign]


async def _go_on(folder: Path) -> int:
    tokens = EnvironmentToken()
    engine = database.connect(folder)
    settings = restore(record.load(engine).settings)
    engine.dispose()
    await prepare(folder, settings, tokens, retry_failed=False)
    summary = await carry_out(folder, settings, Means(tokens, key_needed(folder)))
    return exit_status(summary, ())


def _main() -> None:
    parser = argparse.ArgumentParser(prog="victim")
    parser.add_argument("run", type=Path)
    parser.add_argument("--die", metavar="before:N|after:N")
    chosen = parser.parse_args()
    if chosen.die:
        moment, _, commit = chosen.die.partition(":")
        _die_at(moment, int(commit))
    sys.exit(run_async(_go_on(chosen.run)))


if __name__ == "__main__":
    _main()
