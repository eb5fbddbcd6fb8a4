"""The key of a run: who may open it, whether it is at hand, and sealing it to others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from batchreset.engine import folder as folders
from batchreset.engine.faults import plain_errors
from batchreset.engine.forgetting import when_forgotten
from batchreset.engine.trail import noted
from batchreset.errors import KeyMissingError, SettingsError
from batchreset.secret import Secret
from batchreset.status import database, record
from batchreset.vault import identity
from batchreset.vault.sealing import (
    KEY_FILE,
    RunKey,
    check_passphrase,
    count_recipients,
    has_passphrase,
    read_recipient,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from batchreset.settings import Settings
    from batchreset.vault.sealing import Openers

VARIABLE = "BATCHRESET_PASSPHRASE"
#: Above this many accounts, one key alone is a risk worth a word.
_FEW = 50


def passphrase_given() -> Secret | None:
    """Return the passphrase that the environment gives."""
    text = os.environ.get(VARIABLE)
    return Secret(text) if text else None


def key_at_hand(folder: Path, passphrase: Callable[[], Secret | None] = passphrase_given) -> RunKey | None:
    """Open the run's key with the user's own keys, or where it is sealed to one with a passphrase; None without.

    `passphrase` is called where one is needed, and returns None where there is none. Raises `KeyMissingError` for the
    wrong one.
    """
    if not has_passphrase(folder):
        return RunKey.load(folder, [own.identity for own in identity.load()])
    given = passphrase()
    return RunKey.load(folder, given) if given is not None else None


def key_needed(folder: Path, passphrase: Callable[[], Secret | None] = passphrase_given) -> RunKey:
    """Open the run's key as `key_at_hand` does. Raises `KeyMissingError`, saying why, where it cannot be opened."""
    key = key_at_hand(folder, passphrase)
    if key is None:
        raise KeyMissingError(f"{folder.name}: {_why_missing(folder)}")
    return key


def openers(settings: Settings, passphrase: Secret | None = None) -> Openers:
    """Say who may open a new run, as the settings name them; nobody leaves it to the user's own key.

    Raises `UsageError` for what is no age public key, `SettingsError` where a passphrase is wanted and missing.
    """
    if not settings.seal_with_passphrase:
        return unique(settings.recipient)
    return usable(passphrase or passphrase_given())


def usable(passphrase: Secret | None) -> Secret:
    """Return a passphrase that can be sealed to. Raises `SettingsError` for any other, and for none."""
    if passphrase is None:
        raise SettingsError(
            f"--seal-with-passphrase needs a passphrase: set {VARIABLE}, or leave --yes out on a terminal to be asked."
        )
    return check_passphrase(passphrase)


def unique(recipients: Iterable[str]) -> tuple[str, ...]:
    """Return age public keys as age writes them, each once. Raises `UsageError` for anything else."""
    return tuple(dict.fromkeys(str(read_recipient(text)) for text in recipients))


def own_opener() -> tuple[str, ...]:
    """Return the public half of the user's own key, the newest of several; it is made when there is none."""
    own = identity.load()
    return ((own[-1] if own else identity.make()).public,)


def is_own(recipients: Sequence[str]) -> bool:
    """Say whether one of these public keys is the user's own."""
    return any(own.public in recipients for own in identity.load())


def risk(folder: Path, accounts: int, run_id: str = "") -> str | None:
    """Say in a sentence what may go wrong because one key alone opens the passwords of so many accounts.

    A run goes by its `run_id` while its folder is being made under another name.
    """
    if accounts <= _FEW or count_recipients(folder) != 1:
        return None
    return (
        f"One key alone will open the passwords of {accounts:,} accounts, and people fall ill and laptops break: "
        f"name a second --recipient, or seal it again with `batchreset keys reseal {run_id or folder.name}`."
    )


def reseal(folder: Path, key: RunKey, to: Openers) -> None:
    """Seal the run's key to exactly these openers, in place of the earlier ones, and note it in the audit trail.

    Copies of the old `key.age` still open as before. Raises `LockedError` while another process works on the run,
    `KeyMissingError` where its key was removed meanwhile, `SettingsError` where the file cannot be replaced.
    """
    told = {"passphrase": True} if isinstance(to, Secret) else {"recipients": list(to)}
    with folders.locked(folder), plain_errors(folder):
        engine = database.connect(folder, is_checked=True)
        try:
            if not (folder / KEY_FILE).is_file():
                raise KeyMissingError(f"{folder.name}: {_why_missing(folder)}")
            with noted(engine, "key resealed", **told):
                key.store(folder, to)
        except OSError as error:
            raise SettingsError(
                f"{folder / KEY_FILE}: the key cannot be replaced ({error.strerror}); it is as it was."
            ) from error
        finally:
            engine.dispose()


def refuse_strange(folder: Path, line: record.RunRecord, key: RunKey | None) -> None:
    """Raise `KeyMissingError` where what the run sent next could be opened by nobody, or by somebody else."""
    if line.settings.get("discard_passwords"):
        return
    if not (folder / KEY_FILE).is_file():
        raise KeyMissingError(f"{folder.name}: {_why_missing(folder)} Nothing was sent.")
    if key is not None and key.recipient != line.recipient:
        raise KeyMissingError(
            f"{folder.name}: {KEY_FILE} is not the key that this run's passwords are sealed to; "
            "put the right one back from a copy. Nothing was sent."
        )


def _why_missing(folder: Path) -> str:
    """Say why no key at hand opens the run, and what to do."""
    if has_passphrase(folder):
        return (
            f"its passwords are sealed to a passphrase; set {VARIABLE}, or open them on a terminal, where it is asked."
        )
    if (folder / KEY_FILE).exists():
        return (
            f"your key ({identity.path()}) does not open this run's passwords; "
            "set BATCHRESET_IDENTITY to the key of one of its recipients."
        )
    engine = database.connect(folder)
    try:
        if record.load(engine).settings.get("discard_passwords"):
            return "its passwords were not kept (--discard-passwords)."
        if told := when_forgotten(engine):
            return f"its key was forgotten {told}; nothing opens its passwords any more."
    finally:
        engine.dispose()
    return f"its key is missing; put {KEY_FILE} back from a copy."
