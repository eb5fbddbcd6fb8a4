"""Where run folders lie, and who may read them."""

from __future__ import annotations

import logging
import os
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from batchreset.engine.place import copied_by, risk, set_access_list
from batchreset.errors import SettingsError
from batchreset.status import database
from tests.support.program import posix_only

HOME = PureWindowsPath(r"C:\Users\ann")


@pytest.mark.parametrize(
    ("folder", "environment", "client"),
    [
        (HOME / "OneDrive - Contoso" / "Documents" / "reports", {}, "OneDrive"),
        (PureWindowsPath(r"D:\Cloud\reports"), {"OneDriveCommercial": r"d:\cloud"}, "OneDrive"),
        (PureWindowsPath(r"D:\Cloudy\reports"), {"OneDriveCommercial": r"d:\cloud", "OneDrive": ""}, None),
        (HOME / "Dropbox (Contoso)" / "reports", {}, "Dropbox"),
        (HOME / "iCloudDrive" / "reports", {}, "iCloud"),
        (PureWindowsPath(r"G:\My Drive\reports"), {}, "Google Drive"),
        (PurePosixPath("/Users/ann/Library/CloudStorage/OneDrive-Contoso/reports"), {}, "OneDrive"),
        (PurePosixPath("/Users/ann/Library/Mobile Documents/com~apple~CloudDocs/reports"), {}, "iCloud"),
        (PurePosixPath("/Users/ann/Library/CloudStorage/GoogleDrive-ann@contoso.example/My Drive"), {}, "Google Drive"),
        (PurePosixPath("/home/ann/Dropbox/reports"), {}, "Dropbox"),
        (PurePosixPath("/home/ann/dropbox-migration/reports"), {}, "Dropbox"),
        (PurePosixPath("/home/ann/onedrives/reports"), {}, None),
        (PurePosixPath("/srv/resets/reports"), {"OneDrive": r"C:\Users\ann\OneDrive"}, None),
    ],
)
def test_folders_that_a_client_copies_are_known(
    folder: PurePath, environment: dict[str, str], client: str | None
) -> None:
    """By the names that the clients give them on each system, and by the variables that OneDrive sets."""
    assert copied_by(folder, environment) == client


def test_the_warning_says_what_to_do(tmp_path: Path) -> None:
    """It names the client and the option, and knows the folder by where it really is."""
    copied = tmp_path / "Dropbox" / "reports"
    copied.mkdir(parents=True)
    (tmp_path / "link").symlink_to(copied, target_is_directory=True)
    told = risk(tmp_path / "link")
    assert told is not None
    assert "Dropbox copies" in told
    assert "--out" in told
    assert risk(tmp_path) is None


@posix_only
def test_the_access_list_is_set_by_windows_own_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is inherited, this user by number gets all; where a tool fails the log says so, and no run ends."""
    tools = tmp_path / "System32"
    tools.mkdir()
    write_tool(tools / "whoami.exe", """echo '"contoso\\ann, the first","S-1-5-21-1-2-3-1001"'""")
    write_tool(tools / "icacls.exe", f'printf "%s\\n" "$@" > {tmp_path}/said')
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    folder = tmp_path / "a run"
    with caplog.at_level(logging.WARNING, "batchreset"):
        set_access_list(folder)
        assert not caplog.records
        said = (tmp_path / "said").read_text(encoding="utf-8").splitlines()
        assert said == [str(folder), "/inheritance:r", "/grant:r", "*S-1-5-21-1-2-3-1001:(OI)(CI)F", "/q"]
        write_tool(tools / "icacls.exe", "exit 5")
        set_access_list(folder)
    assert "access list not set" in caplog.text


def write_tool(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    os.chmod(path, 0o700)  # noqa: PTH101  a tool has to be one


def test_a_place_without_a_write_ahead_log_is_refused() -> None:
    """SQLite itself says whether it can have one there; in memory it cannot."""
    engine = database._engine(Path(":memory:"))
    with pytest.raises(
        SettingsError, match=r"write-ahead log here .journal mode memory.; .* on a local disk with --out"
    ):
        engine.connect()
    engine.dispose()
