"""Every command explains itself, with examples, and starts fast enough to be asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from batchreset.cli import app
from tests.support.program import at_home, call

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = [*getattr(get_command(app), "commands", {})]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path, monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")


def test_the_help_lists_every_command_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    """A summary that does not fit into 80 columns is too long."""
    ended = call(capsys, "--help")
    assert ended.status == 0
    assert re.findall(r"^  (\w+)  ", ended.out.partition("Commands:")[2], re.MULTILINE) == COMMANDS
    assert "..." not in ended.out.partition("Commands:")[2]


@pytest.mark.parametrize("command", [*COMMANDS, "keys reseal"])
def test_every_command_shows_examples_line_by_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Examples are whole lines, ready to be copied; arguments are explained in words and not in Python's types."""
    ended = call(capsys, *command.split(), "--help")
    assert ended.status == 0
    about, header, rest = ended.out.partition("  Examples:\n")
    assert header
    examples = rest.partition("\n\n")[0].splitlines()
    assert examples
    assert all(line.startswith(f"    batchreset {command}") for line in examples)
    assert "<str>" not in ended.out
    assert "list[" not in ended.out
    for argument in set(re.findall(r"COHORT|RUN", about.partition("\n")[0])):
        assert f"{argument} is " in about


@pytest.mark.parametrize(
    ("command", "takes", "lacks"),
    [
        ("rehearse", "--method --limit --out", "--yes --again --allow-unchecked --graph-url --tenant"),
        ("resume", "--yes --graph-url --authority --account", "--cloud --method --column"),
        ("login", "--method --cloud --tenant --account", "--graph-url --out"),
        ("logout", "--account", "--auth --tenant --cloud --graph-url"),
        ("doctor", "--method --graph-url --cloud --account --out", "--yes --column"),
        ("run", "--method --yes --graph-url --cloud --account", "--seed"),
    ],
)
def test_a_command_takes_what_it_uses(command: str, takes: str, lacks: str) -> None:
    """And no option that would do nothing there."""
    commands: dict[str, Any] = getattr(get_command(app), "commands", {})
    options = {option for parameter in commands[command].params for option in parameter.opts}
    assert set(takes.split()) <= options
    assert not set(lacks.split()) & options


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` names the program and its version."""
    assert re.fullmatch(r"batchreset \d+\.\d+\.\d+\n", call(capsys, "--version").out)
