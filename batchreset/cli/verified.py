"""What came of verifying a report, in plain words and as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from batchreset.report.verify import Finding
from batchreset.report.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchreset.report.verify import Checked, Verification

#: So many of the files that nothing vouches for are named.
_NAMED = 12


def verified_text(folder: Path, found: Verification) -> str:
    """Say which files are not as they were, and how far that goes."""
    return "\n".join(_lines(folder, found))


def verified_values(folder: Path, found: Verification) -> dict[str, Any]:
    """Return it as JSON values."""
    return {
        "run_id": found.run_id,
        "folder": str(folder),
        "as_it_was": found.is_as_it_was,
        "manifest_sha256": found.manifest,
        "manifest_as_kept": found.is_the_one_kept,
        "files": [asdict(file) for file in found.files],
        "not_covered": list(found.beside),
    }


def _lines(folder: Path, found: Verification) -> Iterator[str]:
    differing = [file for file in found.files if file.finding is not Finding.UNCHANGED]
    width = max((len(file.name) for file in differing), default=0)
    for file in differing:
        yield f"{file.finding:<9}  {file.name:<{width}}  {_difference(file)}"
    alike = len(found.files) - len(differing)
    yield (
        f"{folder}: {alike:,} of {len(found.files):,} files are as the manifest of run {found.run_id} tells"
        f"{f', {len(differing):,} not' if differing else ''}."
    )
    yield f"Manifest: sha256 {found.manifest}"
    if found.is_the_one_kept:
        yield "It is the one whose hash was kept, so what is as it tells is as it was then."
    elif found.is_the_one_kept is False:
        yield (
            f"It is not the one whose hash was kept ({found.expected}): the report was written again since, as resume "
            "and report do, or somebody forged it. What it tells of the files proves nothing of that time."
        )
    else:
        yield (
            "Compare that with the hash in the ticket (--manifest-sha256). Without it this finds damage only: whoever "
            "changes files on purpose can write a manifest that fits them."
        )
    if found.beside:
        # Anybody may have named them: a line of its own, or bytes that are no text, are told as Python writes them.
        names = [name if name.isprintable() else ascii(name) for name in found.beside]
        yield f"Not covered, some of it changing as a run goes on: {listed(names, _NAMED)}."


def _difference(file: Checked) -> str:
    if file.remark:
        return file.remark
    if file.found and file.told:
        return (
            f"{file.found.bytes:,} bytes, sha256 {file.found.sha256}; "
            f"the manifest tells {file.told.bytes:,} bytes, sha256 {file.told.sha256}"
        )
    return "not in the manifest" if file.found else "not in the folder"
