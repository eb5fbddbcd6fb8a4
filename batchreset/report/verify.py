"""The manifest of a report: what it vouches for, and whether a folder still holds that. Pure over a folder."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import dataclass
from enum import StrEnum
from hashlib import file_digest, sha256
from typing import TYPE_CHECKING, Any

from batchreset.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Those a spreadsheet may hold open come first: if one of them cannot be replaced, the old report stands whole.
FILES = (
    *("reconciliation.csv", "reconciliation.xlsx", "retry.csv"),
    *("report.html", "summary.json", "audit.jsonl", "evidence.jsonl"),
)
#: Vouched for too, where the plan left them: they stay as they were agreed to.
OF_THE_PLAN = ("plan.json", "plan.html")
MANIFEST = "manifest.json"

#: A manifest of the files above has 2 KB.
_LARGEST = 1 << 20
_SHA256 = re.compile("[0-9a-f]{64}")


class Finding(StrEnum):
    """What became of a file since the manifest was written."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    MISSING = "missing"
    #: There, and named as the program names its own; the manifest does not know it.
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A file's length and hash, in lower case."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A file as the manifest tells it and as it was found; `remark` says more where neither does."""

    name: str
    finding: Finding
    told: Fingerprint | None = None
    found: Fingerprint | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it: every file that the manifest tells of, and those it should. `manifest` is that file's own hash.

    `expected` is the hash that was kept elsewhere, if it was given; `beside` names what else is in the folder.
    """

    run_id: str
    manifest: str
    expected: str | None
    files: tuple[Checked, ...]
    beside: tuple[str, ...]

    @property
    def is_the_one_kept(self) -> bool | None:
        """Whether the manifest is the one whose hash was kept; None where no such hash was given."""
        return None if self.expected is None else self.manifest == self.expected

    @property
    def is_as_it_was(self) -> bool:
        """Whether nothing was found that differs."""
        return self.is_the_one_kept is not False and all(file.finding is Finding.UNCHANGED for file in self.files)


def fingerprint(path: Path) -> Fingerprint:
    """Measure a file."""
    with path.open("rb") as file:
        return Fingerprint(path.stat().st_size, file_digest(file, "sha256").hexdigest())


def verify(folder: Path, expected: str | None = None) -> Verification:
    """Hold the files in `folder` against its manifest, and that against the SHA-256 that was kept of it, if any.

    Nothing outside the folder is read, and nothing is written. Raises `RefusedError` where there is no manifest or none
    that can be understood, and where a file cannot be read.
    """
    path = folder / MANIFEST
    try:
        content = _content(path)
        run_id, told = _understood(path, content)
        present = {entry.name for entry in folder.iterdir()}
        files = [_check(folder / name, told.get(name)) for name in sorted({*told, *(present & {*FILES, *OF_THE_PLAN})})]
    except OSError as error:
        raise RefusedError(f"{error.filename or folder}: cannot be read ({error.strerror}).") from error
    beside = sorted(present - {*told, MANIFEST} - {file.name for file in files})
    return Verification(run_id, sha256(content).hexdigest(), expected, tuple(files), tuple(beside))


def _content(path: Path) -> bytes:
    try:
        is_plain = stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError as error:
        there = [name for name in FILES if (path.parent / name).exists()]
        why = f"though {', '.join(there)} are there" if there else "as of a run whose report was not written yet"
        raise RefusedError(
            f"{path.parent}: there is no {MANIFEST}, {why}, so there is nothing to verify; "
            f"`batchreset report {path.parent.name}` writes the report anew."
        ) from error
    if not is_plain or path.stat().st_size > _LARGEST:
        raise RefusedError(f"{path}: this is no manifest of batchreset, which is a file of a few thousand bytes.")
    return path.read_bytes()


def _understood(path: Path, content: bytes) -> tuple[str, Mapping[str, Fingerprint]]:
    """Read a manifest, which may come from anybody. Raises `RefusedError`."""
    try:
        told = json.loads(content.decode("utf-8"), object_pairs_hook=_without_repeats)
        return _line(told["run_id"]), _files(told["files"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RefusedError(
            f"{path}: this manifest is damaged or none of batchreset's, so it vouches for nothing; compare with a copy."
        ) from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(pairs)
    return found


def _files(told: Any) -> Mapping[str, Fingerprint]:
    if not told:  # of a folder that was emptied, nothing would differ
        raise ValueError(told)
    return {_line(name): _read(name, each) for name, each in told.items()}


def _line(text: Any) -> str:
    if not (isinstance(text, str) and text.isprintable()):
        raise ValueError(text)
    return text


def _read(name: str, told: Any) -> Fingerprint:
    """Read what is told of a file, by its plain name in the folder and by no way to another. Raises `ValueError`."""
    is_plain = not set(name) & set('/\\:*?"<>|') and name.strip(" .") and name != MANIFEST
    size, digest = told["bytes"], told["sha256"]
    if not (is_plain and type(size) is int and size >= 0 and isinstance(digest, str) and _SHA256.fullmatch(digest)):
        raise ValueError(name)
    return Fingerprint(size, digest)


def _check(path: Path, told: Fingerprint | None) -> Checked:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return Checked(path.name, Finding.MISSING, told)
    if not stat.S_ISREG(mode):  # a link may lead out of the folder, and a pipe nowhere
        finding = Finding.ADDED if told is None else Finding.CHANGED
        return Checked(path.name, finding, told, remark="no file but a link, a folder or a device; it was not read")
    found = fingerprint(path)
    finding = Finding.ADDED if told is None else Finding.UNCHANGED if found == told else Finding.CHANGED
    return Checked(path.name, finding, told, found)
