"""How fast resets go: beside a bare aiohttp loop that stores nothing, and beside Microsoft's own client.

Run it as `python -m tests.benchmarks.speed [RESETS] [--only free|quota]`. Each client has a fresh simulated tenant,
which is a process of its own. First there is no quota, and the figures are the client's; then 1,000 resets meet a
bucket of 20 a second, and the figures are the tenant's. Resets alone are measured: no sessions are revoked, and no
canary goes first. Figures are printed, never asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from batchreset.auth.token import GivenToken
from batchreset.cli.asynchronous import run_async
from batchreset.engine.plan import Inputs, make
from batchreset.engine.runner import Means, carry_out
from batchreset.graph.resets import reset_path
from batchreset.model import RevokeSessions
from batchreset.rehearsal.behaviour import PASSWORD_METHOD
from batchreset.secret import Secret
from batchreset.settings import Settings
from tests.support.microsoft import microsofts_client
from tests.support.tenant_process import tenant_process, upns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeAlias

    from tests.support.tenant_process import Beside, Record

    #: Resets so many accounts of a tenant, and says what that cost this process.
    Client: TypeAlias = Callable[[Beside, int], Awaitable["Cost"]]

WORKERS = 32
PASSWORD = "correct-Horse-7-battery"
#: The quota: so many a second, so many at once, and how many resets meet it.
RATE, DEPTH, UNDER_QUOTA = 20, 20, 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds by the clock on the wall, and of this process's CPU."""

    seconds: float
    cpu: float


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Cost:
        return Cost(time.perf_counter() - self._began, time.process_time() - self._cpu)


async def bare_loop(tenant: Beside, resets: int) -> Cost:
    """POST and GET, nothing kept but the body."""
    names = iter(upns(resets))
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {tenant.token}"}) as session:

        async def work() -> None:
            for name in names:
                body = {"newPassword": PASSWORD}
                async with session.post(f"{tenant.url}/v1.0{reset_path(name)}", json=body) as answer:
                    await answer.read()
                    location = answer.headers["Location"]
                async with session.get(location) as answer:
                    assert (await answer.json())["status"] == "succeeded"

        watch = Stopwatch()
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())
        return watch.read()


async def microsofts(tenant: Beside, resets: int) -> Cost:
    """Gather the resets behind a semaphore, each with a look at its operation; what fails after its retries is lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from kiota_abstractions.api_error import APIError  # noqa: PLC0415  imports slowly
        from kiota_abstractions.base_request_configuration import RequestConfiguration  # noqa: PLC0415  imports slowly
        from kiota_http.middleware.options import HeadersInspectionHandlerOption  # noqa: PLC0415  imports slowly
        from msgraph.generated.users.item.authentication.methods.item.reset_password.reset_password_post_request_body import (  # noqa: E501, PLC0415  imports slowly
            ResetPasswordPostRequestBody,
        )

    places = asyncio.Semaphore(WORKERS)
    async with microsofts_client(tenant.url, tenant.token) as client:

        async def reset(name: str) -> None:
            seen = HeadersInspectionHandlerOption(inspect_response_headers=True)
            authentication = client.users.by_user_id(name).authentication
            method = authentication.methods.by_authentication_method_id(PASSWORD_METHOD)
            async with places:
                await method.reset_password.post(
                    ResetPasswordPostRequestBody(new_password=PASSWORD), RequestConfiguration(options=[seen])
                )
                for location in seen.response_headers.get("location"):  # it shows none of a call that it has retried
                    operation = authentication.operations.by_long_running_operation_id("by its own URL")
                    assert (await operation.with_url(location).get()).status == "succeeded"

        watch = Stopwatch()
        ended = await asyncio.gather(*map(reset, upns(resets)), return_exceptions=True)
        cost = watch.read()
    if odd := [error for error in ended if error is not None and not isinstance(error, APIError)]:
        raise odd[0]
    return cost


async def ours(tenant: Beside, resets: int) -> Cost:
    """Plan and carry out; the clock runs from the first intent to the last move, the report is not counted."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["BATCHRESET_IDENTITY"] = str(folder / "identity.txt")
        os.environ["XDG_STATE_HOME"] = place  # where what was learned of quotas is kept
        cohort = folder / "cohort.csv"
        cohort.write_text("userPrincipalName\n" + "\n".join(upns(resets)) + "\n", encoding="utf-8")
        settings = Settings(
            graph_url=tenant.url,
            out=folder / "reports",
            workers=WORKERS,
            revoke_sessions=RevokeSessions.NEVER,
            canary=0,
        )
        tokens = GivenToken(Secret(tenant.token))
        plan = await make(Inputs([str(cohort)], tokens), settings)
        watch: list[Stopwatch] = []
        costs: list[Cost] = []

        def tell(_snapshot: object) -> None:
            watch[:] = watch or [Stopwatch()]
            costs.append(watch[0].read())

        summary = await carry_out(plan.folder, settings, Means(tokens, plan.key, tell))
        assert summary.counts["succeeded"] == resets, summary.counts
        return costs[-1]


CLIENTS: Mapping[str, Client] = {"bare aiohttp loop": bare_loop, "batchreset": ours, "msgraph-sdk": microsofts}


def measured(client: Client, resets: int, *options: str) -> tuple[Cost, Record]:
    """Have a client reset so many accounts of a fresh tenant: what it cost here, and what the tenant remembers."""

    async def work() -> Cost:
        return await client(tenant, resets)

    with tenant_process(resets, *options) as tenant:
        cost = run_async(work())
    assert tenant.record is not None
    return cost, tenant.record


def without_quota(resets: int) -> None:
    """Print pace and CPU of each client."""
    print(
        f"{resets:,} resets, no quota\n{'client':<20}{'a second':>12}{'of the loop':>14}{'CPU each':>12}{'of it':>10}"
    )
    loop: Cost | None = None
    for name, client in CLIENTS.items():
        cost, record = measured(client, resets)
        assert record.reset == resets, record
        loop = loop or cost
        print(
            f"{name:<20}{resets / cost.seconds:>12,.0f}{loop.seconds / cost.seconds:>14.0%}"
            f"{cost.cpu / resets * 1000:>9.2f} ms{cost.cpu / loop.cpu:>9.1f}x"
        )


def under_quota() -> None:
    """Print how near each client comes to one that knows the quota, and what it costs, as the tenant remembers."""
    print(f"\n{UNDER_QUOTA:,} resets, bucket of {RATE} a second, {DEPTH} at once, as the tenant saw it")
    print(f"{'client':<20}{'efficiency':>12}{'waste':>14}{'lost':>12}")
    for name in ("batchreset", "msgraph-sdk"):
        _, record = measured(CLIENTS[name], UNDER_QUOTA, "--bucket", f"{RATE},{DEPTH}")
        clairvoyant = (UNDER_QUOTA - DEPTH) / RATE
        lost = UNDER_QUOTA - record.reset
        print(
            f"{name:<20}{clairvoyant / record.seconds:>12.2f}{record.throttled / record.resets:>14.1%}"
            f"{lost:>6} = {lost / UNDER_QUOTA:.1%}"
        )


def main() -> None:
    """Print both tables, or the one that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.speed")
    parser.add_argument("resets", nargs="?", type=int, default=10_000, help="without quota (default: 10000)")
    parser.add_argument("--only", choices=("free", "quota"), help="one table")
    chosen = parser.parse_args()
    if chosen.only != "quota":
        without_quota(chosen.resets)
    if chosen.only != "free":
        under_quota()


if __name__ == "__main__":
    main()
