"""run, plan, resume: what changes passwords, and what would."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from batchreset.cli.asynchronous import run_async
from batchreset.cli.live import live, unhurried
from batchreset.cli.options import AsJson, Cohort, Config, Flags, Run, takes
from batchreset.cli.terminal import confirm, say, show
from batchreset.cli.words import accounts, end_text, plan_text, plan_values, quoted
from batchreset.errors import RefusedError
from batchreset.gather import gather, restore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.settings import Settings
    from batchreset.vault.sealing import RunKey


@takes("out", "cohort", "go", "tenant")
def run(cohort: Cohort, *, as_json: AsJson = False, config: Config = None, flags: Flags) -> None:
    """Reset a cohort: load, screen, ask, reset, report.

    The plan is shown first. Without --yes it asks on the terminal; where there is none, the answer is no.

    Examples:
      batchreset run cohort.csv
      batchreset run leak.xlsx --ticket INC-4711 --protect breakglass@contoso.example
      batchreset run cohort.csv --yes --json > result.json
      batchreset run - < cohort.csv
    """
    settings = gather(flags, config)
    made = _make_plan(cohort, settings)
    say(plan_text(made))
    refuse_if_nothing_left(made)
    _ask(made, settings, stdin_is_taken="-" in cohort)
    _carry_out(made.folder, settings, made.key, as_json=as_json)


@takes("out", "cohort", "go", "tenant")
def plan(cohort: Cohort, *, as_json: AsJson = False, config: Config = None, flags: Flags) -> None:
    """Show what run would do; changes nothing in the tenant.

    Takes the same options as run. Makes the run folder, so that resume can carry the plan out.

    Examples:
      batchreset plan cohort.csv
      batchreset plan leaked.txt helpdesk.csv --json
    """
    made = _make_plan(cohort, gather(flags, config))
    if as_json:
        show(json.dumps(plan_values(made), indent=2))
    else:
        show(plan_text(made))
    refuse_if_nothing_left(made)
    if not as_json:
        show(f"\nCarry it out with: batchreset resume {quoted(made.folder)}")


@takes("out", "go")
def resume(
    run: Run,
    *,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Take failed rows up again, and settle unresolved ones first.")
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
    flags: Flags,
) -> None:
    """Carry out a plan, or go on with an interrupted or halted run.

    Screens again and asks as run does. The settings are those of the plan, but for what is given here.

    Examples:
      batchreset resume reports/20261121T175502Z-leak-cohort-7f3a
      batchreset resume 20261121T175502Z-leak-cohort-7f3a --retry-failed --yes
    """
    from batchreset.auth.token import EnvironmentToken
    from batchreset.engine import folder as folders
    from batchreset.engine.passwords import key_at_hand
    from batchreset.engine.resume import prepare

    folder = folders.find(run, gather({"out": flags["out"]}, config).out)
    made = run_async(prepare(folder, EnvironmentToken(), retry_failed=retry_failed))
    settings = gather({**flags, "out": None}, base=restore(made.record.settings))
    say(plan_text(made))
    if made.ready:
        _ask(made, settings, stdin_is_taken=False)
    _carry_out(folder, settings, key_at_hand(folder), as_json=as_json)


def refuse_if_nothing_left(plan: Plan) -> None:
    """Raise `RefusedError` where a plan would reset nobody."""
    if not plan.ready:
        raise RefusedError(f"Nothing is left to reset after screening; {plan.folder} holds the plan.")


@contextmanager
def telling_of_a_new_key() -> Iterator[None]:
    """Tell the user where the key is that opens passwords, if the plan made in this context is what made it."""
    from batchreset.vault import identity

    had_one = identity.path().exists()
    yield
    if not had_one and identity.path().exists():
        say(f"Your key, which opens sealed passwords, is now in {identity.path()}; keep a copy of it.\n")


def _make_plan(cohort: list[str], settings: Settings) -> Plan:
    from batchreset.auth.token import EnvironmentToken
    from batchreset.engine.plan import Inputs, make

    stdin = sys.stdin.buffer if "-" in cohort else None
    inputs = Inputs(cohort=cohort, tokens=EnvironmentToken(), stdin=stdin, progress=unhurried())
    with telling_of_a_new_key():
        return run_async(make(inputs, settings))


def _ask(plan: Plan, settings: Settings, *, stdin_is_taken: bool) -> None:
    """Ask whether to go on. Raises `RefusedError` where the answer is no; the plan is kept."""
    operator, unchecked = plan.record.operator, plan.record.unchecked
    kept = f"The plan is kept: batchreset resume {quoted(plan.folder)}"
    if settings.yes:
        if unchecked and not settings.allow_unchecked:
            raise RefusedError(
                f"Nothing was sent: not everything could be checked, and --yes needs --allow-unchecked then. {kept}"
            )
        return
    tenant = f"{operator.tenant} ({operator.tenant_id})"
    question = "\n".join(("", *unchecked, f"Reset the passwords of {accounts(plan.ready)} in {tenant}?"))
    try:
        answer = confirm(question, plan.ready, stdin_is_taken=stdin_is_taken)
    except KeyboardInterrupt:
        say(f"\nbatchreset: stopped, nothing was sent. {kept}")
        raise
    if answer is None:
        raise RefusedError(f"Nothing was sent: there is no terminal to ask on, and --yes was not given. {kept}")
    if not answer:
        raise RefusedError(f"Nothing was sent: the answer was no. {kept}")


def _carry_out(folder: Path, settings: Settings, key: RunKey | None, *, as_json: bool) -> None:
    """Carry a run out, show how it ends, and exit with its status."""
    from batchreset.auth.token import EnvironmentToken
    from batchreset.engine.result import exit_status
    from batchreset.engine.runner import Means, carry_out

    with live() as progress:
        summary = run_async(carry_out(folder, settings, Means(EnvironmentToken(), key, progress)))
    if as_json:
        show(json.dumps({**summary.recorded(), "folder": str(folder)}, indent=2))
    else:
        show(end_text(folder, summary))
    raise typer.Exit(exit_status(summary, settings.accept_excluded))
