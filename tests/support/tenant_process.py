"""The simulated tenant as a process of its own, so that a benchmark measures the client and not the server.

`python -m tests.support.tenant_process --accounts 5000` prints one JSON object with `url` and `token`, and serves
until its standard input is closed. Its accounts are user00001@contoso.example and so on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from batchreset.rehearsal.behaviour import UNHINDERED, Spread
from batchreset.rehearsal.population import DOMAIN, populate
from batchreset.rehearsal.quota import Limit
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator


def upns(accounts: int) -> list[str]:
    """Name the accounts that the process holds."""
    return [f"user{number:05}@{DOMAIN}" for number in range(1, accounts + 1)]


@contextmanager
def tenant_process(accounts: int, *options: str) -> Iterator[tuple[str, str]]:
    """Run the tenant beside this process and yield its root URL and token; `options` as on its command line."""
    command = [sys.executable, "-m", "tests.support.tenant_process", "--accounts", str(accounts), *options]
    root = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: S603  our own module, our own arguments
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        told = json.loads(process.stdout.readline())
        try:
            yield told["url"], told["token"]
        finally:
            process.stdin.close()
            process.wait(timeout=30)


async def _serve_until_told(tenant: Tenant) -> None:
    async with serve(tenant) as url:
        print(json.dumps({"url": url, "token": tenant.token}), flush=True)  # noqa: T201  this is its answer
        await asyncio.to_thread(sys.stdin.read)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="tenant_process")
    parser.add_argument("--accounts", type=int, required=True)
    parser.add_argument("--bucket", metavar="RATE,DEPTH", help="a quota of writes (default: none)")
    parser.add_argument("--latency", type=float, default=0.0, help="median, in seconds (default: 0)")
    parser.add_argument("--operation", type=float, default=0.0, help="median time of an operation (default: 0)")
    chosen = parser.parse_args()
    behaviour = replace(UNHINDERED, latency=Spread(chosen.latency, 0.35), cloud_operation=Spread(chosen.operation, 0.6))
    if chosen.bucket:
        rate, _, depth = chosen.bucket.partition(",")
        behaviour = replace(behaviour, writes=Limit(rate=float(rate), depth=float(depth)))
    asyncio.run(_serve_until_told(Tenant(populate(upns(chosen.accounts), plain=True), behaviour)))


if __name__ == "__main__":
    _main()
