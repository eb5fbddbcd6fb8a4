"""The README says what is there: every command, every option, the layout, and two blocks to copy and paste."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from typer.main import get_command

from batchreset.cli import app
from batchreset.gather import gather
from batchreset.settings import Auth
from batchreset.vault.sealing import read_recipient

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
#: What the README says of batchreset: the options of other programs are none of its own.
_OURS = "\n".join(line for line in README.splitlines() if not re.search(r" pip | venv |^(az|docker) ", line))

_ROOT_COMMAND = get_command(app)
COMMANDS = dict(getattr(_ROOT_COMMAND, "commands", {}))
OPTIONS = {
    option
    for command in (_ROOT_COMMAND, *COMMANDS.values())
    for parameter in command.params
    for option in (*parameter.opts, *parameter.secondary_opts)
    if option.startswith("--")
} | {"--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command: str) -> None:
    """What `--help` lists is explained."""
    assert f"`batchreset {command}" in README


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_every_option_stands_in_the_readme(option: str) -> None:
    """What any command's `--help` lists is explained."""
    assert re.search(rf"`[^`\n]*(?<![\w-]){option}(?![\w-])[^`\n]*`", README)


def test_the_readme_names_no_command_and_no_option_that_is_not_there() -> None:
    """Nothing is promised that the program does not know."""
    assert set(re.findall(r"\bbatchreset ([a-z]+)", _OURS)) <= set(COMMANDS)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", _OURS)) <= OPTIONS


def test_the_first_block_rehearses_a_sample_and_the_second_runs_the_tests() -> None:
    """Each sets up what it needs in a virtual environment of its own."""
    first, second = BLOCKS[:2]
    (sample,) = re.findall(r"batchreset rehearse (\S+)", first)
    assert (ROOT / sample).is_file()
    assert "pytest" in second
    places = [re.findall(r"-m venv (\S+)", block) for block in (first, second)]
    assert [len(place) for place in places] == [1, 1]
    assert places[0] != places[1]


def test_the_config_file_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting in it is one, and its values are taken."""
    for name in [name for name in os.environ if name.startswith("BATCHRESET_")]:
        monkeypatch.delenv(name)
    (config,) = re.findall(r"^```toml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "config.toml").write_text(config, encoding="utf-8")
    settings = gather({}, tmp_path / "config.toml")
    assert settings.auth is Auth.CERTIFICATE
    assert settings.accept_excluded == ("synchronised", "privileged")
    assert [str(read_recipient(text)) for text in settings.recipient] == [*settings.recipient]


def test_the_layout_is_the_one_on_disk() -> None:
    """Every room, every module beside them and every kind of test has its line, and every path named exists."""
    package = ROOT / "batchreset"
    rooms = [path.name for path in package.iterdir() if (path / "__init__.py").is_file()]
    modules = [path.name for path in package.glob("*.py") if not path.name.startswith("__") and path.stem != "version"]
    kinds = [path.name for path in (ROOT / "tests").iterdir() if any(path.glob("*.py")) and path.name != "support"]
    assert [name for name in rooms if f"`batchreset/{name}/`" not in README] == []
    assert [name for name in modules if not re.search(rf"`(batchreset/)?{name}`", README)] == []
    assert [name for name in kinds if f"`{name}`" not in README] == []
    named = re.findall(r"`((?:batchreset|tests|sample_inputs|reports)/[\w./-]*)`", README)
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)\)", README)
    # A run folder is an example of what will be there.
    missing = [path for path in (*named, *links) if not (ROOT / path).exists() and not re.search(r"\d{8}T", path)]
    assert missing == []
