"""How time and memory grow with the cohort: `plan` of CSV and Excel files, and a run without quota with its report.

Run it as `python -m tests.benchmarks.growth [--only csv|excel|run]...`. Each command is a process of its own, as is
the simulated tenant that holds the cohort's accounts; no sessions are revoked, and no canary goes first. Figures are
printed, never asserted; a megabyte is a million bytes. It needs an hour's patience at most, several gigabytes for the
largest tenant, and a system other than Windows.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import xlsxwriter

from tests.support.processes import memory_of, spent
from tests.support.tenant_process import tenant_process, upns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.support.processes import Spent
    from tests.support.tenant_process import Beside

ROWS = (20_000, 200_000, 1_000_000)
RUN_ROWS = 100_000
PROGRAM = (sys.executable, "-m", "batchreset")
HEADER = ("userPrincipalName", "displayName", "department", "ticket")


def records(rows: int) -> Iterator[tuple[str, ...]]:
    """Yield a cohort as people have it: the accounts, and three columns that are carried through."""
    for number, name in enumerate(upns(rows)):
        yield name, f"User {number}", f"Department {number % 50}", f"INC-{number % 1000}"


def write_csv(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(",".join(record) + "\n" for record in chain([HEADER], records(rows)))


def write_excel(path: Path, rows: int) -> None:
    """Write it as Excel does, with its texts in a table of their own."""
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for row, record in enumerate(chain([HEADER], records(rows))):
            sheet.write_row(row, 0, record)


def command(
    tenant: Beside, folder: Path, arguments: Sequence[str], meanwhile: Callable[[int], None] = lambda _: None
) -> Spent:
    """Run a command against the tenant, with everything it writes in `folder`."""
    environment = os.environ | {
        "BATCHRESET_ACCESS_TOKEN": tenant.token,
        "BATCHRESET_IDENTITY": str(folder / "identity.txt"),
        "XDG_STATE_HOME": str(folder),
        "BATCHRESET_GRAPH_URL": tenant.url,
        "BATCHRESET_OUT": str(folder / "reports"),
        "BATCHRESET_REVOKE_SESSIONS": "never",
        "BATCHRESET_CANARY": "0",
    }
    found = spent([*PROGRAM, *arguments], environment, meanwhile)
    assert found.status == 0, found
    return found


def plan(ending: str, write: Callable[[Path, int], None]) -> None:
    """Print what planning costs, by the size of the cohort."""
    print(f"\nplan of {ending} files\n{'rows':>10}{'s':>9}{'CPU s':>9}{'ms a row':>10}{'peak MB':>9}   tenant: s, MB")
    for rows in ROWS:
        start = time.perf_counter()
        with tenant_process(rows) as tenant, tempfile.TemporaryDirectory() as place:
            ready = time.perf_counter() - start
            path = Path(place, f"cohort{ending}")
            make_in_child(write, path, rows)
            found = command(tenant, Path(place), ["plan", str(path)])
            print(
                f"{rows:>10,}{found.seconds:>9.1f}{found.cpu:>9.1f}{found.seconds / rows * 1000:>10.3f}"
                f"{found.peak:>9.0f}{ready:>12.0f}{memory_of(tenant.pid):>8.0f}",
                flush=True,
            )


def make_in_child(write: Callable[[Path, int], None], path: Path, rows: int) -> None:
    """Write a cohort in a process of its own: this one has to stay small."""
    child = get_context("spawn").Process(target=write, args=(path, rows))
    child.start()
    child.join()
    assert child.exitcode == 0


def run() -> None:
    """Print how much memory a run holds from its start to its report."""
    with tenant_process(RUN_ROWS) as tenant, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_in_child(write_csv, folder / "cohort.csv", RUN_ROWS)
        command(tenant, folder, ["plan", str(folder / "cohort.csv")])
        (made,) = (folder / "reports").glob("2*")
        held: dict[str, list[float]] = {"run": [], "report": []}

        def look(pid: int) -> None:
            is_reporting = any(made.glob(".report-*"))
            held["report" if is_reporting else "run"].append(memory_of(pid))

        found = command(tenant, folder, ["resume", str(made), "--yes"], look)
    print(f"\nrun of {RUN_ROWS:,} rows, no quota: {found.seconds:.0f} s, {found.cpu:.0f} s of CPU, MB held")
    for name, curve in held.items():
        if curve:
            tenths = [f"{curve[len(curve) * tenth // 10]:.0f}" for tenth in range(10)]
            print(f"{name:>8}: {' '.join(tenths)}, at the end {curve[-1]:.0f}, peak {max(curve):.0f}")
    print(f"    peak: {found.peak:.0f}")


PARTS: dict[str, Callable[[], None]] = {
    "csv": lambda: plan(".csv", write_csv),
    "excel": lambda: plan(".xlsx", write_excel),
    "run": run,
}


def main() -> None:
    """Print all of it, or the parts that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be given again")
    for part in parser.parse_args().only or PARTS:
        PARTS[part]()


if __name__ == "__main__":
    main()
