from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.certificates import PrivateAuthority
from tests.support.program import call

if TYPE_CHECKING:
    from tests.support.program import Call


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command in this process, as the program does."""
    return lambda *arguments: call(capsys, *arguments)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> PrivateAuthority:
    """Make a certificate authority of our own."""
    return PrivateAuthority(tmp_path_factory.mktemp("tls"))
