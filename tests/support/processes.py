"""What a process costs, as the operating system tells it: of Linux's /proc, else of `ps`. Windows has neither."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MEGABYTE = 1e6
#: Linux counts the peak in kibibytes, macOS in bytes.
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
_EVERY = 0.2
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process took to its end: seconds, seconds of CPU, peak memory in MB."""

    status: int
    seconds: float
    cpu: float
    peak: float


def spent(
    command: Sequence[str], environment: Mapping[str, str], meanwhile: Callable[[int], None] = lambda _: None
) -> Spent:
    """Run a command to its end, saying nothing; `meanwhile` is called with its process id several times a second.

    A child's peak is at least what this process held when it began, so this one is to be small.
    """
    start = time.perf_counter()
    with subprocess.Popen(  # noqa: S603  our own program
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            usage = _ended(process, meanwhile)
        except BaseException:
            process.kill()
            raise
    seconds = time.perf_counter() - start
    return Spent(process.returncode, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _PEAK_UNIT / _MEGABYTE)


def _ended(process: subprocess.Popen[bytes], meanwhile: Callable[[int], None]) -> resource.struct_rusage:
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        meanwhile(process.pid)
        time.sleep(_EVERY)


def memory_of(pid: int) -> float:
    """Return what a process holds now, in MB."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except FileNotFoundError:
        return float(_ps(pid, "rss")) * 1024 / _MEGABYTE
    return pages * resource.getpagesize() / _MEGABYTE


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        minutes, _, seconds = _ps(pid, "time").rpartition(":")
        hours, _, minutes = minutes.rpartition(":")
        return float(seconds) + 60 * float(minutes) + 3600 * float(hours or 0)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ps(pid: int, what: str) -> str:
    command = ["ps", "-o", f"{what}=", "-p", str(pid)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603  our own words
