"""What passwords cost: to make one, to seal and open it, and to seal a run's key to a passphrase.

Run it as `python -m tests.benchmarks.sealing [PASSWORDS]`. Names and banned texts are those of an ordinary account and
tenant. Figures are of CPU time, and are printed, never asserted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import date
from pathlib import Path

from batchreset.model import PasswordStyle
from batchreset.policy.passwords import banned_on, parts_of
from batchreset.secret import Secret
from batchreset.settings import Settings
from batchreset.vault.making import Maker, recipe_of
from batchreset.vault.sealing import RunKey, Sealer

BANNED = banned_on(date(2026, 11, 22), "Contoso")
NAMES = parts_of("ana.lopez@contoso.example", "Ana López")


def show(what: str, began: float, times: int) -> None:
    """Print what each of so many times took since then."""
    print(f"{what:<40}{(time.process_time() - began) / times * 1000:>10.3f} ms")


def one_by_one(style: PasswordStyle, passwords: int) -> None:
    """Print what it costs to make, seal and open passwords of a style."""
    recipe = recipe_of(Settings(password_style=style))
    maker, key = Maker(recipe, BANNED), RunKey.generate()
    sealer = Sealer(key.recipient)
    print(f"{passwords:,} times {recipe.described}")
    began = time.process_time()
    made = [maker.make(NAMES) for _ in range(passwords)]
    show("  make one", began, passwords)
    began = time.process_time()
    sealed = [sealer.seal(password) for password in made]
    show("  seal one", began, passwords)
    began = time.process_time()
    opened = [key.unseal(each) for each in sealed]
    show("  unseal one", began, passwords)
    assert opened == made


def key_to_passphrase() -> None:
    """Print what it costs to seal a run's key to a passphrase, and to open it."""
    passphrase = Secret("Multitask-Awning-Repossess-Sasquatch-9")
    key = RunKey.generate()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        began = time.process_time()
        key.store(folder, passphrase)
        show("seal a run's key to a passphrase", began, 1)
        began = time.process_time()
        opened = RunKey.load(folder, passphrase)
        show("open it", began, 1)
    assert opened is not None
    assert opened.recipient == key.recipient


def main() -> None:
    """Print the figures of both styles, and of the run's key."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sealing")
    parser.add_argument("passwords", nargs="?", type=int, default=10_000)
    passwords = parser.parse_args().passwords
    for style in PasswordStyle:
        one_by_one(style, passwords)
    key_to_passphrase()


if __name__ == "__main__":
    main()
