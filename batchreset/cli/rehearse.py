"""rehearse, tenant: the simulated tenant, for trying things out where nobody can be hurt."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from batchreset.cli import logs
from batchreset.cli.asynchronous import run_async
from batchreset.cli.live import live, unhurried
from batchreset.cli.options import AsJson, CohortFiles, Config, Flags, Verbose, takes
from batchreset.cli.runs import empty_as_chosen, telling_of_a_new_key
from batchreset.cli.terminal import say, show, width_of
from batchreset.cli.words import end_text, plan_text
from batchreset.engine.gates import refuse_unfit
from batchreset.engine.result import INTERRUPTED
from batchreset.errors import RefusedError
from batchreset.gather import gather
from batchreset.model import Outcome, RunState
from batchreset.settings import Auth, Cloud, IfEmpty, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from batchreset.engine.passwords import OpenedPassword
    from batchreset.engine.plan import Plan
    from batchreset.rehearsal.check import Claim
    from batchreset.rehearsal.tenant import Tenant
    from batchreset.report import Summary

#: A rehearsal does not wait an hour for an operation that never ends; the simulated directory lags by nothing.
_DEADLINE, _LAG = "30s", "10s"
#: Given as if by flags, so that what environment and config file say of a real tenant is not even looked at.
_NO_REAL_TENANT = {
    "graph_url": "http://127.0.0.1",
    "cloud": Cloud.GLOBAL,
    "auth": Auth.TOKEN,
    "tenant": "rehearsal",
    "authority": "https://127.0.0.1/rehearsal",
}
_DISAGREES = 1

Seed = Annotated[int, typer.Option(help="Draws who is awkward, and how.", metavar="N")]


@takes("out", "cohort", "route", "go", "log")
def rehearse(
    cohort: CohortFiles,
    *,
    seed: Seed = 1,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    config: Config = None,
    flags: Flags,
) -> None:
    """Run against a simulated tenant on this machine.

    It holds the cohort's accounts: most of them are ordinary, a few of every awkward kind. The code is the very same
    as that of run, but nothing leaves this machine, whatever the settings say, and nothing is asked. An operation is
    followed for 30 s and the directory believed after 10 s, unless --deadline and --directory-lag say otherwise. The
    status is 0 when all that is reported agrees with the simulated tenant's own record (130 when --limit, --stop-after
    or Ctrl-C cut it short), 1 when something does not.

    Examples:
      batchreset rehearse sample_inputs/helpdesk-cohort.csv
      batchreset rehearse cohort.csv --seed 7 --max-failures 5
    """
    patience = {"deadline": flags["deadline"] or _DEADLINE, "directory_lag": flags["directory_lag"] or _LAG}
    settings = gather({**flags, **patience, **_NO_REAL_TENANT}, config)
    logs.begin(settings, verbose)
    with empty_as_chosen(settings, as_json=as_json):
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
            show("This was a rehearsal: no real account was touched. All agrees with the simulated tenant's record.")
    if wrong:
        raise typer.Exit(_DISAGREES)
    if summary.state == RunState.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)


def tenant(
    *,
    cohort: Annotated[list[str] | None, typer.Argument(metavar="COHORT", hidden=True)] = None,
    port: Annotated[
        int, typer.Option(help="The port on 127.0.0.1; any free one for 0.", metavar="N", min=0, max=65535)
    ] = 0,
    column: Annotated[
        str | None, typer.Option(help="The cohort column that names the account.", metavar="NAME")
    ] = None,
    seed: Seed = 1,
) -> None:
    """Serve the simulated tenant on loopback, for other clients.

    It holds the cohort's accounts, one in twenty of them at risk, and the groups "Emergency access" and "Leaked
    accounts". It prints its URL and token as the environment variables that batchreset reads.

    Examples:
      batchreset tenant sample_inputs/helpdesk-cohort.csv --port 8765
    """
    run_async(_serve(cohort or [], Settings(column=column), port, seed))


async def _rehearse(cohort: Sequence[str], settings: Settings, seed: int) -> tuple[Plan, Summary, list[str]]:
    import asyncio

    from batchreset.auth.token import GivenToken
    from batchreset.engine.plan import Inputs, make
    from batchreset.engine.runner import Means, carry_out
    from batchreset.rehearsal.check import disagreements
    from batchreset.rehearsal.server import serve
    from batchreset.secret import Secret

    # Read once, as the cohort is used twice: to fill the tenant, and to plan.
    stdin = io.BytesIO(sys.stdin.buffer.read()) if "-" in cohort else None
    simulated = _simulated(_identifiers(cohort, settings, stdin), seed)
    tokens = GivenToken(Secret(simulated.token))
    async with serve(simulated) as url:
        settings = settings.but(graph_url=url)
        if stdin is not None:
            stdin.seek(0)
        inputs = Inputs(cohort, tokens, rehearsal=True, stdin=stdin, progress=unhurried())
        with telling_of_a_new_key():
            plan = await make(inputs, settings)
        say(plan_text(plan, width_of(sys.stderr)) + "\n")
        refuse_unfit(plan, settings)
        with live() as progress:
            summary = await carry_out(plan.folder, settings, Means(tokens, plan.key, progress))
    return plan, summary, await asyncio.to_thread(disagreements, simulated, list(_claims(plan)))


async def _serve(cohort: Sequence[str], settings: Settings, port: int, seed: int) -> None:
    import asyncio

    from batchreset.rehearsal.server import serve

    simulated = _simulated(_identifiers(cohort, settings, None) if cohort else (), seed)
    try:
        async with serve(simulated, port) as url:
            show(f"BATCHRESET_GRAPH_URL={url}\nBATCHRESET_ACCESS_TOKEN={simulated.token}")
            say(f"A simulated tenant with {len(simulated.accounts):,} accounts; Ctrl-C ends it.")
            await asyncio.Event().wait()
    except OSError as error:
        raise RefusedError(f"--port {port}: this port cannot be used ({error.strerror}).") from error


def _simulated(identifiers: Iterable[str], seed: int) -> Tenant:
    """Make the simulated tenant: the accounts that a cohort names, and what `populate` and `groups_of` make up."""
    from batchreset.rehearsal.behaviour import Behaviour
    from batchreset.rehearsal.population import BREAK_GLASS, at_risk, groups_of, populate
    from batchreset.rehearsal.tenant import Tenant

    users = at_risk(populate(identifiers, seed))
    return Tenant([*users, *BREAK_GLASS], Behaviour(seed=seed), groups_of(users, seed))


def _identifiers(cohort: Sequence[str], settings: Settings, stdin: BinaryIO | None) -> Iterator[str]:
    """Yield the accounts that a cohort names; the simulated tenant is to hold them."""
    from batchreset import cohort as cohorts
    from batchreset.engine.gathering import understood

    for source in understood(cohort, settings, stdin, may_be_empty=settings.if_empty is IfEmpty.OK):
        for chunk in cohorts.read(source):
            yield from (key for key in chunk["key"] if key)


def _claims(plan: Plan) -> Iterator[Claim]:
    """Yield what the run says of each row, from the report as it was written and the passwords as they open."""
    from batchreset.engine.passwords import opened
    from batchreset.engine.result import reconciled
    from batchreset.status import database

    engine = database.connect(plan.folder)
    try:
        yield from claims_of(reconciled(plan.folder), opened(engine, plan.key) if plan.key else ())
    finally:
        engine.dispose()


def claims_of(rows: Iterable[Mapping[str, str]], passwords: Iterable[OpenedPassword]) -> Iterator[Claim]:
    """Put lines of a reconciliation, and opened passwords, as claims that a simulated tenant can be asked about."""
    from batchreset.rehearsal.check import Claim

    for line in rows:
        yield Claim(
            line["source"],
            int(line["row"]),
            line["user"] or None,
            line["object_id"] or None,
            Outcome(line["outcome"]),
            revoked=_is_said(line.get("sessions_revoked_at")),
            disabled=_is_said(line.get("disabled_at")),
            enabled=_is_said(line.get("enabled_at")),
        )
    for each in passwords:
        yield Claim(
            each.source,
            each.row,
            each.user,
            each.object_id,
            Outcome(each.outcome),
            each.password.reveal(),
            each.certainty,
        )


def _is_said(moment: str | None) -> bool | None:
    """Say whether a column holds a time; None where there is no such column."""
    return None if moment is None else bool(moment)
