"""Linters and the type checker have nothing to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("tool", ["ruff check .", "ruff format --check .", "mypy"])
def test_nothing_to_say(tool: str) -> None:
    """The tool ends well; what it says otherwise is shown."""
    done = subprocess.run(  # noqa: S603  our own tools
        [sys.executable, "-m", *tool.split()], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"{tool}\n{done.stdout}{done.stderr}"
