"""The simulated tenant as a process of its own, so that a benchmark measures the client and not the server.

`python -m tests.support.tenant_process --accounts 5000` prints one JSON object with `url` and `token`, serves until
its standard input is closed, and then prints its `Record` as another. Its accounts are user00001@contoso.example and
so on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from batchreset.rehearsal.behaviour import UNHINDERED, Fault, Route, Spread
from batchreset.rehearsal.population import DOMAIN, populate
from batchreset.rehearsal.quota import Limit
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant, What

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Record:
    """What the tenant remembers of the resets asked of it.

    `resets` is how many requests there were, `throttled` how many of them were answered 429, `reset` how many accounts
    have a new password. `seconds` is the time from the first request to the last one's answer.
    """

    resets: int
    throttled: int
    reset: int
    seconds: float


@dataclass(slots=True)
class Beside:
    """A tenant in a process of its own: where it is, and when it has ended its record."""

    url: str
    token: str
    pid: int
    record: Record | None = None


def upns(accounts: int) -> list[str]:
    """Name the accounts that the process holds."""
    return [f"user{number:05}@{DOMAIN}" for number in range(1, accounts + 1)]


@contextmanager
def tenant_process(accounts: int, *options: str) -> Iterator[Beside]:
    """Run the tenant beside this process; `options` as on its command line. Its record is there afterwards."""
    command = [sys.executable, "-m", "tests.support.tenant_process", "--accounts", str(accounts), *options]
    root = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: S603  our own module, our own arguments
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        beside = Beside(**json.loads(process.stdout.readline()), pid=process.pid)
        try:
            yield beside
        finally:
            process.stdin.close()
            if told := process.stdout.readline():
                beside.record = Record(**json.loads(told))
            process.wait(timeout=30)


async def _serve_until_told(tenant: Tenant) -> None:
    async with serve(tenant) as url:
        _say({"url": url, "token": tenant.token})
        await asyncio.to_thread(sys.stdin.read)
    _say(asdict(_record(tenant)))


def _say(told: dict[str, object]) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201  this is its answer


def _record(tenant: Tenant) -> Record:
    tenant.settle()
    resets = {status: count for (route, status), count in tenant.requests.items() if route is Route.RESET}
    events = [event for account in tenant.accounts.values() for event in account.events]
    asked = [event.at for event in events if event.what in {What.RECEIVED, What.REFUSED, What.ACCEPTED}]
    return Record(
        resets=sum(resets.values()),
        throttled=resets.get(429, 0),
        reset=sum(account.password is not None for account in tenant.accounts.values()),
        seconds=max(asked, default=0.0) - min(asked, default=0.0),
    )


def _main() -> None:
    parser = argparse.ArgumentParser(prog="tenant_process")
    parser.add_argument("--accounts", type=int, required=True)
    parser.add_argument("--bucket", metavar="RATE,DEPTH", help="a quota of writes (default: none)")
    parser.add_argument("--latency", type=float, default=0.0, help="median, in seconds (default: 0)")
    parser.add_argument("--operation", type=float, default=0.0, help="median time of an operation (default: 0)")
    parser.add_argument("--look-after", type=float, help="the Retry-After of every reset, in seconds (default: none)")
    parser.add_argument("--rejecting", type=int, default=0, help="so many of the first refuse passwords (default: 0)")
    chosen = parser.parse_args()
    behaviour = replace(
        UNHINDERED,
        latency=Spread(chosen.latency, 0.35),
        cloud_operation=Spread(chosen.operation, 0.6),
        look_after=chosen.look_after,
    )
    if chosen.bucket:
        rate, _, depth = chosen.bucket.partition(",")
        behaviour = replace(behaviour, writes=Limit(rate=float(rate), depth=float(depth)))
    users = [
        replace(user, faults=(Fault.REJECTED,) if number < chosen.rejecting else ())
        for number, user in enumerate(populate(upns(chosen.accounts), plain=True))
    ]
    asyncio.run(_serve_until_told(Tenant(users, behaviour)))


if __name__ == "__main__":
    _main()
