"""Where run folders lie: who else copies them, and who may read them."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from batchreset.engine import events

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePath

#: Where OneDrive's client on Windows says its folders are, one for each kind of account.
_ONEDRIVE = ("OneDrive", "OneDriveConsumer", "OneDriveCommercial")
#: How the folders of clients that keep a copy elsewhere are called on Windows, macOS and Linux, in lower case.
_COPIED = {
    "OneDrive": re.compile(r"onedrive( - .+|-.+)?"),
    "Dropbox": re.compile(r"dropbox( \(.+\)|-.+)?"),
    "iCloud": re.compile(r"mobile documents|icloud ?drive"),
    "Google Drive": re.compile(r"google ?drive( \(.+\)|-.+)?|my drive"),
}
_TOOL_SECONDS = 30


def copied_by(folder: PurePath, environment: Mapping[str, str]) -> str | None:
    """Name the client that copies what lies in `folder` (resolved), as far as its path and the environment tell."""
    for variable in _ONEDRIVE:
        root = environment.get(variable)
        if root and folder.is_relative_to(root):
            return "OneDrive"
    parts = [part.lower() for part in folder.parts]
    return next((client for client, name in _COPIED.items() if any(map(name.fullmatch, parts))), None)


def risk(folder: Path) -> str | None:
    """Say in a sentence what may go wrong with runs in `folder` because of where it is; None where nothing is known."""
    client = copied_by(folder.resolve(), os.environ)
    if client is None:
        return None
    return (
        f"{folder} is in a folder that {client} copies: it may hold the status table while that is written to, or put "
        "an older copy in its place. Name a folder with --out that nothing copies; "
        "a run that is there can be moved while nobody works on it."
    )


def restrict_to_owner(folder: Path) -> None:
    """On Windows, set the access list of `folder`, and of what comes into it, to this user; elsewhere its mode says it.

    Where that cannot be done the log is told: what is secret is sealed besides.
    """
    if os.name == "nt":
        set_access_list(folder)


def set_access_list(folder: Path) -> None:
    """Do what `restrict_to_owner` does on Windows, with its own tools."""
    try:
        # By number: names are ambiguous where a machine and its domain share one, and differ between languages.
        sid = _told_by("whoami.exe", "/user", "/fo", "csv", "/nh").strip().rpartition(",")[2].strip('"')
        _told_by("icacls.exe", str(folder), "/inheritance:r", "/grant:r", f"*{sid}:(OI)(CI)F", "/q")
    except (OSError, subprocess.SubprocessError) as error:
        events.tell("access list not set", level=logging.WARNING, folder=str(folder), because=str(error))


def _told_by(tool: str, *arguments: str) -> str:
    """Run a tool of Windows' own, from where it is and not from the current folder; return what it says."""
    path = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", tool)
    done = subprocess.run(  # noqa: S603  a list, of a tool's path and our own words
        [str(path), *arguments], capture_output=True, text=True, errors="replace", timeout=_TOOL_SECONDS, check=True
    )
    return done.stdout
