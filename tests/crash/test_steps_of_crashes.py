"""Processes that are killed while they do what goes with a reset, and what the next ones make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.vault import identity
from tests.support.crashes import faults_of, live, story_of, tenant_beside

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

#: In the midst of what goes before the first resets, and of what comes after the last ones.
STORY = story_of("steps", "steps", (8, 13, 30, 14, 9))


def test_what_goes_with_a_reset_survives_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions are revoked after the password took effect, whoever was open is open, and nobody else is."""
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(tmp_path / "identity.txt"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    identity.make()
    with tenant_beside(STORY.accounts) as beside:
        told = live(STORY, tmp_path / "run", beside)
        record = beside.remember()
    assert told.deaths.total() == len(STORY.deaths)
    assert not faults_of(told, record)
