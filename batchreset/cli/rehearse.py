"""rehearse, tenant: the simulated tenant, for trying things out where nobody can be hurt."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchreset.cli.asynchronous import run_async
from batchreset.cli.live import live
from batchreset.cli.options import AsJson, Cohort, Config, Flags, takes
from batchreset.cli.terminal import say, show
from batchreset.cli.words import end_text, plan_text
from batchreset.errors import RefusedError
from batchreset.gather import gather
from batchreset.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.rehearsal.check import Claim
    from batchreset.report import Summary

#: A rehearsal does not wait an hour for an operation that never ends; the simulated directory lags by nothing.
_DEADLINE, _LAG = "30s", "10s"
_DISAGREES = 1
_INTERRUPTED = 130

Seed = Annotated[int, typer.Option(help="Draws who is awkward, and how.", metavar="N")]


@takes("out", "cohort", "go")
def rehearse(cohort: Cohort, *, seed: Seed = 1, as_json: AsJson = False, config: Config = None, flags: Flags) -> None:
    """Run against a simulated tenant on this machine that holds the cohort's accounts.

    Most of them are ordinary, a few of every awkward kind. The code is the very same as that of `run`; nothing
    leaves this machine, whatever the settings say.

    Examples:
      batchreset rehearse sample_inputs/helpdesk-cohort.csv
    """
    settings = gather(flags, config)
    settings = settings.but(
        graph_url=None,
        cloud=Settings().cloud,
        auth=None,
        deadline=flags["deadline"] or _DEADLINE,
        directory_lag=flags["directory_lag"] or _LAG,
    )
    plan, summary, wrong = run_async(_rehearse(cohort, settings, seed))
    if as_json:
        show(json.dumps({**summary.recorded(), "folder": str(plan.folder), "disagreements": wrong}, indent=2))
    else:
        show(end_text(plan.folder, summary))
        if wrong:
            show("The simulated tenant's own record disagrees:")
            for sentence in wrong:
                show(f"  {sentence}")
        else:
            show(
                "This was a rehearsal: no real account was touched. Every outcome agrees with the tenant's own record."
            )
    if wrong:
        raise typer.Exit(_DISAGREES)
    if summary.state == "interrupted":
        raise typer.Exit(_INTERRUPTED)


def tenant(
    *,
    cohort: Annotated[
        list[str] | None, typer.Argument(help="Files with the accounts it is to hold.", metavar="COHORT...")
    ] = None,
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1; any free one for 0.", metavar="N")] = 0,
    seed: Seed = 1,
) -> None:
    """Serve the simulated tenant on loopback, for other clients and for trying things out.

    Examples:
      batchreset tenant sample_inputs/helpdesk-cohort.csv --port 8765
    """
    run_async(_serve(cohort or [], port, seed))


async def _rehearse(cohort: Sequence[str], settings: Settings, seed: int) -> tuple[Plan, Summary, list[str]]:
    from batchreset.auth.token import GivenToken
    from batchreset.engine.plan import Inputs, make
    from batchreset.engine.runner import Means, carry_out
    from batchreset.rehearsal.behaviour import Behaviour
    from batchreset.rehearsal.check import disagreements
    from batchreset.rehearsal.population import populate
    from batchreset.rehearsal.server import serve
    from batchreset.rehearsal.tenant import Tenant
    from batchreset.secret import Secret

    stdin = _kept_stdin() if "-" in cohort else None
    simulated = Tenant(populate(_identifiers(cohort, settings, stdin), seed), Behaviour(seed=seed))
    tokens = GivenToken(Secret(simulated.token))
    async with serve(simulated) as url:
        settings = settings.but(graph_url=url)
        plan = await make(Inputs(cohort, tokens, rehearsal=True, stdin=stdin), settings)
        say(plan_text(plan) + "\n")
        if not plan.ready:
            raise RefusedError(f"Nothing is left to reset after screening; {plan.folder} holds the plan.")
        with live() as progress:
            summary = await carry_out(plan.folder, settings, Means(tokens, plan.key, progress))
        claims = list(_claims(plan.folder, plan))
        return plan, summary, await asyncio.to_thread(disagreements, simulated, claims)


async def _serve(cohort: Sequence[str], port: int, seed: int) -> None:
    from batchreset.rehearsal.behaviour import Behaviour
    from batchreset.rehearsal.population import populate
    from batchreset.rehearsal.server import serve
    from batchreset.rehearsal.tenant import Tenant

    identifiers = _identifiers(cohort, Settings(), None) if cohort else []
    simulated = Tenant(populate(identifiers, seed), Behaviour(seed=seed))
    try:
        async with serve(simulated, port) as url:
            show(f"BATCHRESET_GRAPH_URL={url}\nBATCHRESET_ACCESS_TOKEN={simulated.token}")
            say(f"A simulated tenant with {len(simulated.accounts):,} accounts; Ctrl-C ends it.")
            await asyncio.Event().wait()
    except OSError as error:
        raise RefusedError(f"--port {port}: this port cannot be used ({error.strerror}).") from error


def _identifiers(cohort: Sequence[str], settings: Settings, stdin: Any) -> Iterator[str]:
    """Yield the accounts that a cohort names; the simulated tenant is to hold them."""
    from batchreset import cohort as cohorts

    sources = cohorts.inspect(cohort, column=settings.column, password_column=settings.password_column, stdin=stdin)
    for source in sources:
        for chunk in cohorts.read(source):
            yield from (key for key in chunk["key"] if key)


def _claims(folder: Path, plan: Plan) -> Iterator[Claim]:
    """Yield what the run says of each row, from the report as it was written and the passwords as they open."""
    from batchreset.engine.passwords import opened
    from batchreset.engine.result import reconciled
    from batchreset.model import Outcome
    from batchreset.rehearsal.check import Claim
    from batchreset.status import database

    for line in reconciled(folder):
        yield Claim(
            line["source"], int(line["row"]), line["user"] or None, line["object_id"] or None, Outcome(line["outcome"])
        )
    if plan.key is None:
        return
    engine = database.connect(folder)
    try:
        for each in opened(engine, plan.key):
            yield Claim(
                each.source,
                each.row,
                each.user,
                each.object_id,
                Outcome(each.outcome),
                each.password.reveal(),
                each.certainty,
            )
    finally:
        engine.dispose()


def _kept_stdin() -> Any:
    """Read standard input once; a rehearsal reads its cohort twice, to fill the tenant and to plan."""
    import io

    return io.BytesIO(sys.stdin.buffer.read())
