"""The door: one file per command family; nothing is decided here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from batchreset.cli import rehearse, reports, runs, secrets
from batchreset.errors import BatchResetError
from batchreset.version import __version__

app = typer.Typer(
    name="batchreset",
    help="Reset many Microsoft Entra passwords at once through Microsoft Graph, and account for every row.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in (
    runs.run,
    runs.plan,
    runs.resume,
    reports.status,
    reports.report,
    secrets.passwords,
    reports.runs,
    rehearse.rehearse,
    rehearse.tenant,
    secrets.keys,
):
    app.command()(command)


def _show_version(wanted: bool) -> None:  # noqa: FBT001  typer calls it so
    if wanted:
        typer.echo(f"batchreset {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; what a user can cause ends in one sentence and its exit status."""
    _no_core_dumps()
    try:
        app()
    except BatchResetError as error:
        sys.stderr.write(f"batchreset: {error}\n")
        sys.exit(error.exit_status)


def _no_core_dumps() -> None:
    """Switch core dumps off: one would hold tokens and passwords. Windows makes none by default."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
