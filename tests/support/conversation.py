"""The program on a terminal, with somebody who answers each of its prompts. Not on Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.program import Ended

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATIENCE = 120
#: Makes the terminal the process's own, as a shell does, so that it can ask there whatever its streams are.
_WITH_TTY = (
    "import fcntl, os, sys, termios; fcntl.ioctl(2, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.orig_argv[3:])"
)


def converse(arguments: Sequence[str], *steps: tuple[str, str]) -> Ended:
    """Run a process on a terminal, and type each answer once what it answers is on the screen."""
    import pty  # noqa: PLC0415  not there on Windows

    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", _WITH_TTY, sys.executable, "-m", "batchreset", *arguments]
    screen, seen, left = b"", 0, [*steps]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:  # noqa: S603  our own module
        os.close(theirs)
        while True:
            try:
                shown = os.read(ours, 65536)
            except OSError:  # how Linux says that the other side has gone
                shown = b""
            if not shown:
                break
            screen += shown
            while left and (place := screen.find(left[0][0].encode(), seen)) >= 0:
                seen = place + len(left[0][0])
                os.write(ours, left.pop(0)[1].encode())
        os.close(ours)
        status = process.wait(_PATIENCE)
    assert not left, screen
    return Ended(status, screen=screen.decode())
