"""The door: one file per command family; nothing is decided here."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from inspect import cleandoc, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchreset.cli import keys, logs, passwords, rehearse, reports, runs, signin
from batchreset.cli.options import ARGUMENTS
from batchreset.cli.terminal import say
from batchreset.engine import events
from batchreset.errors import BatchResetError
from batchreset.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_COMMANDS: tuple[Callable[..., None], ...] = (
    runs.run,
    runs.plan,
    runs.resume,
    reports.status,
    reports.report,
    passwords.passwords,
    reports.runs,
    rehearse.rehearse,
    rehearse.tenant,
    signin.login,
    signin.logout,
    signin.whoami,
    signin.doctor,
)


def main() -> None:
    """Run the command line; what a user can cause ends in one sentence and its exit status."""
    _prepare_streams()
    _end_gently()
    _no_core_dumps()
    with logs.until_exit():
        try:
            app(prog_name="batchreset")
        except BatchResetError as error:
            events.tell("error", level=logging.ERROR, text=str(error))
            if not logs.has_standard_error():
                say(f"batchreset: {error}")
            sys.exit(error.exit_status)


def _app() -> typer.Typer:
    made = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    made.callback(help=_help(_options))(_options)
    for command in _COMMANDS:
        made.command(help=_help(command))(command)
    of_keys = typer.Typer(invoke_without_command=True)
    of_keys.callback(help=_help(keys.keys))(keys.keys)
    of_keys.command(help=_help(keys.reseal))(keys.reseal)
    made.add_typer(of_keys, name="keys")
    return made


def _help(command: Callable[..., Any]) -> str:
    """Return a command's documentation, its arguments explained, its examples line by line."""
    about, header, examples = cleandoc(command.__doc__ or "").partition("Examples:\n")
    arguments = "".join(f"{ARGUMENTS[name]}\n\n" for name in signature(command).parameters if name in ARGUMENTS)
    # The \b keeps the help's formatter from filling the lines of a paragraph.
    return f"{about}{arguments}\b\n{header}{examples}"


def _show_version(wanted: bool) -> None:  # noqa: FBT001  typer calls it so
    if wanted:
        typer.echo(f"batchreset {__version__}")
        raise typer.Exit


def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Reset many Microsoft Entra passwords at once through Microsoft Graph, and account for every row.

    Options can also be set by environment variables (BATCHRESET_OUT for --out) and in a config.toml, but for those that
    give consent: flag over environment over file.

    Examples:
      batchreset rehearse sample_inputs/helpdesk-cohort.csv   try it out, on a simulated tenant
      batchreset plan cohort.csv                              see what would happen
      batchreset run cohort.csv                               see it, be asked, and reset
    """


def _prepare_streams() -> None:
    """Give a process without a console somewhere to write to, and pipes UTF-8 as files have it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  for good
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")


def _end_gently() -> None:
    """Let a request to terminate do what Ctrl-C does; one that is ignored, as under nohup, stays ignored."""
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Do what Ctrl-C does, also where that is ignored, as of a script's process in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.default_int_handler(number, frame)
    signal.raise_signal(signal.SIGINT)


def _no_core_dumps() -> None:
    """Switch core dumps off: one would hold tokens and passwords. Windows makes none by default."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


app = _app()
