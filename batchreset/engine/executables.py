"""Running somebody's program once for each password, which it is told on standard input and nowhere else."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Self

from batchreset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.secret import Secret

#: Seconds that a program may take; and those in which it may still say why it failed, once it has ended.
_LIMIT, _LAST_WORDS = 60.0, 1.0
#: Bytes kept of what it says, and letters shown of the last line: what is cut off a line is never what is shown.
_KEPT, _SHOWN = 8192, 300
#: Ours hold tokens and passphrases, and say where keys are.
_OURS = "BATCHRESET_"
_ALL_MASKED = "***"


@dataclass(frozen=True, slots=True)
class Executable:
    """A program with its arguments. Ctrl-C on our terminal does not reach it; it has `limit` seconds."""

    path: Path
    arguments: tuple[str, ...] = ()
    limit: float = _LIMIT
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set, init=False, repr=False, compare=False)

    @classmethod
    def named(cls, command: str, option: str) -> Self:
        """Take a command line apart as a shell would, and find its program: on PATH, or where its path says.

        The current folder is not searched. Raises `UsageError`, naming the option, where there is no such program.
        """
        try:
            words = _words(command, is_windows=os.name == "nt")
        except ValueError as error:
            raise UsageError(f"{option}: this command has a quotation mark that is not closed.") from error
        if not words:
            raise UsageError(f"{option}: name a command.")
        name, *arguments = words
        folders = [folder for folder in os.get_exec_path() if Path(folder).is_absolute()]
        found = shutil.which(name, path=os.pathsep.join(folders))
        # Where a name is without a folder, Windows looks into the current one first.
        if found is None or not (Path(name).name != name or Path(found).is_absolute()):
            raise UsageError(
                f"{option}: there is no program '{name}' that can be run: neither on PATH nor as a path from here "
                "(a script is given with what runs it, and one in this folder as ./NAME)."
            )
        return cls(Path(found).absolute(), tuple(arguments))

    @property
    def name(self) -> str:
        """What the program is called, without its arguments, which may hold a secret."""
        return self.path.name

    @property
    def named_for_trail(self) -> str:
        """The program by its path, and the script that it runs, if it does; other arguments may be secrets."""
        script = next((Path(each).absolute() for each in self.arguments if Path(each).is_file()), None)
        return f"{self.path} {script}" if script else str(self.path)

    def run(self, line: bytes, secret: Secret) -> str | None:
        """Run it with a line on standard input; return why it failed, None where it ended with status 0.

        What it says on standard output is thrown away; of standard error the last line is told, without the secret.
        """
        try:
            # By its own session or group: a signal for us is none for it, and its children end with it.
            process = subprocess.Popen(  # noqa: S603  what the operator named, by its path and without a shell
                [str(self.path), *self.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment(os.environ),
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            return f"it could not be started ({error.strerror})"
        self._running.add(process)
        try:
            return self._outcome(process, line, secret)
        finally:
            self._running.discard(process)

    def _outcome(self, process: subprocess.Popen[bytes], line: bytes, secret: Secret) -> str | None:
        said = bytearray()
        # In threads, since it may neither read nor close what it was given, and neither may what it leaves running.
        Thread(target=_feed, args=(process.stdin, line), daemon=True).start()
        listener = Thread(target=_listen, args=(process.stderr, said), daemon=True)
        listener.start()
        try:
            status = process.wait(self.limit)
        except subprocess.TimeoutExpired:
            _kill(process)
            why = f"it took longer than {self.limit:g} s and was stopped"
        else:
            if status == 0:
                return None
            why = f"it ended with status {status}"
        listener.join(_LAST_WORDS)
        last = last_line(bytes(said), secret)
        return f"{why}: {last}" if last else why

    def kill(self) -> None:
        """Stop what is running, with its children; `run` then tells of a failure."""
        for process in list(self._running):
            _kill(process)


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables of this program."""
    return {name: value for name, value in ours.items() if not name.upper().startswith(_OURS)}


def last_line(said: bytes, secret: Secret) -> str:
    """Return the last line of what a program said, as it may be shown: without the secret, however it is quoted."""
    lines = [line for line in said.decode(errors="replace").replace("\0", "").splitlines() if line.strip()]
    if not lines:
        return ""
    shown = secret.masked(lines[-1]).strip()
    if _bare(secret.reveal()) in _bare(shown):
        return _ALL_MASKED
    return shown if len(shown) <= _SHOWN else f"...{shown[-_SHOWN:]}"


def _bare(text: str) -> str:
    """Return the letters and digits alone: shells and languages put anything between them to quote a text."""
    return "".join(filter(str.isalnum, text)).casefold()


def _words(command: str, *, is_windows: bool) -> list[str]:
    """Split a command as the system's shell would; on Windows a backslash is a letter of a path."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    if is_windows:
        lexer.escape, lexer.quotes = "", '"'
    return list(lexer)


def _feed(stream: IO[bytes], line: bytes) -> None:
    with suppress(OSError), stream:  # it may have ended without reading
        stream.write(line)


def _listen(stream: IO[bytes], said: bytearray) -> None:
    with suppress(OSError), stream:
        while block := os.read(stream.fileno(), _KEPT):
            said += block
            del said[:-_KEPT]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started, and wait for that."""
    if sys.platform == "win32":
        tool = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
        with suppress(OSError):
            subprocess.run([str(tool), "/f", "/t", "/pid", str(process.pid)], capture_output=True, check=False)  # noqa: S603  Windows' own tool
        process.kill()
    elif process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
