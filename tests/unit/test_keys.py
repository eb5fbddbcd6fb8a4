from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrage import x25519

from batchreset.engine import keys
from batchreset.engine.doctor import machine
from batchreset.engine.doctor.check import Verdict
from batchreset.engine.trail import deeds, noted
from batchreset.errors import KeyMissingError, SettingsError, UsageError
from batchreset.model import PasswordSource
from batchreset.secret import Secret
from batchreset.settings import Settings
from batchreset.status import database
from batchreset.vault import identity
from batchreset.vault.sealing import RunKey, partial_of
from tests.support.runs import make_run

if TYPE_CHECKING:
    from pathlib import Path

on_posix = pytest.mark.skipif(os.name != "posix", reason="Windows keeps rights elsewhere")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Say where this test's own keys go."""
    path = tmp_path / "keys" / "identity.txt"
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(path))
    monkeypatch.delenv(keys.VARIABLE, raising=False)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Make a run folder, without a key yet."""
    make_run(tmp_path / "run").dispose()
    return tmp_path / "run"


def publics() -> list[str]:
    return [own.public for own in identity.load()]


def test_a_key_is_made_and_another_beside_it(place: Path) -> None:
    """The newest is the last, and is what new runs are sealed to; no key that was there is changed."""
    assert identity.path() == place
    assert identity.load() == ()
    first = identity.make()
    before = place.read_bytes()
    second = identity.make()
    assert publics() == [first.public, second.public]
    assert place.read_bytes().startswith(before)
    assert keys.own_opener() == (second.public,)
    assert [own.made_at for own in identity.load()] == [first.made_at, second.made_at]
    assert str(first.identity) not in repr(first)


def test_the_first_run_makes_the_key() -> None:
    """And the second finds it."""
    assert keys.own_opener() == keys.own_opener() == (identity.load()[0].public,)


def test_older_keys_still_open_older_runs(tmp_path: Path) -> None:
    """A run that was sealed before another key was made opens with the first."""
    RunKey.generate().store(tmp_path, keys.own_opener())
    identity.make()
    assert keys.key_at_hand(tmp_path) is not None


def test_the_file_is_ages_own_form(place: Path) -> None:
    """As age-keygen writes it and the age tool reads it: comments, then the key."""
    made = identity.make()
    created, public, private = place.read_text(encoding="utf-8").splitlines()
    assert created.startswith(f"# created: {made.made_at} ")
    assert public == f"# public key: {made.public}"
    assert private == str(made.identity)


def test_files_of_others_are_read_and_kept(place: Path) -> None:
    """Windows' marks and line ends, no comment, age-keygen's comment, no line end at the end: none of it is touched."""
    first, second = (x25519.Identity.generate() for _ in range(2))
    text = f"\ufeff{first}\r\n# created: 2025-03-01T10:20:30+01:00\r\n# public key: x\r\n{second}"
    place.parent.mkdir()
    place.write_bytes(text.encode())
    made = identity.make()
    assert publics() == [str(first.to_public()), str(second.to_public()), made.public]
    assert [own.made_at for own in identity.load()] == [None, "2025-03-01T10:20:30+01:00", made.made_at]
    assert place.read_bytes().startswith(text.encode())
    opened = pyrage.decrypt(pyrage.encrypt(b"x", [first.to_public()]), [own.identity for own in identity.load()])
    assert opened == b"x"


@pytest.mark.parametrize("content", [b"", b"# empty\n", b"AGE-SECRET-KEY-1DAMAGED\n", b"\xff\xfe\x00"])
def test_a_file_that_holds_no_key_is_refused(content: bytes, place: Path) -> None:
    """Naming the file; no new key is put into it."""
    place.parent.mkdir()
    place.write_bytes(content)
    for act in (identity.load, identity.make):
        with pytest.raises(SettingsError, match=r"identity\.txt"):
            act()
    assert place.read_bytes() == content


def test_what_a_killed_process_left_hurts_nothing(place: Path) -> None:
    """Half a file beside the keys is not read, and is gone after the next key."""
    first = identity.make()
    partial_of(place).write_bytes(b"# created: 20")
    assert publics() == [first.public]
    second = identity.make()
    assert publics() == [first.public, second.public]
    assert not partial_of(place).exists()


def test_no_key_is_lost_when_several_are_made_at_once() -> None:
    """Two first runs at the same moment, say: each has the key it was told of."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: identity.make().public, range(8)))
    assert sorted(publics()) == sorted(made)


@on_posix
def test_the_keys_are_their_owners_only_and_a_link_stays_one(place: Path, tmp_path: Path) -> None:
    """Whatever the umask: 0600 for the file, also where it was wider, and 0700 for a folder made for it."""
    before = os.umask(0)
    try:
        first = identity.make()
        assert place.stat().st_mode & 0o777 == 0o600
        assert place.parent.stat().st_mode & 0o777 == 0o700
        place.rename(tmp_path / "elsewhere.txt").chmod(0o644)
        place.symlink_to(tmp_path / "elsewhere.txt")
        second = identity.make()
    finally:
        os.umask(before)
    assert place.is_symlink()
    assert (tmp_path / "elsewhere.txt").stat().st_mode & 0o777 == 0o600
    assert publics() == [first.public, second.public]


def test_keys_that_cannot_be_written_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do instead."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(tmp_path / "file" / "identity.txt"))
    with pytest.raises(SettingsError, match="name a --recipient"):
        identity.make()


def test_without_the_variable_they_are_in_the_users_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never in the current folder, nor in the run's."""
    monkeypatch.delenv("BATCHRESET_IDENTITY", raising=False)
    assert identity.path().is_absolute()
    assert identity.path().name == "identity.txt"
    assert "batchreset" in identity.path().parts[-2]


@given(recipients=st.sets(st.integers(0, 5), min_size=1), at_hand=st.lists(st.integers(0, 5), max_size=4))
def test_whoever_it_is_sealed_to_opens_it_and_nobody_else(
    tmp_path_factory: pytest.TempPathFactory, recipients: set[int], at_hand: list[int]
) -> None:
    """For any recipients and any keys at hand, also where it was sealed to all before."""
    people = [x25519.Identity.generate() for _ in range(6)]
    folder, key = tmp_path_factory.mktemp("run"), RunKey.generate()
    key.store(folder, [str(each.to_public()) for each in people])
    key.store(folder, [str(people[number].to_public()) for number in recipients])
    opened = RunKey.load(folder, [people[number] for number in at_hand])
    assert (opened is not None) == bool(recipients & set(at_hand))
    assert opened is None or opened.recipient == key.recipient


def test_who_is_to_open_a_new_run() -> None:
    """Those named, each once; nobody leaves it to the user's own key; what is no key is refused by name."""
    ana = str(x25519.Identity.generate().to_public())
    assert keys.openers(Settings(recipient=(ana, f" {ana} "))) == (ana,)
    assert keys.openers(Settings()) == ()
    with pytest.raises(UsageError, match="--recipient somebody"):
        keys.openers(Settings(recipient=("somebody",)))


def test_where_the_passphrase_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever calls gives it, or the environment does; without one, nothing is begun."""
    wanted = Settings(seal_with_passphrase=True)
    with pytest.raises(SettingsError, match="BATCHRESET_PASSPHRASE"):
        keys.openers(wanted)
    monkeypatch.setenv(keys.VARIABLE, "from the environment")
    assert keys.openers(wanted) == Secret("from the environment")
    assert keys.openers(wanted, Secret("from the caller")) == Secret("from the caller")


@pytest.mark.parametrize("text", ["eleven char", "twelve chars\n", "not \udcff text at all"])
def test_a_passphrase_that_cannot_be_used_is_refused(text: str) -> None:
    """Too short, or with what cannot be typed; it is not repeated."""
    with pytest.raises(SettingsError, match="at least 12") as refusal:
        keys.usable(Secret(text))
    assert text not in str(refusal.value)
    assert keys.usable(Secret("twelve chars")) == Secret("twelve chars")


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"recipient": ("age1x",), "seal_with_passphrase": True}, "--seal-with-passphrase and --recipient"),
        ({"discard_passwords": True, "recipient": ("age1x",)}, "--discard-passwords and --recipient"),
        ({"discard_passwords": True, "seal_with_passphrase": True}, "--discard-passwords and --seal-with-passphrase"),
        (
            {"discard_passwords": True, "password_source": PasswordSource.COLUMN, "password_column": "pw"},
            "--discard-passwords and --password-source column",
        ),
    ],
)
def test_ways_of_keeping_passwords_that_contradict_each_other(given: dict[str, Any], options: str) -> None:
    """Both options are named."""
    with pytest.raises(UsageError, match=options):
        Settings(**given)


def test_the_doctor_wants_no_key_where_none_is_used() -> None:
    """With a passphrase, or where nothing is kept; none is made."""
    for settings in (Settings(seal_with_passphrase=True), Settings(discard_passwords=True)):
        assert machine.key(settings).verdict is Verdict.OK
        assert "identity.txt" not in machine.key(settings).told


def test_one_key_alone_is_a_risk_above_fifty_accounts(tmp_path: Path) -> None:
    """However it came to be alone; two keys, or a passphrase that can be shared, are none, nor is having no key."""
    ana, ben = (str(x25519.Identity.generate().to_public()) for _ in range(2))
    assert keys.risk(tmp_path, 1000) is None
    key = RunKey.generate()
    key.store(tmp_path, [ana])
    assert keys.risk(tmp_path, 50) is None
    assert "51 accounts" in (keys.risk(tmp_path, 51) or "")
    key.store(tmp_path, [ana, ben])
    assert keys.risk(tmp_path, 51) is None
    key.store(tmp_path, Secret("correct horse battery"))
    assert keys.risk(tmp_path, 51) is None


def test_a_key_that_is_not_at_hand_says_why(run: Path) -> None:
    """Sealed to somebody else, lost, never kept; each with what to do, if there is something."""
    with pytest.raises(KeyMissingError, match=r"run: its key is missing; put key\.age back"):
        keys.key_needed(run)
    RunKey.generate().store(run, [str(x25519.Identity.generate().to_public())])
    assert keys.key_at_hand(run) is None
    with pytest.raises(
        KeyMissingError, match=r"your key .* does not open this run's passwords; set BATCHRESET_IDENTITY"
    ):
        keys.key_needed(run)


def test_passwords_that_were_not_kept_are_said_to_be(tmp_path: Path) -> None:
    """No key is missing there."""
    make_run(tmp_path / "run", settings={"discard_passwords": True}).dispose()
    with pytest.raises(KeyMissingError, match="its passwords were not kept"):
        keys.key_needed(tmp_path / "run")


def test_a_passphrase_is_asked_for_only_where_it_opens_something(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever calls, else taken from the environment; having none is told."""

    def asked() -> Secret:
        raise AssertionError("nobody is to be asked")

    assert keys.key_at_hand(run, asked) is None
    key = RunKey.generate()
    key.store(run, keys.own_opener())
    assert keys.key_at_hand(run, asked) is not None
    key.store(run, Secret("correct horse battery"))
    with pytest.raises(AssertionError):
        keys.key_at_hand(run, asked)
    with pytest.raises(KeyMissingError, match="sealed to a passphrase; set BATCHRESET_PASSPHRASE"):
        keys.key_needed(run)
    monkeypatch.setenv(keys.VARIABLE, "correct horse battery")
    assert keys.key_needed(run).recipient == key.recipient


def test_a_key_that_was_taken_away_meanwhile_is_not_brought_back(run: Path) -> None:
    """Forgotten between opening and sealing: it stays so, and nothing is noted."""
    with pytest.raises(KeyMissingError, match="its key is missing"):
        keys.reseal(run, RunKey.generate(), keys.own_opener())
    assert not (run / "key.age").exists()
    engine = database.connect(run)
    assert deeds(engine, "key resealed") == []
    engine.dispose()


def test_what_fails_is_not_noted(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done is, with who did it, who need not have a name."""
    engine = database.connect(run)
    with pytest.raises(OSError, match="no such thing"), noted(engine, "a deed"):
        raise OSError("no such thing")
    assert deeds(engine, "a deed") == []
    monkeypatch.setattr("getpass.getuser", nameless)
    with noted(engine, "a deed", to="somewhere"):
        pass
    (deed,) = deeds(engine, "a deed")
    assert (deed.by, deed.fields) == ("a user without a name", {"to": "somewhere"})
    engine.dispose()


def nameless() -> str:
    raise KeyError("uid not found: 10001")
