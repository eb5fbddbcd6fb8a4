"""The program on a terminal, with somebody who answers each of its prompts. Not on Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATIENCE = 120


def converse(arguments: Sequence[str], answers: Mapping[str, str]) -> tuple[int, str]:
    """Run a process on a terminal of its own, and answer each prompt once; return its status and the screen."""
    import pty  # noqa: PLC0415  not there on Windows

    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-m", "batchreset", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        screen, left = b"", dict(answers)
        while True:
            try:
                shown = os.read(ours, 65536)
            except OSError:  # how Linux says that the other side has gone
                shown = b""
            if not shown:
                os.close(ours)
                return process.wait(_PATIENCE), screen.decode()
            screen += shown
            for prompt in [prompt for prompt in left if screen.endswith(prompt.encode())]:
                os.write(ours, left.pop(prompt).encode() + b"\n")
