"""Locks: who is kept off, and what is told of the holder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from batchreset.engine.lock import held, tenant_held
from batchreset.errors import LockedError, SettingsError
from batchreset.model import Method, Operator
from batchreset.status.record import RunRecord

FOLDER = Path("reports") / "RUN"


def record(tenant_id: str = "t-1", *, rehearsal: bool = False, graph_url: str = "https://graph.example") -> RunRecord:
    operator = Operator("o", "admin@contoso.example", tenant_id, "Contoso {and} Sons")
    return RunRecord("RUN", operator, graph_url, Method.AUTO, {}, (), (), rehearsal=rehearsal)


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchreset.engine.lock.user_state_path", lambda *_, **__: tmp_path / "state")


def test_a_tenant_is_held_once() -> None:
    """Whoever comes second learns process and run, and how to go on; afterwards the tenant is free again."""
    with tenant_held(record(), FOLDER), pytest.raises(LockedError) as refusal, tenant_held(record(), FOLDER):
        pass
    told = str(refusal.value)
    assert told.startswith(f"Contoso {{and}} Sons (t-1): process {os.getpid()} on ")
    assert " with run RUN is at work" in told
    assert told.endswith(f'batchreset resume "{FOLDER}"')
    with tenant_held(record(), FOLDER):
        pass


def test_other_tenants_and_rehearsals_are_not_held() -> None:
    """Another tenant, the same id in another cloud, and every rehearsal go beside each other."""
    with (
        tenant_held(record(), FOLDER),
        tenant_held(record("t-2"), FOLDER),
        tenant_held(record(graph_url="https://graph.example.us"), FOLDER),
        tenant_held(record(rehearsal=True), FOLDER),
        tenant_held(record(rehearsal=True), FOLDER),
    ):
        pass


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="who may write everywhere is refused nothing")
def test_a_state_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    """The sentence names the lock; nothing goes on without it."""
    (tmp_path / "state").mkdir(mode=0o500)
    with pytest.raises(SettingsError, match=r"state.*this lock cannot be held"), tenant_held(record(), FOLDER):
        pass


def test_a_state_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "state").touch()
    with pytest.raises(SettingsError, match=r"state.*this lock cannot be held"), tenant_held(record(), FOLDER):
        pass


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe half"])
def test_a_holder_that_says_nothing_is_somebody(tmp_path: Path, content: bytes | None) -> None:
    """It is just taking the lock, or giving it back: what it says of itself is not there, or not there yet."""
    with held(tmp_path / "a.lock", str):
        holder = tmp_path / "a.holder"
        holder.unlink()
        if content is not None:
            holder.write_bytes(content)
        with pytest.raises(LockedError, match=r"^another process$"), held(tmp_path / "a.lock", str):
            pass


def test_an_error_under_the_lock_is_what_it_was(tmp_path: Path) -> None:
    """Only the lock's own troubles are told as such, and it is given back."""
    for _ in range(2):
        with pytest.raises(OSError, match="the disk's own"), held(tmp_path / "a.lock", str):
            raise OSError("the disk's own")
    assert list(Path(tmp_path).glob("*.holder")) == []


def test_a_holder_that_cannot_be_removed_hides_nothing(tmp_path: Path) -> None:
    """As in a folder that was made read-only meanwhile: what happened under the lock is told, and the lock is free."""
    path, holder = tmp_path / "run.lock", tmp_path / "run.holder"

    def be_replaced() -> None:
        holder.unlink()
        holder.mkdir()
        raise ValueError("what happened")

    with pytest.raises(ValueError, match="what happened"), held(path, str):
        be_replaced()
    holder.rmdir()
    with held(path, str):
        pass
