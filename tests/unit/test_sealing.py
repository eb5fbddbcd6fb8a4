from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyrage
import pytest
from pyrage import x25519

from batchreset.errors import KeyMissingError, SettingsError, UsageError
from batchreset.secret import Secret
from batchreset.vault import identity
from batchreset.vault.sealing import KEY_FILE, RunKey, Sealer, read_recipient, write_private

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = Secret("Quartz-7-meadow é")
on_posix = pytest.mark.skipif(os.name != "posix", reason="Windows keeps rights elsewhere")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Say where this test's own identity goes."""
    path = tmp_path / "keys" / "identity.txt"
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(path))
    return path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_is_sealed_opens_again() -> None:
    """With the run's key, to the letter; the sealed text is age's, another one each time, and shows nothing."""
    key = RunKey.generate()
    first, second = (Sealer(key.recipient).seal(PASSWORD) for _ in range(2))
    assert key.unseal(first) == key.unseal(second) == PASSWORD
    assert first != second
    assert first.startswith(b"age-encryption.org/v1")
    assert PASSWORD.reveal().encode() not in first


def test_another_key_does_not_open_it() -> None:
    """Nor does it open what was tampered with; the error holds no secret."""
    sealed = Sealer(RunKey.generate().recipient).seal(PASSWORD)
    with pytest.raises(KeyMissingError, match=r"key\.age"):
        RunKey.generate().unseal(sealed)
    key = RunKey.generate()
    with pytest.raises(KeyMissingError):
        key.unseal(Sealer(key.recipient).seal(PASSWORD)[:-1] + b"!")


def test_the_runs_key_is_kept_for_its_recipients(tmp_path: Path) -> None:
    """Each recipient opens key.age, and with it the passwords; nobody else does."""
    ana, ben, eve = (x25519.Identity.generate() for _ in range(3))
    key = RunKey.generate()
    key.store(tmp_path, [str(ana.to_public()), f" {ben.to_public()}\n"])
    sealed = Sealer(key.recipient).seal(PASSWORD)
    for recipient in (ana, ben):
        opened = RunKey.load(tmp_path, recipient)
        assert opened is not None
        assert opened.unseal(sealed) == PASSWORD
    assert RunKey.load(tmp_path, eve) is None
    assert RunKey.load(tmp_path, None) is None


def test_a_run_without_its_key_opens_nothing(tmp_path: Path) -> None:
    """A missing or damaged key.age is no key, and no crash."""
    ana = x25519.Identity.generate()
    assert RunKey.load(tmp_path, ana) is None
    (tmp_path / KEY_FILE).write_bytes(b"not age")
    assert RunKey.load(tmp_path, ana) is None


def test_a_key_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Which file, in one sentence."""
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(KeyMissingError, match=r"key\.age: the run's key cannot be read"):
        RunKey.load(tmp_path, x25519.Identity.generate())


@on_posix
def test_key_files_are_their_owners_only(tmp_path: Path, place: Path) -> None:
    """Whatever the umask: 0600 for the run's key and the user's, 0700 for a folder made for it."""
    before = os.umask(0)
    try:
        RunKey.generate().store(tmp_path, [str(identity.make().to_public())])
    finally:
        os.umask(before)
    assert mode(tmp_path / KEY_FILE) == mode(place) == 0o600
    assert mode(place.parent) == 0o700


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A key that is there stays: writing another one would lose every password sealed to it."""
    write_private(tmp_path / "key", b"first")
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"


@pytest.mark.parametrize("text", ["", "age1", "ssh-ed25519 AAAA", "age1" + "q" * 58])
def test_what_is_no_recipient_is_refused(text: str) -> None:
    """Naming the option."""
    with pytest.raises(UsageError, match="--recipient"):
        read_recipient(text)


def test_a_private_key_given_as_recipient_is_not_shown() -> None:
    """A slip of the hand must not put it into a log."""
    private = str(x25519.Identity.generate())
    with pytest.raises(UsageError, match=r"--recipient AGE-SECRET-KEY-1:") as refusal:
        read_recipient(private)
    assert private[20:] not in str(refusal.value)


def test_the_users_identity_is_made_once(place: Path) -> None:
    """There is none until it is made; then it is the same for good, and making another is refused."""
    assert identity.path() == place
    assert identity.load() is None
    made = identity.make()
    loaded = identity.load()
    assert loaded is not None
    assert str(loaded) == str(made)
    with pytest.raises(SettingsError, match="BATCHRESET_IDENTITY"):
        identity.make()


def test_the_identity_file_is_ages_own_form(place: Path) -> None:
    """It opens with the age tool itself: comments, then the key; notes and Windows' marks do not hurt."""
    made = identity.make()
    lines = place.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert lines[1] == f"# public key: {made.to_public()}"
    assert lines[2] == str(made)
    place.write_bytes(f"\ufeff{made}\r\n".encode())
    loaded = identity.load()
    assert loaded is not None
    assert pyrage.decrypt(pyrage.encrypt(b"x", [made.to_public()]), [loaded]) == b"x"


@pytest.mark.parametrize("content", [b"", b"# empty\n", b"AGE-SECRET-KEY-1DAMAGED\n", b"\xff\xfe\x00"])
def test_a_file_that_holds_no_key_is_refused(content: bytes, place: Path) -> None:
    """Naming the file; no new key is put in its place."""
    place.parent.mkdir()
    place.write_bytes(content)
    with pytest.raises(SettingsError, match=r"identity\.txt"):
        identity.load()
    assert place.read_bytes() == content


def test_an_identity_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do instead."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(tmp_path / "file" / "identity.txt"))
    with pytest.raises(SettingsError, match="name a --recipient"):
        identity.make()


def test_without_the_variable_it_is_in_the_users_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never in the current folder, nor in the run's."""
    monkeypatch.delenv("BATCHRESET_IDENTITY", raising=False)
    assert identity.path().is_absolute()
    assert identity.path().name == "identity.txt"
    assert "batchreset" in identity.path().parts[-2]
