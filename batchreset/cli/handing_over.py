"""passwords --hand-over: asking once, handing over, and saying what became of it."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from batchreset.cli.keys import passphrase_to_open
from batchreset.cli.live import unhurried
from batchreset.cli.terminal import confirm, say, show
from batchreset.errors import RefusedError, StatusTableError
from batchreset.report.wording import accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from batchreset.engine.executables import Executable
    from batchreset.engine.handing_over import Prepared, Result
    from batchreset.engine.passwords import OpenedPassword
    from batchreset.model import Outcome

#: How many accounts that are left out for one reason are named.
_NAMED = 20


def hand_over(
    folder: Path,
    command: str,
    *,
    contact: str | None,
    user: str | None,
    only: Outcome | None,
    again: bool,
    yes: bool = False,
) -> None:
    """Hand the passwords of a run over to a command, those handed over before left out unless `again`.

    Ends with status 0 when all were, 3 when some failed, 4 when it was given up, 6 when accounts were left out for
    want of a sure password or a fit contact, 130 when it was stopped. Raises `RefusedError` where nothing can be
    handed over or the answer is no, `UsageError` where there is no such command.
    """
    from batchreset.engine import folder as folders
    from batchreset.engine.executables import Executable
    from batchreset.engine.faults import plain_errors
    from batchreset.engine.handing_over import Wanted, prepare
    from batchreset.engine.keys import key_needed
    from batchreset.status import database

    executable = Executable.named(command, "--hand-over")
    key = key_needed(folder, passphrase_to_open)
    with folders.locked(folder), plain_errors(folder):
        engine = database.connect(folder, is_checked=True)
        try:
            prepared = prepare(engine, key, Wanted(contact, user, only, again))
            _refuse_if_none(engine, prepared, user, only)
            _tell_who_is_left_out(prepared, folder)
            _ask(prepared, executable, yes=yes)
            status = _carry_out(engine, prepared, executable)
        finally:
            engine.dispose()
    raise typer.Exit(status)


def _refuse_if_none(engine: Engine, prepared: Prepared, user: str | None, only: Outcome | None) -> None:
    from batchreset.engine.passwords import why_none

    if not (prepared.ready or prepared.left_out or prepared.earlier):
        raise RefusedError(
            why_none(engine, user, only) if user else "There are no passwords of this run to be handed over."
        )


def _tell_who_is_left_out(prepared: Prepared, folder: Path) -> None:
    from batchreset.engine.handing_over import Why

    if prepared.earlier:
        say(f"{accounts(prepared.earlier)} left out: handed over before (--again hands them over once more).")
    for why, passwords in prepared.left_out.items():
        say(f"{accounts(len(passwords))} left out: {why}.")
        for each in passwords[:_NAMED]:
            say(f"  {_row(each)}")
        if len(passwords) > _NAMED:
            say(f"  and {len(passwords) - _NAMED:,} more")
        if why is Why.UNSURE:
            say(f"  Try what there is for one of them: batchreset passwords {folder.name} --user ACCOUNT")


def _ask(prepared: Prepared, executable: Executable, *, yes: bool) -> None:
    """Ask whether to hand over, or with `yes` only tell. Raises `RefusedError` where the answer is no."""
    number = len(prepared.ready)
    if not number:
        return
    contact = f"column '{prepared.column}'" if prepared.column else "none, since the cohort has no column for it"
    lines = [f"Their contacts: {contact}."]
    if prepared.contacts_in_run:
        lines.append(
            f"Contacts that are accounts of this run themselves: {prepared.contacts_in_run:,}. "
            "Somebody else may read their mailboxes."
        )
    if yes:
        say("\n".join(lines))
        return
    question = f"\nHand over the passwords of {accounts(number)} to {executable.path}?"
    answer = confirm("\n".join((question, *lines)), number, stdin_is_taken=False)
    if answer is None:
        raise RefusedError("Nothing was handed over: there is no terminal to ask on, and --yes was not given.")
    if not answer:
        raise RefusedError("Nothing was handed over: the answer was no.")


def _carry_out(engine: Engine, prepared: Prepared, executable: Executable) -> int:
    """Hand over what is ready, say what became of it, and return the exit status."""
    from batchreset.engine.handing_over import hand_over as hand_over_all
    from batchreset.engine.result import FINISHED, HALTED, INTERRUPTED, WITH_EXCLUSIONS, WITH_FAILURES

    number = len(prepared.ready)
    if not number:
        if not prepared.earlier:
            raise RefusedError("Nothing was handed over: every account is left out.")
        show("Nothing is left to be handed over.")
        return WITH_EXCLUSIONS if prepared.left_out else FINISHED
    tell = unhurried()
    with _stops() as stops:
        result = hand_over_all(
            engine,
            prepared.ready,
            executable,
            stops,
            lambda so_far: tell(f"{so_far.done:,} of {number:,} handed over, {len(so_far.failed):,} failed"),
        )
    show(_end_text(result, number, executable.name))
    if result.unnoted:
        raise StatusTableError(
            "Handed over, but the status table did not take it: do not hand these over again "
            f"({_listed(each.password for each in result.unnoted)})."
        )
    if result.is_interrupted and result.done + len(result.failed) < number:
        return INTERRUPTED
    if result.halted_because:
        return HALTED
    if result.failed:
        return WITH_FAILURES
    return WITH_EXCLUSIONS if prepared.left_out else FINISHED


def _end_text(result: Result, number: int, name: str) -> str:
    lines = [f"{result.done:,} of {number:,} passwords were handed over to {name}."]
    if result.failed:
        lines += [f"{len(result.failed):,} failed:"]
        lines += [f"  {_row(item.password)}: {why}" for item, why in result.failed]
    if result.halted_because:
        lines.append(f"Given up, since {result.halted_because}.")
    if result.done < number and not result.unnoted:
        lines.append("The same command, without --again, hands over those that are left and no others.")
    return "\n".join(lines)


def _listed(passwords: Iterable[OpenedPassword]) -> str:
    return "; ".join(_row(each) for each in passwords)


def _row(each: OpenedPassword) -> str:
    return f"{each.user}, row {each.row} of {each.source}"


@contextmanager
def _stops() -> Iterator[Callable[[], int]]:
    """Yield what counts how often Ctrl-C was pressed, and says the first time what it does."""
    pressed = told = 0

    def press(*_: object) -> None:
        nonlocal pressed
        pressed += 1

    def stops() -> int:
        nonlocal told
        if pressed and not told:
            told = 1
            say("Stopping when those in hand have ended; Ctrl-C once more stops them too.")
        return pressed

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, press)
    try:
        yield stops
    finally:
        signal.signal(signal.SIGINT, before)
