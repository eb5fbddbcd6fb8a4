"""Holding what a run says against what the simulated tenant remembers."""

from __future__ import annotations

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
    row names nobody.
    """

    source: str
    row: int
    user: str | None
    object_id: str | None
    outcome: Outcome
    password: str | None = field(default=None, repr=False)
    certainty: str = "sure"


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
        if object_id not in by_account and _has(account, What.APPLIED):
            found.append(f"{account.user.user_principal_name}: was reset, but no row accounts for it.")
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


def _of_passwords(account: Account, said: list[Claim]) -> Iterator[str]:
    given = [claim for claim in said if claim.password is not None]
    sure = [claim for claim in given if claim.certainty == "sure"]
    if sure and any(claim.password != account.password for claim in sure):
        yield f"{_row(sure[0])}: the password handed out is not the one in force."
    if given and not sure and all(claim.password != account.password for claim in given):
        yield f"{_row(given[0])}: none of the candidate passwords is the one in force."


def _has(account: Account, what: What) -> bool:
    return any(event.what is what for event in account.events)


def _row(claim: Claim) -> str:
    return f"{claim.source} row {claim.row} ({claim.user or claim.object_id or 'nobody'})"
