"""The program as its users have it: called here, or as a process, perhaps on a terminal; with a tenant beside it."""

from __future__ import annotations

import asyncio
import io
import os
import queue
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

import pytest

from batchreset.cli import main
from batchreset.rehearsal.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchreset.rehearsal.tenant import Tenant

#: What runs a command by its arguments.
Call: TypeAlias = "Callable[..., Ended]"

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="has neither these signals nor pseudo-terminals")

_ROOT = Path(__file__).parents[2]
_COMMAND = [sys.executable, "-m", "batchreset"]
_PATIENCE = 120.0
#: Makes its terminal the one that /dev/tty opens, and becomes the program.
_WITH_TTY = (
    "import fcntl, os, sys, termios; fcntl.ioctl(2, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.orig_argv[3:])"
)


@dataclass(frozen=True)
class Ended:
    """How the program ended, and what it said. `screen` is what a terminal showed, if there was one."""

    status: int
    out: str = ""
    err: str = ""
    screen: str = ""


def at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a user whose current folder, key and settings are in `folder`, and nowhere else; without a terminal."""
    for name in os.environ:
        if name.startswith("BATCHRESET_"):
            monkeypatch.delenv(name)
    (folder / "config.toml").touch()
    monkeypatch.setenv("BATCHRESET_CONFIG", str(folder / "config.toml"))
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(folder / "identity.txt"))
    monkeypatch.setenv("BATCHRESET_TOKEN_CACHE", str(folder / "tokens"))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("PYTHONPATH", str(_ROOT))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.chdir(folder)


def sign_in(monkeypatch: pytest.MonkeyPatch, tenant: Tenant, url: str) -> None:
    """Have the environment of somebody who is signed in to `tenant`."""
    monkeypatch.setenv("BATCHRESET_GRAPH_URL", url)
    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", tenant.token)


@contextmanager
def tenant_beside(tenant: Tenant) -> Iterator[str]:
    """Serve `tenant` from a thread, so that it can be looked at while processes talk to it; yield its URL."""
    told: queue.Queue[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def work() -> None:
        async with serve(tenant) as url:
            stop = asyncio.Event()
            told.put((url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    url, loop, stop = told.get(timeout=_PATIENCE)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_PATIENCE)


@contextmanager
def signed_in(monkeypatch: pytest.MonkeyPatch, tenant: Tenant) -> Iterator[Tenant]:
    """Serve `tenant`, and have the environment of somebody who is signed in to it."""
    with tenant_beside(tenant) as url:
        sign_in(monkeypatch, tenant, url)
        yield tenant


class _Keyboard(io.StringIO):
    """A terminal to read from."""

    def isatty(self) -> bool:
        return True


def call(capture: pytest.CaptureFixture[str], *arguments: str, types: str | None = None) -> Ended:
    """Run a command in this process, as the program does; on a terminal where somebody types something."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["batchreset", *arguments])
        if types is not None:
            patch.setenv("TERM", "dumb")
            patch.setattr(sys, "stdin", _Keyboard(types))
            patch.setattr(sys.stderr, "isatty", lambda: True)
        with pytest.raises(SystemExit) as ended:
            main()
    told = capture.readouterr()
    return Ended(int(ended.value.code or 0), told.out, told.err)


def run(*arguments: str, stdin: str = "") -> Ended:
    """Run a process to its end, without a terminal."""
    done = subprocess.run(  # noqa: S603  our own module
        [*_COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=_PATIENCE,
        check=False,
        start_new_session=True,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def started(*arguments: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Start a process, to be signalled; what it says can be had from `communicate`."""
    with subprocess.Popen(  # noqa: S603  our own module
        [*_COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def on_terminal(
    *arguments: str, answer: str = "", stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None
) -> Ended:
    """Run a process on a terminal to its end; `answer` is typed when it asks. Not on Windows.

    Standard input and output are the terminal too, unless they are given.
    """
    import pty  # noqa: PLC0415  not there on Windows

    ours, theirs = pty.openpty()
    with subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-c", _WITH_TTY, *_COMMAND, *arguments],
        stdin=stdin or theirs,
        stdout=stdout or theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        screen = _converse(ours, answer)
        status = process.wait(_PATIENCE)
    return Ended(status, screen=screen.decode())


def wait_until(has_come: Callable[[], bool]) -> None:
    """Wait for something that a process is to bring about."""
    end = time.monotonic() + _PATIENCE
    while not has_come():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


def _converse(terminal: int, answer: str) -> bytes:
    """Read a terminal until the other side has gone; type the answer at the question."""
    screen, is_asked = b"", False
    while True:
        try:
            shown = os.read(terminal, 65536)
        except OSError:  # how Linux says so
            shown = b""
        if not shown:
            os.close(terminal)
            return screen
        screen += shown
        if not is_asked and b"anything else to leave it: " in screen:
            is_asked = True
            os.write(terminal, answer.encode())
