"""Locks of the operating system's, which name their holder: a dead process holds none."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, nullcontext, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from platformdirs import user_state_path

from batchreset.errors import LockedError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from batchreset.status.record import RunRecord

_SOMEBODY = "another process"


@contextmanager
def held(path: Path, refusal: Callable[[str], str], *, doing: str = "") -> Iterator[None]:
    """Hold the lock in `path` for this process; whoever comes meanwhile reads what it is `doing` with it.

    Raises `LockedError` with the `refusal` made of who holds it, `SettingsError` where there can be no lock.
    """
    lock, holder = FileLock(path, timeout=0, mode=0o600), path.with_suffix(".holder")
    try:
        lock.acquire()
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}{doing}", encoding="utf-8")
    except Timeout as error:
        raise LockedError(refusal(_named(holder))) from error
    except OSError as error:
        with suppress(OSError):
            holder.unlink()
        lock.release()
        raise SettingsError(
            f"{path}: this lock cannot be held ({error.strerror or error}); this user has to be able to write there."
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # a folder that takes no more is told of elsewhere
            holder.unlink()
        lock.release()


def _named(holder: Path) -> str:
    """Return what a holder says of itself, if it does already or still."""
    try:
        return holder.read_text(encoding="utf-8").strip() or _SOMEBODY
    except (OSError, UnicodeDecodeError):
        return _SOMEBODY


def of_tenant(line: RunRecord, kind: str, ending: str) -> Path:
    """Return the file that this user's state folder keeps of a run's tenant, for one `kind` of state."""
    # By its hash, since what others wrote is no file name.
    name = sha256(f"{line.graph_url.lower()} {line.operator.tenant_id.lower()}".encode()).hexdigest()[:32]
    return user_state_path("batchreset", appauthor=False) / kind / f"{name}{ending}"


def tenant_held(line: RunRecord, folder: Path) -> AbstractContextManager[None]:
    """Hold the tenant of the run in `folder`, so that this user's runs here reset there one after the other.

    A rehearsal's tenant is its own, and is not held. Raises `LockedError` naming the process and its run.
    """
    if line.rehearsal:
        return nullcontext()
    operator = line.operator
    return held(
        of_tenant(line, "locks", ".lock"),
        lambda who: (
            f"{operator.tenant_text}: {who} is at work in this tenant, where one run goes at a time; "
            f'wait for it or stop it, then go on with: batchreset resume "{folder}"'
        ),
        doing=f" with run {line.run_id}",
    )
