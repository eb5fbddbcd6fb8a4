"""Asking before passwords are changed: whether to go on, in which tenant, with how many accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.cli.terminal import confirm, say
from batchreset.cli.words import quoted
from batchreset.engine import events
from batchreset.errors import RefusedError
from batchreset.model import Mark, Step
from batchreset.report.wording import accounts, listed

if TYPE_CHECKING:
    from batchreset.engine.plan import Plan
    from batchreset.engine.repeat import Earlier
    from batchreset.settings import Settings

#: Privileged accounts that the question names.
_NAMED = 10


def ask(plan: Plan, settings: Settings, *, stdin_is_taken: bool) -> None:
    """Ask whether to go on. Raises `RefusedError` where the answer is no; the plan is kept.

    Where there is nothing to be done, nothing is asked.
    """
    from batchreset.engine.repeat import finished_earlier

    if not plan.ready and not any(plan.due.values()):
        return
    unchecked = plan.record.unchecked
    earlier = None if settings.again else finished_earlier(plan)
    repeats = f"{unchanged(earlier)}, and doing it again needs --again" if earlier else None
    if settings.yes:
        if repeats:
            raise _refused(plan, repeats)
        if unchecked and not settings.allow_unchecked:
            raise _refused(plan, "not everything could be checked, and --yes needs --allow-unchecked then")
        return
    known = [f"Mind that {unchanged(earlier)}."] if earlier else []
    otherwise = repeats or "there is no terminal to ask on, and --yes was not given"
    now = min(plan.ready, settings.limit or plan.ready)
    question = "\n".join(("", *unchecked, *known, f"{_what(plan, now)} in {plan.record.operator.tenant_text}?"))
    number = max(now, *plan.due.values(), 0)
    _confirmed(plan, question, number, otherwise, stdin_is_taken=stdin_is_taken)
    privileged = plan.contents.marks.get(Mark.PRIVILEGED)
    if privileged and settings.include_privileged:
        are = "is" if len(privileged) == 1 else "are"
        question = (
            f"\n{accounts(len(privileged))} of them {are} privileged: {listed(privileged, _NAMED)}. Reset these too?"
        )
        _confirmed(plan, question, len(privileged), otherwise, stdin_is_taken=stdin_is_taken, is_typed=True)


def unchanged(earlier: Earlier) -> str:
    """Say that an earlier run has done the same."""
    when = earlier.finished_at[:16].replace("T", " ")
    done = accounts(earlier.succeeded)
    stay = (
        " (users stay at risk until their risk is dismissed or remedied, which an administrator's reset does not do)"
        if earlier.users_at_risk
        else ""
    )
    return (
        f"this cohort has not changed since run {earlier.run_id}, which reset {done} and finished on {when} UTC{stay}"
    )


def _what(plan: Plan, now: int) -> str:
    """Say what is to be done; of all that are ready, so many are sent `now`."""
    told = {
        "reset the passwords of {}": now,
        "revoke the sessions of {}": plan.due.get(Step.REVOKE, 0),
        "open sign-in again for {}": plan.due.get(Step.ENABLE, 0),
    }
    told_now = {text: accounts(number) for text, number in told.items() if number}
    if now < plan.ready:
        told_now["reset the passwords of {}"] = f"{now:,} of {accounts(plan.ready)} now"
    whole = " and ".join(text.format(number) for text, number in told_now.items())
    return whole[:1].upper() + whole[1:]


def _confirmed(
    plan: Plan, question: str, number: int, otherwise: str, *, stdin_is_taken: bool, is_typed: bool = False
) -> None:
    """Raise `RefusedError` unless the answer is yes; `otherwise` says why where there is nobody to ask."""
    events.tell("asked", run=plan.run_id, accounts=number, tenant=plan.record.operator.tenant_id)
    try:
        answer = confirm(question, number, stdin_is_taken=stdin_is_taken, is_typed=is_typed)
    except KeyboardInterrupt:
        say(f"\nbatchreset: stopped, nothing was sent. {_kept(plan)}")
        raise
    told = "nobody to ask" if answer is None else "yes" if answer else "no"
    events.tell("answered", run=plan.run_id, answer=told)
    if not answer:
        raise _refused(plan, otherwise if answer is None else "the answer was no")


def _refused(plan: Plan, why: str) -> RefusedError:
    return RefusedError(f"Nothing was sent: {why}. {_kept(plan)}")


def _kept(plan: Plan) -> str:
    return f"The plan is kept: batchreset resume {quoted(plan.folder)}"
