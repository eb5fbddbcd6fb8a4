"""What is told on a terminal stays text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchreset.cli.terminal import say, show

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("tell", [say, show])
def test_nobody_elses_text_moves_the_cursor(tell: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    """No escape sequence, no carriage return, no writing from the right; lines, tabs and other letters are left."""
    tell("go \x1b[2J\x1b[31mRED\r\x9b0m\u202eback\x07\x7f\n\tZoë 株式会社")
    told = capsys.readouterr()
    assert told.out + told.err == "go [2J[31mRED0mback\n\tZoë 株式会社\n"
