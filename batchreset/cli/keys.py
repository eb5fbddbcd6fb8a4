"""keys: who can open sealed passwords, and the passphrases that do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from batchreset.cli.options import Config, Flags, Run, takes
from batchreset.cli.terminal import ask_new_secret, ask_secret, say, show
from batchreset.errors import UsageError
from batchreset.gather import gather

if TYPE_CHECKING:
    from batchreset.secret import Secret
    from batchreset.vault.sealing import Openers


def keys(
    context: typer.Context,
    *,
    make: Annotated[
        bool, typer.Option("--make", help="Make a key, which new runs are sealed to; those there are stay.")
    ] = False,
) -> None:
    """Show the keys that open sealed passwords, or make one.

    They are in a file in the user's configuration folder, or where BATCHRESET_IDENTITY says. Runs are sealed to the
    newest, and opened with whichever fits. The private halves are never shown.

    Examples:
      batchreset keys
      batchreset keys --make
      batchreset keys reseal 20261121T175502Z-leak-cohort-7f3a --recipient age1... --recipient age1...
    """
    from batchreset.vault import identity

    if context.invoked_subcommand is not None:
        return
    if make:
        identity.make()
    own = identity.load()
    if not own:
        show(f"There is no key yet; the first run makes it, or `batchreset keys --make`. Its place: {identity.path()}")
        return
    lines = [f"key:        {identity.path()}"]
    for each in reversed(own):
        made = f"  made {each.made_at[:10]}" if each.made_at else ""
        lines.append(f"public key: {each.public}{made}")
    show("\n".join(lines))


@takes("out")
def reseal(
    run: Run,
    *,
    recipient: Annotated[
        list[str] | None,
        typer.Option("--recipient", help="An age public key that is to open the run; repeatable.", metavar="KEY"),
    ] = None,
    seal_with_passphrase: Annotated[
        bool, typer.Option("--seal-with-passphrase", help="A passphrase is to open the run, instead of keys.")
    ] = False,
    config: Config = None,
    flags: Flags,
) -> None:
    """Give a run's passwords to other keys, or to a passphrase.

    Exactly those named here open them from then on: name your own too, where you are to. A key that opens the run is
    needed, or its passphrase. The passphrases are asked for; BATCHRESET_PASSPHRASE is taken instead, for the one there
    is, else for the new one.

    Examples:
      batchreset keys reseal 20261121T175502Z-leak-cohort-7f3a --recipient age1... --recipient age1...
      batchreset keys reseal 20261121T175502Z-leak-cohort-7f3a --seal-with-passphrase
    """
    from batchreset.engine import folder as folders
    from batchreset.engine import keys as engine
    from batchreset.vault.sealing import has_passphrase

    if bool(recipient) == seal_with_passphrase:
        raise UsageError("keys reseal: name who is to open the run, by --recipient KEY or by --seal-with-passphrase.")
    recipients = engine.unique(recipient or ())
    folder = folders.find(run, gather(flags, config).out)
    had_passphrase = has_passphrase(folder)
    key = engine.key_needed(folder, passphrase_to_open)
    to: Openers = recipients
    if seal_with_passphrase:
        # Where the environment's opens the run, it cannot be meant as the new one too.
        to = engine.usable(_asked_twice() if had_passphrase else passphrase_to_seal())
    engine.reseal(folder, key, to)
    named = "\n  ".join(recipients) or "the passphrase"
    show(f"{folder.name} opens with these alone from now on:\n  {named}")
    if recipients and not engine.is_own(recipients):
        say("Your own key is not among them: it does not open these passwords any more.")
    say("Copies and backups of the old key.age still open for those who could open it.")


def passphrase_to_open(*, is_needed: bool = True) -> Secret | None:
    """Return the passphrase that opens a run: the environment's, else what is typed; None where nothing is."""
    from batchreset.engine.keys import passphrase_given

    question = "The passphrase that this run is sealed to" + ("" if is_needed else " (nothing: go on without it)")
    return passphrase_given() or _told(ask_secret(question), "Opening")


def passphrase_to_seal() -> Secret | None:
    """Return the passphrase to seal to: the environment's, else what is typed twice; None where nothing is."""
    from batchreset.engine.keys import passphrase_given

    return passphrase_given() or _asked_twice()


def _asked_twice() -> Secret | None:
    from batchreset.vault.sealing import SHORTEST_PASSPHRASE, check_passphrase

    question = f"A passphrase to seal the passwords to, of at least {SHORTEST_PASSPHRASE} characters"
    return _told(ask_new_secret(question, check_passphrase), "Sealing")


def _told(typed: Secret | None, what: str) -> Secret | None:
    """Tell why nothing seems to happen for a moment, once a passphrase has been typed."""
    if typed is not None:
        say(f"{what} with a passphrase takes a moment, so that nobody finds it by trying.")
    return typed
