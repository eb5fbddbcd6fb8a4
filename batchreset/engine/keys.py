"""The key that opens a run's passwords, had by the user's own identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.errors import KeyMissingError
from batchreset.vault import identity
from batchreset.vault.sealing import RunKey

if TYPE_CHECKING:
    from pathlib import Path


def key_at_hand(folder: Path) -> RunKey | None:
    """Open the run's key with the user's own identity; None where that is no recipient of this run."""
    return RunKey.load(folder, identity.load())


def key_needed(folder: Path) -> RunKey:
    """Open the run's key. Raises `KeyMissingError` where the user's identity does not."""
    key = key_at_hand(folder)
    if key is None:
        raise KeyMissingError(
            f"{folder.name}: your key ({identity.path()}) does not open this run's passwords; "
            "set BATCHRESET_IDENTITY to the key of one of its recipients."
        )
    return key
