"""What the doctor finds on this machine, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchreset.engine.doctor import machine
from batchreset.engine.doctor.check import Verdict
from batchreset.settings import Settings
from batchreset.vault import identity

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(tmp_path / "keys" / "identity.txt"))


def test_the_key_is_looked_for_and_never_made(tmp_path: Path) -> None:
    """None yet, one there, a damaged one, and a place where none can be."""
    check = machine.key(Settings())
    assert check.verdict is Verdict.OK
    assert "the first run makes it" in check.told
    assert list(tmp_path.iterdir()) == []
    identity.make()
    assert machine.key(Settings()).told == str(identity.path())
    identity.path().write_text("no key", encoding="utf-8")
    assert machine.key(Settings()).verdict is Verdict.PROBLEM


def test_a_key_has_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a file there is none; with recipients none is needed."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(tmp_path / "file" / "identity.txt"))
    assert machine.key(Settings()).verdict is Verdict.PROBLEM
    named = Settings(recipient=("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",))
    assert machine.key(named).verdict is Verdict.OK


def test_run_folders_are_tried_and_nothing_is_left(tmp_path: Path) -> None:
    """The folder itself, or the nearest one above it that is there."""
    assert machine.run_folder(Settings(out=tmp_path)).verdict is Verdict.OK
    assert "will be made" in machine.run_folder(Settings(out=tmp_path / "a" / "b")).told
    assert list(tmp_path.iterdir()) == []


def test_no_setting_that_may_be_secret_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of headers and properties the names, of secrets in the environment that they are set."""
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", "hush")
    settings = Settings(header=("X-Key=hush",), body_property=("note=hush",), workers=8, protect=("a@b.example",))
    told = machine.own_settings(settings, {"workers": 8, "header": ["X-Key=hush"]}, None).told
    assert "hush" not in told
    assert "header X-Key=*** (flag)" in told
    assert "workers 8 (flag)" in told
    assert "protect a@b.example (config file)" in told
    assert "BATCHRESET_CLIENT_SECRET is set" in told


def test_settings_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was set that is said."""
    for name in machine._SECRETS:
        monkeypatch.delenv(name, raising=False)
    assert machine.own_settings(Settings(), {}, None).told == "all as they are by default"
