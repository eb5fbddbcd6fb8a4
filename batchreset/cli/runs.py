"""run, plan, resume: what changes passwords, and what would."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchreset.cli import logs
from batchreset.cli.asking import ask, unchanged
from batchreset.cli.asynchronous import event_loop
from batchreset.cli.keys import passphrase_to_open, passphrase_to_seal
from batchreset.cli.live import live, unhurried
from batchreset.cli.options import AsJson, Cohort, Config, Flags, Run, Verbose, takes
from batchreset.cli.terminal import say, show, width_of
from batchreset.cli.words import end_text, plan_text, plan_values, quoted
from batchreset.engine.gates import refuse_unfit
from batchreset.errors import SignInNeededError
from batchreset.gather import gather
from batchreset.settings import IfEmpty

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from batchreset.auth.token import TokenSource
    from batchreset.cli.asynchronous import EventLoop
    from batchreset.engine.plan import Plan
    from batchreset.settings import Settings

#: Settings of the command that is being run, and of no run: they are never taken from a run's record.
_OF_THE_COMMAND = ("out", "log_format", "log_file")
#: Settings that say who is sent tokens and secrets: a run's record counts only where they agree.
_OF_TRUST = ("graph_url", "authority")
_GROUPS = ("out", "cohort", "route", "go", "plan", "consent", "graph", "cloud", "signin", "account", "log")


@takes(*_GROUPS)
def run(
    cohort: Cohort,
    *,
    what_if: Annotated[bool, typer.Option("--what-if", help="Show the plan and reset nobody, as plan does.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    config: Config = None,
    flags: Flags,
) -> None:
    """Reset a cohort: load, screen, ask, reset, report.

    The plan is shown first. Without --yes it asks on the terminal; where there is none, the answer is no.

    Examples:
      batchreset run cohort.csv
      batchreset run leak.xlsx --ticket INC-4711 --protect breakglass@contoso.example
      batchreset run --group "Leaked accounts" --revoke-sessions both
      batchreset run cohort.csv --yes --json > result.json
      batchreset run nightly.csv --yes --if-empty ok --auth certificate --log-format json
      batchreset run - < cohort.csv
    """
    settings = gather(flags, config)
    logs.begin(settings, verbose)
    with event_loop() as loop, empty_as_chosen(settings, as_json=as_json):
        made, tokens = _make_plan(loop, cohort, settings)
        if what_if:
            _show(made, settings, as_json=as_json)
            return
        say(plan_text(made, width_of(sys.stderr)))
        refuse_unfit(made, settings)
        _go(loop, made, settings, tokens, as_json=as_json, stdin_is_taken="-" in cohort)


@takes(*_GROUPS)
def plan(cohort: Cohort, *, as_json: AsJson = False, verbose: Verbose = 0, config: Config = None, flags: Flags) -> None:
    """Show what run would do; changes nothing in the tenant.

    Takes the same options as run. Makes the run folder, with the plan as a page (plan.html) and as plan.json, so that
    resume can carry it out; the SHA-256 of the latter is printed, and resume --plan-digest refuses any other plan. Says
    how long sending will take, by what earlier runs learned in this tenant, else by Graph's documented quota.

    Examples:
      batchreset plan cohort.csv
      batchreset plan leaked.txt helpdesk.csv --json
    """
    settings = gather(flags, config)
    logs.begin(settings, verbose)
    with event_loop() as loop, empty_as_chosen(settings, as_json=as_json):
        made, _ = _make_plan(loop, cohort, settings)
    _show(made, settings, as_json=as_json)


@takes("out", "go", "plan", "consent", "graph", "signin", "account", "log")
def resume(
    run: Run,
    *,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Take failed rows up again, and settle unresolved ones first.")
    ] = False,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="Go on although the plan is old, its cohort has changed, or somebody else is signed in."
        ),
    ] = False,
    plan_digest: Annotated[
        str | None,
        typer.Option(
            "--plan-digest", help="Refuse any plan but the one with this SHA-256, as plan prints it.", metavar="SHA256"
        ),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    config: Config = None,
    flags: Flags,
) -> None:
    """Carry out a plan, or go on with an interrupted or halted run.

    Screens again and asks as run does. The settings are those of the plan, but for what is given here, and whom your
    own settings protect is left alone too; --limit and --stop-after are for one start only. A plan's --graph-url and
    --authority have to be in your settings, or be given again. What is no longer as it was (the plan's age, its cohort,
    who is signed in) is refused by name, unless --anyway; another tenant always is.

    Examples:
      batchreset resume reports/20261121T175502Z-leak-cohort-7f3a
      batchreset resume 20261121T175502Z-leak-cohort-7f3a --plan-digest 5d41402abc4b2a76b9719d911017c592...
      batchreset resume 20261121T175502Z-leak-cohort-7f3a --retry-failed --yes
    """
    from batchreset.engine import folder as folders
    from batchreset.engine.keys import key_at_hand, passphrase_given
    from batchreset.engine.resume import prepare, settings_of

    here = gather({name: flags[name] for name in (*_OF_THE_COMMAND, *_OF_TRUST)}, config)
    logs.begin(here, verbose)
    folder = folders.find(run, here.out)
    settings = gather({**flags, **dict.fromkeys((*_OF_THE_COMMAND, *_OF_TRUST))}, base=settings_of(folder, here))
    # Whom the planner leaves alone, and whom whoever resumes does.
    settings = settings.but(
        protect=tuple(dict.fromkeys((*settings.protect, *here.protect))),
        protect_group=tuple(dict.fromkeys((*settings.protect_group, *here.protect_group))),
    )
    key = key_at_hand(folder, passphrase_given if settings.yes else lambda: passphrase_to_open(is_needed=False))

    def work(tokens: TokenSource) -> Coroutine[Any, Any, Plan]:
        return prepare(folder, settings, tokens, retry_failed=retry_failed, anyway=anyway, plan_digest=plan_digest)

    with event_loop() as loop:
        made, tokens = _signed_in(loop, settings, work)
        say(plan_text(made, width_of(sys.stderr)))
        refuse_unfit(made, settings)
        _go(loop, replace(made, key=key), settings, tokens, as_json=as_json)


@contextmanager
def telling_of_a_new_key() -> Iterator[None]:
    """Tell the user where the key is that opens passwords, if the plan made in this context is what made it."""
    from batchreset.vault import identity

    had_one = identity.path().exists()
    yield
    if not had_one and identity.path().exists():
        say(f"Your key, which opens sealed passwords, is now in {identity.path()}; keep a copy of it.\n")


@contextmanager
def empty_as_chosen(settings: Settings, *, as_json: bool) -> Iterator[None]:
    """End the command well where the cohort read in this context has no rows, and --if-empty says that this is well."""
    from batchreset.cohort import EmptyError

    try:
        yield
    except EmptyError as nothing:
        if settings.if_empty is IfEmpty.ERROR:
            raise
        show(json.dumps({"rows": 0, "state": "nothing to do"}) if as_json else f"Nothing to do: {nothing}")
        raise typer.Exit from None


def _make_plan(loop: EventLoop, cohort: list[str], settings: Settings) -> tuple[Plan, TokenSource]:
    from batchreset.engine.plan import Inputs, make

    stdin = sys.stdin.buffer if "-" in cohort else None
    passphrase = passphrase_to_seal() if settings.seal_with_passphrase and not settings.yes else None

    def work(tokens: TokenSource) -> Coroutine[Any, Any, Plan]:
        inputs = Inputs(cohort, tokens, stdin=stdin, progress=unhurried(), passphrase=passphrase)
        return make(inputs, settings)

    with telling_of_a_new_key():
        return _signed_in(loop, settings, work, stdin_is_taken=stdin is not None)


def _signed_in(
    loop: EventLoop,
    settings: Settings,
    work: Callable[[TokenSource], Coroutine[Any, Any, Plan]],
    *,
    stdin_is_taken: bool = False,
) -> tuple[Plan, TokenSource]:
    """Make a plan, if need be after signing in on the terminal; return the tokens that it was made with too."""
    from batchreset.auth.sign_in import sign_in
    from batchreset.cli.signin import sign_in_here

    tokens = sign_in(settings, say)
    try:
        return loop.run(work(tokens)), tokens
    except SignInNeededError:
        if settings.yes or stdin_is_taken or not sign_in_here(settings):
            raise
    tokens = sign_in(settings, say)
    return loop.run(work(tokens)), tokens


def _show(plan: Plan, settings: Settings, *, as_json: bool) -> None:
    """Show a plan, and how to carry it out. Raises `RefusedError` where it cannot be."""
    from batchreset.engine.repeat import finished_earlier

    earlier = finished_earlier(plan)
    if as_json:
        show(json.dumps({**plan_values(plan), "unchanged_since": earlier and asdict(earlier)}, indent=2))
    else:
        show(
            "\n".join(
                [plan_text(plan, width_of(sys.stdout)), *(["", f"Mind that {unchanged(earlier)}."] if earlier else [])]
            )
        )
    refuse_unfit(plan, settings)
    if not as_json:
        show(f"Page:   {plan.folder / 'plan.html'}\n\nCarry it out with: batchreset resume {quoted(plan.folder)}")


def _go(
    loop: EventLoop,
    plan: Plan,
    settings: Settings,
    tokens: TokenSource,
    *,
    as_json: bool,
    stdin_is_taken: bool = False,
) -> None:
    """Ask, carry a plan out, show how it ends, and exit with its status."""
    from batchreset.engine.result import exit_status
    from batchreset.engine.resume import agree
    from batchreset.engine.runner import Means, carry_out

    ask(plan, settings, stdin_is_taken=stdin_is_taken)
    agree(plan)
    with live() as progress:
        summary = loop.run(carry_out(plan.folder, settings, Means(tokens, plan.key, progress)))
    if as_json:
        show(json.dumps({**summary.recorded(), "folder": str(plan.folder)}, indent=2))
    else:
        show(end_text(plan.folder, summary))
    raise typer.Exit(exit_status(summary, settings.accept_excluded))
