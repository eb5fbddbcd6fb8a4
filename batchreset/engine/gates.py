"""What keeps a plan from being carried out, whoever agrees to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.errors import RefusedError
from batchreset.model import Reason, RunState
from batchreset.report.wording import listed

if TYPE_CHECKING:
    from batchreset.engine.plan import Plan
    from batchreset.settings import Settings

#: That many of the accounts in the tenant unknown, and more than that share of them: it is not their tenant.
_LEAST_STRANGERS, _MOST_STRANGERS = 5, 0.1
_NAMED = 3


def refuse_unfit(plan: Plan, settings: Settings) -> None:
    """Raise `RefusedError` where a plan would reset nobody, or is for accounts of some other tenant; it is kept.

    A run that has been begun was let through.
    """
    if plan.record.state is not RunState.PLANNED:
        return
    strangers = plan.contents.left_out.get(Reason.NOT_FOUND, [])
    are_many = len(strangers) >= _LEAST_STRANGERS and len(strangers) > _MOST_STRANGERS * plan.contents.looked_up
    if are_many and not settings.allow_not_found:
        own = f" Its verified domains are: {', '.join(plan.record.domains)}." if plan.record.domains else ""
        raise RefusedError(
            f"{len(strangers):,} of the {plan.contents.looked_up:,} accounts that were looked up are not in "
            f"{plan.record.operator.tenant_text}: {listed(strangers, _NAMED)}.{own} It is the wrong tenant, or the "
            "wrong column (--column): plan again with the right one, or add --allow-not-found. "
            f"{plan.folder} holds the plan."
        )
    if not plan.ready:
        raise RefusedError(f"Nothing is left to reset after screening; {plan.folder} holds the plan.")
