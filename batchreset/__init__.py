"""Reset many Microsoft Entra passwords at once, and account for every row.

    settings = batchreset.Settings(out=Path("reports"))
    plan = await batchreset.plan("cohort.csv", settings)
    result = await batchreset.run(plan, settings, progress=print)

Sign-in goes as on the command line, but nobody is asked. What is decided is logged under the name `batchreset`.
Importing this package imports nothing heavy.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batchreset.errors import BatchResetError
from batchreset.secret import Secret
from batchreset.settings import Settings
from batchreset.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from batchreset.engine.plan import Plan
    from batchreset.engine.progress import Snapshot
    from batchreset.engine.result import Result

# A program that says nothing of logging hears nothing of ours.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = ["BatchResetError", "Secret", "Settings", "__version__", "plan", "run"]


async def plan(
    cohort: str | Path | Sequence[str | Path], settings: Settings, *, passphrase: Secret | None = None
) -> Plan:
    """Look everybody in the cohort up and make a run folder; nothing in the tenant is changed.

    The `passphrase` is for `seal_with_passphrase`; without it BATCHRESET_PASSPHRASE counts. Raises a `RefusedError`
    when the cohort, the sign-in or the directory does not allow a plan.
    """
    from batchreset.auth.sign_in import sign_in  # noqa: PLC0415  importing the package stays cheap
    from batchreset.engine.plan import Inputs, make  # noqa: PLC0415

    paths = [cohort] if isinstance(cohort, str) or not hasattr(cohort, "__iter__") else cohort
    inputs = Inputs([str(path) for path in paths], sign_in(settings), passphrase=passphrase)
    return await make(inputs, settings)


async def run(plan: Plan, settings: Settings, progress: Callable[[Snapshot], None] = lambda _: None) -> Result:
    """Carry out a plan and write its report. Nothing is asked: whoever calls this has decided.

    Raises `RefusedError` for a plan that would reset nobody, or whose accounts are not in the tenant (see
    `allow_not_found`), `LockedError` when another process works on the run, `StatusTableError` when the disk did not
    take all.
    """
    from batchreset.auth.sign_in import sign_in  # noqa: PLC0415
    from batchreset.engine.gates import refuse_unfit  # noqa: PLC0415
    from batchreset.engine.result import Result  # noqa: PLC0415
    from batchreset.engine.resume import agree  # noqa: PLC0415
    from batchreset.engine.runner import Means, carry_out  # noqa: PLC0415

    refuse_unfit(plan, settings)
    agree(plan)
    summary = await carry_out(plan.folder, settings, Means(sign_in(settings), plan.key, progress))
    return Result(plan.folder, summary)
