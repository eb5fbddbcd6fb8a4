"""run, plan, resume: what changes passwords, and what would."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from batchreset.cli.asynchronous import run_async
from batchreset.cli.live import live
from batchreset.cli.options import AsJson, Cohort, Config, Flags, Run, takes
from batchreset.cli.terminal import confirm, say, show
from batchreset.cli.words import end_text, plan_text, plan_values
from batchreset.errors import RefusedError
from batchreset.gather import gather, restore

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.settings import Settings
    from batchreset.vault.sealing import RunKey


@takes("out", "cohort", "go", "tenant")
def run(cohort: Cohort, *, as_json: AsJson = False, config: Config = None, flags: Flags) -> None:
    """Load a cohort, screen it, show the plan, ask, reset, follow, report.

    Examples:
      batchreset run cohort.csv
      batchreset run leak.xlsx --ticket INC-4711 --protect breakglass@contoso.example
      type cohort.csv | batchreset run - --yes --json
    """
    settings = gather(flags, config)
    plan = _make_plan(cohort, settings)
    say(plan_text(plan))
    _refuse_if_nothing_left(plan)
    _ask(plan, settings)
    carry_out(plan.folder, settings, plan.key, as_json=as_json)


@takes("out", "cohort", "tenant")
def plan(cohort: Cohort, *, as_json: AsJson = False, config: Config = None, flags: Flags) -> None:
    """Show what run would do, and make the run folder; changes nothing in the tenant.

    Examples:
      batchreset plan cohort.csv
      batchreset plan cohort.csv --json
    """
    settings = gather(flags, config)
    made = _make_plan(cohort, settings)
    if as_json:
        show(json.dumps(plan_values(made), indent=2))
    else:
        show(plan_text(made))
        show(f"\nCarry it out with: batchreset resume {made.folder}")
    _refuse_if_nothing_left(made)


@takes("go", "out")
def resume(
    run: Run,
    *,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Take failed rows up again, and settle unresolved ones first.")
    ] = False,
    as_json: AsJson = False,
    flags: Flags,
) -> None:
    """Carry out a plan, or go on with a run that was interrupted or halted.

    Examples:
      batchreset resume reports/20261121T175502Z-leak-cohort-7f3a
      batchreset resume 20261121T175502Z-leak-cohort-7f3a --retry-failed --yes
    """
    from batchreset.auth.token import from_environment
    from batchreset.engine import folder as folders
    from batchreset.engine.passwords import key_at_hand
    from batchreset.engine.resume import prepare

    folder = folders.find(run, gather({"out": flags["out"]}).out)
    made = run_async(prepare(folder, from_environment(), retry_failed=retry_failed))
    settings = gather({**flags, "out": None}, base=restore(made.record.settings))
    say(plan_text(made))
    if made.ready:
        _ask(made, settings)
    carry_out(folder, settings, key_at_hand(folder), as_json=as_json)


def _make_plan(cohort: list[str], settings: Settings) -> Plan:
    from batchreset.auth.token import from_environment
    from batchreset.engine.plan import Inputs, make

    inputs = Inputs(
        cohort=cohort,
        tokens=from_environment(),
        stdin=sys.stdin.buffer if "-" in cohort else None,
        progress=say if sys.stderr.isatty() else lambda _: None,
    )
    return run_async(make(inputs, settings))


def _refuse_if_nothing_left(plan: Plan) -> None:
    if not plan.ready:
        raise RefusedError(f"Nothing is left to reset after screening; {plan.folder} holds the plan.")


def _ask(plan: Plan, settings: Settings) -> None:
    """Ask whether to go on. Raises `RefusedError` where the answer is no; the plan is kept."""
    operator = plan.record.operator
    unchecked = "".join(f"\n{sentence}" for sentence in plan.record.unchecked)
    kept = f"The plan is kept: batchreset resume {plan.folder}"
    if settings.yes:
        if unchecked and not settings.allow_unchecked:
            raise RefusedError(
                f"Not everything could be checked, and --allow-unchecked was not given.{unchecked}\n{kept}"
            )
        return
    question = (
        f"{unchecked}\nReset the passwords of {plan.ready:,} accounts in {operator.tenant} ({operator.tenant_id})?"
    )
    if not confirm(question, plan.ready):
        raise RefusedError(f"Nothing was sent: the answer was no, or there was no terminal to ask on (--yes). {kept}")


def carry_out(folder: Path, settings: Settings, key: RunKey | None, *, as_json: bool) -> None:
    """Carry a run out, show how it ends, and exit with its status."""
    from batchreset.auth.token import from_environment
    from batchreset.engine.result import exit_status
    from batchreset.engine.runner import Means
    from batchreset.engine.runner import carry_out as work

    with live() as progress:
        summary = run_async(work(folder, settings, Means(from_environment(), key, progress)))
    if as_json:
        show(json.dumps({**summary.recorded(), "folder": str(folder)}, indent=2))
    else:
        show(end_text(folder, summary))
    raise typer.Exit(exit_status(summary, settings.accept_excluded))
