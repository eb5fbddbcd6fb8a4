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

    Of a run that has been begun, those accounts count that this start looked up.
    """
    is_begun = plan.record.state is not RunState.PLANNED
    if is_begun and plan.resumption:
        strangers, looked_up = plan.contents.gone, plan.resumption.findings.looked_up
    else:
        strangers, looked_up = plan.contents.left_out.get(Reason.NOT_FOUND, []), plan.contents.looked_up
    are_many = len(strangers) >= _LEAST_STRANGERS and len(strangers) > _MOST_STRANGERS * looked_up
    if are_many and not settings.allow_not_found:
        own = f" Its verified domains are: {', '.join(plan.record.domains)}." if plan.record.domains else ""
        what = (
            "They were there when the run was planned: find out what became of them"
            if is_begun
            else "It is the wrong tenant, or the wrong column (--column): plan again with the right one"
        )
        raise RefusedError(
            f"{len(strangers):,} of the {looked_up:,} accounts that were looked up are not in "
            f"{plan.record.operator.tenant_text}: {listed(strangers, _NAMED)}.{own} {what}, or add --allow-not-found. "
            f"{plan.folder} holds the plan."
        )
    if not plan.ready and not is_begun:
        raise RefusedError(f"Nothing is left to reset after screening; {plan.folder} holds the plan.")
