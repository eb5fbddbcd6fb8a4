"""Holding what a run says against what the simulated tenant remembers."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchreset.model import Outcome
from batchreset.rehearsal.tenant import What

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchreset.rehearsal.tenant import Account, Tenant


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run says of one row, or of one password handed out for it.

    `certainty` is `sure` or `candidate`, and says nothing where there is no password. `object_id` is None where the
    row names nobody. The last three say whether its sessions were revoked after the reset, and whether it was blocked
    for sign-in and opened again; None where nothing is said of that.
    """

    source: str
    row: int
    user: str | None
    object_id: str | None
    outcome: Outcome
    password: str | None = field(default=None, repr=False)
    certainty: str = "sure"
    revoked: bool | None = None
    disabled: bool | None = None
    enabled: bool | None = None


def disagreements(tenant: Tenant, claims: Iterable[Claim]) -> list[str]:
    """Return one sentence for everything claimed that the tenant knows better; none holds a password.

    To be asked when all is over: operations still under way are let come to their end first.
    """
    tenant.settle()
    by_account: dict[str, list[Claim]] = defaultdict(list)
    found = []
    for claim in claims:
        if claim.object_id is not None:
            by_account[claim.object_id.lower()].append(claim)
        elif claim.outcome == Outcome.SUCCEEDED:
            found.append(f"{_row(claim)}: said to be reset, but names no account.")
    for object_id, said in by_account.items():
        account = tenant.accounts.get(object_id)
        if account is not None:
            found += _of(account, said)
        elif any(claim.outcome == Outcome.SUCCEEDED for claim in said):
            found.append(f"{_row(said[0])}: said to be reset, but the tenant has no such account.")
    for object_id, account in tenant.accounts.items():
        if object_id not in by_account and _has(account, What.RECEIVED, What.APPLIED):
            what = "was reset" if _has(account, What.APPLIED) else "a write was received for it"
            found.append(f"{account.user.user_principal_name}: {what}, but no row accounts for it.")
    return found


def _of(account: Account, said: list[Claim]) -> Iterator[str]:
    """Yield what is wrong with the claims for one account."""
    applied = _has(account, What.APPLIED)
    # Further rows for an account are excluded as duplicates; the first one says what became of it.
    telling = [claim for claim in said if claim.outcome != Outcome.EXCLUDED]
    if not telling and _has(account, What.RECEIVED):
        yield f"{_row(said[0])}: said to be left out, but the tenant received a write for it."
    outcomes = {claim.outcome: claim for claim in telling}
    if (claim := outcomes.get(Outcome.FAILED)) and applied:
        yield f"{_row(claim)}: said not to have been reset, but it was."
    if (claim := outcomes.get(Outcome.NOT_ATTEMPTED)) and (applied or _has(account, What.ACCEPTED)):
        yield f"{_row(claim)}: said not to have been attempted, but the tenant accepted a reset of it."
    if claim := outcomes.get(Outcome.SUCCEEDED):
        if not applied:
            yield f"{_row(claim)}: said to be reset, but no new password ever took effect."
        else:
            yield from _of_passwords(account, telling)
    for claim in telling:
        yield from _of_steps(account, claim)


def _of_steps(account: Account, claim: Claim) -> Iterator[str]:
    """Yield what is wrong with what a row says of the writes beside its reset."""
    if claim.revoked and not _was_revoked(account):
        yield f"{_row(claim)}: its sessions are said to have been revoked, but they were not, or only before the reset."
    switches = [event.what for event in account.events if event.what in {What.DISABLED, What.ENABLED}]
    is_left_disabled = switches[-1:] == [What.DISABLED]
    if claim.disabled and What.DISABLED not in switches:
        yield f"{_row(claim)}: said to have been blocked for sign-in, but it was not."
    if claim.enabled and switches[-1:] != [What.ENABLED]:
        yield f"{_row(claim)}: said to have been opened for sign-in again, but it was not."
    if claim.disabled is False and is_left_disabled:
        yield f"{_row(claim)}: was left blocked for sign-in, but nothing says so."


def _was_revoked(account: Account) -> bool:
    """Say whether sessions were revoked after the password in force took effect."""
    resets = (event.at for event in account.events if event.what is What.APPLIED and event.password == account.password)
    since = min(resets, default=math.inf)
    return any(event.what is What.REVOKED and event.at >= since for event in account.events)


def _of_passwords(account: Account, said: list[Claim]) -> Iterator[str]:
    given = [claim for claim in said if claim.password is not None]
    sure = [claim for claim in given if claim.certainty == "sure"]
    if sure and any(claim.password != account.password for claim in sure):
        yield f"{_row(sure[0])}: the password handed out is not the one in force."
    if given and not sure and all(claim.password != account.password for claim in given):
        yield f"{_row(given[0])}: none of the candidate passwords is the one in force."


def _has(account: Account, *whats: What) -> bool:
    return any(event.what in whats for event in account.events)


def _row(claim: Claim) -> str:
    return f"{claim.source} row {claim.row} ({claim.user or claim.object_id or 'nobody'})"
