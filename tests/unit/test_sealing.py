from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyrage
import pytest
from pyrage import x25519

from batchreset.errors import KeyMissingError, UsageError
from batchreset.secret import Secret
from batchreset.vault.sealing import (
    KEY_FILE,
    RunKey,
    Sealer,
    count_recipients,
    has_passphrase,
    partial_of,
    read_recipient,
    replace_private,
    write_private,
)

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = Secret("Quartz-7-meadow é")
on_posix = pytest.mark.skipif(os.name != "posix", reason="Windows keeps rights elsewhere")


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
    sealed = Sealer(key.recipient).seal(PASSWORD)
    with pytest.raises(KeyMissingError):
        key.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_the_runs_key_is_kept_for_its_recipients(tmp_path: Path) -> None:
    """Each recipient opens key.age, and with it the passwords; nobody else does."""
    ana, ben, eve = (x25519.Identity.generate() for _ in range(3))
    key = RunKey.generate()
    key.store(tmp_path, [str(ana.to_public()), f" {ben.to_public()}\n"])
    sealed = Sealer(key.recipient).seal(PASSWORD)
    for recipient in (ana, ben):
        opened = RunKey.load(tmp_path, [eve, recipient])
        assert opened is not None
        assert opened.unseal(sealed) == PASSWORD
    assert RunKey.load(tmp_path, [eve]) is None
    assert RunKey.load(tmp_path, []) is None
    assert (count_recipients(tmp_path), has_passphrase(tmp_path)) == (2, False)


def test_a_passphrase_opens_it_instead(tmp_path: Path) -> None:
    """The very one; another is told in a sentence that repeats neither, and no key opens it."""
    key, phrase = RunKey.generate(), Secret("correct horse é battery")
    key.store(tmp_path, phrase)
    assert (count_recipients(tmp_path), has_passphrase(tmp_path)) == (0, True)
    opened = RunKey.load(tmp_path, phrase)
    assert opened is not None
    assert opened.recipient == key.recipient
    for wrong in ("correct horse battery", "\udcff"):
        with pytest.raises(KeyMissingError, match=r"key\.age: this passphrase does not open") as refusal:
            RunKey.load(tmp_path, Secret(wrong))
        assert "horse" not in str(refusal.value)
    assert RunKey.load(tmp_path, [x25519.Identity.generate()]) is None


def test_another_seal_takes_the_place_of_the_first_at_once(tmp_path: Path) -> None:
    """What a killed process left half-written beside it is not read, is in nobody's way, and is not left behind."""
    ana, ben = (x25519.Identity.generate() for _ in range(2))
    key = RunKey.generate()
    key.store(tmp_path, [str(ana.to_public())])
    partial_of(tmp_path / KEY_FILE).write_bytes(b"half a k")
    assert RunKey.load(tmp_path, [ana]) is not None
    key.store(tmp_path, [str(ben.to_public())])
    assert RunKey.load(tmp_path, [ana]) is None
    assert RunKey.load(tmp_path, [ben]) is not None
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_replacement_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    """To the letter: the new content is beside it first, and whole."""
    path = tmp_path / "key"
    write_private(path, b"first")
    partial_of(path).mkdir()  # in the way of the new content
    with pytest.raises(OSError, match="partial"):
        replace_private(path, b"second")
    assert path.read_bytes() == b"first"


def test_a_run_without_its_key_opens_nothing(tmp_path: Path) -> None:
    """A missing or damaged key.age is no key, and no crash."""
    ana = x25519.Identity.generate()
    assert RunKey.load(tmp_path, [ana]) is None
    assert (count_recipients(tmp_path), has_passphrase(tmp_path)) == (0, False)
    (tmp_path / KEY_FILE).write_bytes(b"not age")
    assert RunKey.load(tmp_path, [ana]) is None


@pytest.mark.parametrize("content", [b"no key at all", b"\xff\xfe"])
def test_a_file_sealed_by_somebody_else_is_no_key(tmp_path: Path, content: bytes) -> None:
    """Anybody can seal something to a public key: what opens and is no key is said."""
    ana = x25519.Identity.generate()
    (tmp_path / KEY_FILE).write_bytes(pyrage.encrypt(content, [ana.to_public()]))
    with pytest.raises(KeyMissingError, match=r"key\.age: this file holds no age key"):
        RunKey.load(tmp_path, [ana])


def test_a_key_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Which file, in one sentence."""
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(KeyMissingError, match=r"key\.age: the run's key cannot be read"):
        RunKey.load(tmp_path, [x25519.Identity.generate()])


@on_posix
def test_the_runs_key_is_its_owners_only(tmp_path: Path) -> None:
    """Whatever the umask, and whatever the mode of the one that it replaces: 0600."""
    (tmp_path / KEY_FILE).touch(mode=0o666)
    before = os.umask(0)
    try:
        RunKey.generate().store(tmp_path, [str(x25519.Identity.generate().to_public())])
    finally:
        os.umask(before)
    assert mode(tmp_path / KEY_FILE) == 0o600


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
