"""login, logout, whoami, doctor: signing in, and finding out whether all is ready."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from batchreset.cli import logs
from batchreset.cli.asynchronous import run_async
from batchreset.cli.options import AsJson, Config, Flags, Verbose, takes
from batchreset.cli.terminal import say, show
from batchreset.engine.result import INTERRUPTED
from batchreset.errors import RefusedError, SignInError, UsageError
from batchreset.gather import config_path, flag_of, gather
from batchreset.settings import Auth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from batchreset.engine.doctor.check import Check
    from batchreset.engine.whoami import SignInFacts
    from batchreset.settings import Settings

_UNTOLD = "the token does not tell"


#: What a command has to know before it knows who is signed in.
_PLACE = ("cloud", "authority", "tenant", "client_id")


@takes("route", "cloud", "signin", "account")
def login(*, verbose: Verbose = 0, config: Config = None, flags: Flags) -> None:
    """Sign in as a person, once for many runs.

    The system's browser opens. Name the account that holds the role with --account, so that the one of every day stays
    out. --auth device-code is for machines without a browser; many tenants block it. An app registration of your own
    is needed: without --client-id and --tenant, how to make one is shown. Every other command needs these two as well:
    what to put into your config file is told.

    Examples:
      batchreset login --tenant contoso.example --client-id 6f1c9f6e-3c58-4d0e-9a53-52d3c0a1b6f4
      batchreset login --auth device-code --account admin@contoso.example
    """
    from batchreset.auth.token import VARIABLE
    from batchreset.engine.doctor.check import Verdict
    from batchreset.engine.doctor.signed_in import registration
    from batchreset.engine.whoami import IN_PERSON

    logs.tell_more(verbose)
    given = gather(flags, config)
    settings = given.but(auth=given.auth or Auth.INTERACTIVE)
    if settings.auth not in IN_PERSON:
        raise UsageError(f"--auth {settings.auth}: there is nothing to log in to; each run signs in by itself.")
    registered = registration(settings)
    if registered.verdict is not Verdict.OK:
        if registered.advice:
            show(registered.advice)
        raise SignInError(registered.told)
    show(_log_in(settings))
    if lines := [f"{flag_of(name)[2:]} = {json.dumps(str(flags[name]))}" for name in _PLACE if flags[name]]:
        say("\n".join([f"So that every command knows them, put into {config or config_path()}:", *lines]))
    if given.auth is None and os.environ.get(VARIABLE):
        say(f"{VARIABLE} is set and goes before this sign-in: unset it, or give --auth {settings.auth}.")


@takes("account")
def logout(*, config: Config = None, flags: Flags) -> None:
    """Forget whoever is signed in on this machine.

    With --account, that one alone.

    Examples:
      batchreset logout
      batchreset logout --account admin@contoso.example
    """
    from batchreset.auth.login import logout as forget

    forgotten = forget(gather(flags, config))
    show("\n".join(f"Signed out: {account}" for account in forgotten) or "Nobody was signed in.")


@takes("graph", "cloud", "signin", "account")
def whoami(*, as_json: AsJson = False, config: Config = None, flags: Flags) -> None:
    """Say who is signed in, and what that allows.

    Examples:
      batchreset whoami
      batchreset whoami --auth certificate --json
    """
    from batchreset.auth.sign_in import sign_in
    from batchreset.engine import whoami as engine

    settings = gather(flags, config)
    try:
        found = run_async(engine.whoami(settings, sign_in(settings, say), say))
    except SignInError:
        if as_json:
            show(json.dumps(engine.nobody(settings).recorded(), indent=2))
        raise
    show(json.dumps(found.recorded(), indent=2) if as_json else _standing_text(found))


@takes("out", "route", "graph", "cloud", "signin", "account")
def doctor(
    *,
    print_scopes: Annotated[
        bool,
        typer.Option("--print-scopes", help="Only write what an app registration needs, as its manifest has it: JSON."),
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    config: Config = None,
    flags: Flags,
) -> None:
    """Look for whatever would keep a run from working.

    Nothing in the tenant is changed, and nothing is made here. The status is 0 when there is no problem, else 5.

    Examples:
      batchreset doctor
      batchreset doctor --auth secret --json
      batchreset doctor --print-scopes > scopes.json
    """
    from batchreset.auth.scopes import registration
    from batchreset.auth.sign_in import is_app_only
    from batchreset.engine.doctor.check import Verdict
    from batchreset.engine.doctor.examine import examine

    if print_scopes:
        settings = gather(flags, config)
        needed = registration(settings, is_app_only=bool(is_app_only(settings)))
        show(json.dumps(needed, indent=2))
        return
    logs.tell_more(verbose)
    checks = run_async(examine(flags, config, say))
    counts = {verdict: sum(check.verdict is verdict for check in checks) for verdict in Verdict}
    if as_json:
        show(json.dumps({"counts": counts, "checks": [check.recorded() for check in checks]}, indent=2))
    else:
        show(_checks_text(checks))
    if counts[Verdict.PROBLEM]:
        raise typer.Exit(RefusedError.exit_status)


def sign_in_here(settings: Settings) -> bool:
    """Have the person at this terminal sign in, where there is one and the way to sign in has one; say whether it did.

    Raises `SignInError` where that fails.
    """
    from batchreset.auth.sign_in import way
    from batchreset.engine.doctor.check import Verdict
    from batchreset.engine.doctor.signed_in import registration
    from batchreset.engine.whoami import IN_PERSON

    settings = settings.but(auth=way(settings))
    has_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if not has_terminal or settings.auth not in IN_PERSON or registration(settings).verdict is not Verdict.OK:
        return False
    say(_log_in(settings))
    return True


def _log_in(settings: Settings) -> str:
    """Sign in by `settings.auth`, and say who did. Ctrl-C ends the command with the status for that."""
    from batchreset.auth.cache import path
    from batchreset.auth.login import login as enter

    try:
        found = enter(settings, settings.auth or Auth.INTERACTIVE, say)
    except KeyboardInterrupt:
        say("\nbatchreset: stopped, nobody has signed in.")
        raise typer.Exit(INTERRUPTED) from None
    told = f"Signed in{f' as {found.user} to tenant {found.tenant_id}' if found else ''}, cloud {settings.cloud}"
    if found and found.expires_at:
        told += f", until {_utc(found.expires_at)}; renewed silently"
    return f"{told}.\nKept in {path()}; `batchreset logout` forgets it."


def _standing_text(found: SignInFacts) -> str:
    facts = [
        ("signed in as", _with_id(found.user, found.object_id)),
        ("tenant", _with_id(found.tenant, found.tenant_id)),
        ("cloud", found.cloud),
        ("by", found.auth),
        ("until", _utc(found.expires_at) if found.expires_at else _UNTOLD),
        ("permissions", _listed(found.permissions)),
        ("missing", _listed(found.missing)),
        ("routes", _listed(found.routes)),
        *([("kept in", found.cache)] if found.cache else []),
    ]
    return "\n".join(f"{name + ':':<14}{text}" for name, text in facts)


def _utc(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _with_id(name: str | None, identifier: str | None) -> str:
    return f"{name or _UNTOLD}{f' ({identifier})' if identifier else ''}"


def _listed(names: Sequence[str] | None) -> str:
    return _UNTOLD if names is None else ", ".join(names) or "none"


def _checks_text(checks: Sequence[Check]) -> str:
    """Write a line for each check, and what to do below it, indented."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.verdict:<8} {check.name:<{width}}  {check.told}")
        lines += [f"{'':9}{line}".rstrip() for line in check.advice.splitlines()]
    return "\n".join(lines)
