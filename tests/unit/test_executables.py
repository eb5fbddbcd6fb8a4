from __future__ import annotations

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from batchreset.engine.executables import Executable, _words, environment, last_line
from batchreset.errors import UsageError
from batchreset.secret import Secret
from tests.support.program import posix_only, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

AWKWARD = Secret('Copper\'s\\8 "harbour"/<&%')
#: Long enough for a child to begin, on a slow machine too.
_SOON = 1.5


def python(program: str, *arguments: str, limit: float = 60.0) -> Executable:
    return Executable(Path(sys.executable), ("-c", program, *arguments), limit)


def script(folder: Path, name: str = "tool") -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\ncat > /dev/null\n", encoding="ascii")
    path.chmod(0o755)
    return path


def test_a_command_is_split_as_a_shell_would() -> None:
    """On Windows a backslash is part of a path, and only double quotation marks keep words together."""
    assert _words("""tool 'a b' "c d" e\\ f #g""", is_windows=False) == ["tool", "a b", "c d", "e f", "#g"]
    command = '"C:\\Program Files\\tool.exe" --to "it\'s here" C:\\new'
    assert _words(command, is_windows=True) == ["C:\\Program Files\\tool.exe", "--to", "it's here", "C:\\new"]


@posix_only
def test_a_program_is_found_on_path_or_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never in the current folder by its bare name, not even where PATH has that in it."""
    (tmp_path / "bin").mkdir()
    path = script(tmp_path / "bin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert Executable.named("tool --to x", "--hand-over") == Executable(path, ("--to", "x"))
    assert Executable.named("bin/tool", "--hand-over").path == path
    monkeypatch.chdir(tmp_path / "bin")
    assert Executable.named("./tool", "--hand-over").path.samefile(path)
    for here in ("", ".", f".{os.pathsep}/nowhere"):
        monkeypatch.setenv("PATH", here)
        with pytest.raises(UsageError, match="no program 'tool' that can be run"):
            Executable.named("tool", "--hand-over")


@pytest.mark.parametrize("command", ["", "  ", "no-such-program-anywhere", "tool 'open", "./nowhere"])
def test_a_command_that_is_none_is_refused(command: str) -> None:
    """In a sentence that names the option."""
    with pytest.raises(UsageError, match=r"^--hand-over: "):
        Executable.named(command, "--hand-over")


def test_nothing_of_ours_is_in_a_childs_environment() -> None:
    """Neither tokens nor where keys are; all else is as it was."""
    ours = {"PATH": "/bin", "BATCHRESET_ACCESS_TOKEN": "t", "BATCHRESET_IDENTITY": "/key", "batchreset_x": "y"}
    assert environment(ours) == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "quoting",
    [
        str,
        json.dumps,
        lambda text: json.dumps(json.dumps({"password": text})),
        repr,
        shlex.quote,
        quote,
        lambda text: text.replace("'", "''"),
        lambda text: text.replace('"', '`"'),
        lambda text: text.encode().hex(),
        lambda text: "".join(f"\\{letter}" if letter in "'\"\\&<%/ " else letter for letter in text),
    ],
)
def test_no_quoting_of_a_password_is_shown(quoting: Callable[[str], str]) -> None:
    """Whatever the program makes of it, three stars are left."""
    plain = AWKWARD.reveal()
    shown = last_line(f"first\nno luck with {quoting(plain)}!\n\n".encode(), AWKWARD)
    assert "***" in shown
    assert "harbour" not in shown
    assert "Copper" not in shown


@pytest.mark.parametrize(
    "said",
    [
        *(" Quartz 7 meadow ", "Quartz 7 meadow", "no ticket: ' Quartz  7 meadow '", "Quartz\\ 7\\ meadow"),
        *("QUARTZ 7 MEADOW", "['Q', 'u', 'a', 'r', 't', 'z', ' ', '7', 'm', 'e', 'a', 'd', 'o', 'w']"),
    ],
)
def test_blanks_that_get_lost_do_not_show_a_password(said: str) -> None:
    """Such as those at its ends, which a program may have taken off."""
    assert "***" in last_line(f"{said}\n".encode(), Secret(" Quartz 7 meadow "))


def test_the_last_line_is_told_and_its_end_where_it_is_long() -> None:
    """A password that was cut in two where the text begins is not in what is left of it."""
    assert last_line(b"one\r\ntwo\r\n \r\n", AWKWARD) == "two"
    assert last_line(b"", AWKWARD) == ""
    assert last_line("bell\xe9".encode("latin-1"), AWKWARD) == "bell\ufffd"
    assert last_line("Ünter".encode("utf-16-le"), AWKWARD).endswith("nter")
    cut = last_line(b"harbour" + b"x" * 8000 + b" the end", AWKWARD)
    assert cut.startswith("...x")
    assert cut.endswith(" the end")


def test_a_program_gets_one_line_and_then_the_end() -> None:
    """It ends well where that is what it reads."""
    program = "import sys; sys.exit(sys.stdin.buffer.read() != b'{}\\n')"
    assert python(program).run(b"{}\n", AWKWARD) is None
    assert python(program).run(b"{ }\n", AWKWARD) == "it ended with status 1"


def test_a_failure_says_what_the_program_said() -> None:
    """Its last words on standard error; those on standard output are thrown away."""
    program = "import sys; print('out'); print('no\\nsuch ticket ' + sys.stdin.read(), file=sys.stderr); sys.exit(7)"
    assert python(program).run(b'Copper\'s\\8 "harbour"/<&%', AWKWARD) == "it ended with status 7: such ticket ***"


def test_a_program_that_reads_nothing_is_waited_for_and_no_longer() -> None:
    """Although what it is told does not fit into a pipe."""
    line = b"x" * 1_000_000
    assert python("pass").run(line, AWKWARD) is None
    before = time.monotonic()
    assert (
        python("import time; time.sleep(600)", limit=0.2).run(line, AWKWARD)
        == "it took longer than 0.2 s and was stopped"
    )
    assert time.monotonic() - before < 60


@posix_only
def test_the_children_of_a_program_that_takes_too_long_end_with_it(tmp_path: Path) -> None:
    """The whole session is killed, not the first process alone."""
    told = tmp_path / "pid"
    program = f"sleep 600 & echo $! > {told}; echo waiting >&2; wait"
    slow = Executable(Path("/bin/sh"), ("-c", program), limit=_SOON)
    assert slow.run(b"", AWKWARD) == f"it took longer than {_SOON} s and was stopped: waiting"
    pid = int(told.read_text(encoding="ascii"))

    def has_ended() -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except FileNotFoundError:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
            return False
        return state == "Z"

    wait_until(has_ended)


@posix_only
def test_what_a_program_leaves_running_is_not_waited_for() -> None:
    """Though it holds standard error open: a password that was handed over is not taken for one that was not."""
    before = time.monotonic()
    for status, told in ((0, None), (2, "it ended with status 2: done")):
        program = f"echo done >&2; sleep 20 & exit {status}"
        assert Executable(Path("/bin/sh"), ("-c", program)).run(b"", AWKWARD) == told
    assert time.monotonic() - before < 15


@posix_only
def test_a_program_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    """Such as one that is no program."""
    path = tmp_path / "tool"
    path.write_bytes(b"\x7fELF nonsense")
    path.chmod(0o755)
    assert (Executable(path).run(b"", AWKWARD) or "").startswith("it could not be started (")
