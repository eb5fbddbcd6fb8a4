from __future__ import annotations

from dataclasses import replace

import pytest

from batchreset.model import Outcome
from batchreset.rehearsal.behaviour import Fault
from batchreset.rehearsal.check import Claim, disagreements
from batchreset.rehearsal.population import User
from batchreset.rehearsal.tenant import Tenant, What

RESET, FAILED, UNTOUCHED, TOUCHED = "id-reset", "id-failed", "id-untouched", "id-touched"
SECRET = "Quartz-7-meadow"


def told(object_id: str | None, outcome: Outcome, password: str | None = None, certainty: str = "sure") -> Claim:
    return Claim("cohort.csv", 2, f"{object_id}@contoso.example", object_id, outcome, password, certainty)


TRUTH = (
    told(RESET, Outcome.SUCCEEDED, SECRET),
    told(FAILED, Outcome.FAILED),
    told(UNTOUCHED, Outcome.EXCLUDED),
    told(TOUCHED, Outcome.NOT_ATTEMPTED),
)


def after_a_run() -> Tenant:
    """One account was reset, one failed, one was never touched, one was refused."""
    faults = {FAILED: (Fault.OPERATION_FAILS,)}
    users = [
        User(id=name, user_principal_name=f"{name}@contoso.example", display_name=name, faults=faults.get(name, ()))
        for name in (RESET, FAILED, UNTOUCHED, TOUCHED)
    ]
    tenant = Tenant(users)
    for name in (RESET, FAILED):
        tenant.note(tenant.accounts[name], What.RECEIVED, "request")
        tenant.accept(tenant.accounts[name], SECRET, "request")
    tenant.note(tenant.accounts[TOUCHED], What.RECEIVED, "request")
    tenant.note(tenant.accounts[TOUCHED], What.REFUSED, "request")
    return tenant


def instead(claim: Claim) -> list[Claim]:
    """Tell the truth but for one account."""
    return [*(one for one in TRUTH if one.object_id != claim.object_id), claim]


def test_the_truth_agrees() -> None:
    """A run that says what happened is not contradicted."""
    assert disagreements(after_a_run(), TRUTH) == []


@pytest.mark.parametrize(
    "claim",
    [
        told(RESET, Outcome.UNRESOLVED),
        told(FAILED, Outcome.UNRESOLVED),
        told(RESET, Outcome.SUCCEEDED),
        told(RESET.upper(), Outcome.SUCCEEDED, SECRET),
        told(UNTOUCHED, Outcome.NOT_ATTEMPTED),
        told(UNTOUCHED, Outcome.FAILED),
        told(None, Outcome.EXCLUDED),
    ],
)
def test_what_may_be_said_as_well(claim: Claim) -> None:
    """Not knowing is no lie, and neither is keeping a password to oneself."""
    kept = [one for one in TRUTH if one.object_id != str(claim.object_id).lower()]
    assert disagreements(after_a_run(), [*kept, claim]) == []


@pytest.mark.parametrize(
    ("lie", "word"),
    [
        (told(RESET, Outcome.FAILED), "but it was"),
        (told(RESET, Outcome.NOT_ATTEMPTED), "accepted a reset"),
        (told(RESET, Outcome.EXCLUDED), "received a write"),
        (told(RESET, Outcome.SUCCEEDED, "Another-9-one"), "not the one in force"),
        (told(RESET, Outcome.SUCCEEDED, "Another-9-one", "candidate"), "none of the candidate"),
        (told(FAILED, Outcome.SUCCEEDED), "ever took effect"),
        (told(FAILED, Outcome.NOT_ATTEMPTED), "accepted a reset"),
        (told(UNTOUCHED, Outcome.SUCCEEDED), "ever took effect"),
        (told(TOUCHED, Outcome.EXCLUDED), "received a write"),
        (told("id-nobody", Outcome.SUCCEEDED), "no such account"),
        (told(None, Outcome.SUCCEEDED), "names no account"),
    ],
)
def test_a_planted_lie_is_found(lie: Claim, word: str) -> None:
    """Each lie gives one sentence that names the row and holds no password."""
    (sentence,) = disagreements(after_a_run(), instead(lie))
    assert word in sentence
    assert "cohort.csv row 2" in sentence
    assert not {SECRET, "Another-9-one"} & set(sentence.split())
    assert "Another-9-one" not in repr(lie)


def test_an_account_nobody_speaks_of_is_found() -> None:
    """A reset, or another write, that no row accounts for is named."""
    (sentence,) = disagreements(after_a_run(), [claim for claim in TRUTH if claim.object_id != RESET])
    assert sentence == f"{RESET}@contoso.example: was reset, but no row accounts for it."
    (sentence,) = disagreements(after_a_run(), [claim for claim in TRUTH if claim.object_id != TOUCHED])
    assert sentence == f"{TOUCHED}@contoso.example: a write was received for it, but no row accounts for it."


def test_a_second_row_for_an_account_is_no_lie() -> None:
    """A duplicate is left out though its account was reset for another row."""
    assert disagreements(after_a_run(), [*TRUTH, told(RESET, Outcome.EXCLUDED)]) == []


def test_one_candidate_in_force_is_enough() -> None:
    """Of several candidate passwords one must be in force."""
    claims = [told(RESET, Outcome.SUCCEEDED, text, "candidate") for text in ("Another-9-one", SECRET)]
    assert disagreements(after_a_run(), [*TRUTH[1:], *claims]) == []


def after_steps() -> Tenant:
    """Block the account that was reset, and revoke its sessions, before the reset took effect."""
    tenant = after_a_run()
    account = tenant.accounts[RESET]
    tenant.note(account, What.DISABLED, "request")
    tenant.note(account, What.REVOKED, "request")
    tenant.settle()
    return tenant


def test_steps_that_were_taken_may_be_told() -> None:
    """Blocked, opened again, revoked after the reset took effect: none of it is contradicted."""
    tenant = after_steps()
    left = replace(told(RESET, Outcome.SUCCEEDED, SECRET), disabled=True, revoked=False, enabled=False)
    assert disagreements(tenant, instead(left)) == []
    tenant.clock = lambda: 100.0
    tenant.note(tenant.accounts[RESET], What.REVOKED, "request")
    tenant.note(tenant.accounts[RESET], What.ENABLED, "request")
    assert disagreements(tenant, instead(replace(left, revoked=True, enabled=True))) == []
    untold = replace(left, disabled=None, revoked=None, enabled=None)
    assert disagreements(tenant, instead(untold)) == []


@pytest.mark.parametrize(
    ("lie", "word"),
    [
        (replace(told(RESET, Outcome.SUCCEEDED, SECRET), disabled=True, revoked=True), "only before the reset"),
        (replace(told(RESET, Outcome.SUCCEEDED, SECRET), disabled=False), "left blocked"),
        (replace(told(RESET, Outcome.UNRESOLVED), disabled=False), "left blocked"),
        (replace(told(RESET, Outcome.SUCCEEDED, SECRET), disabled=True, enabled=True), "opened for sign-in again"),
        (replace(told(FAILED, Outcome.FAILED), disabled=True), "said to have been blocked"),
        (replace(told(FAILED, Outcome.FAILED), revoked=True), "sessions are said"),
    ],
)
def test_a_planted_lie_about_a_step_is_found(lie: Claim, word: str) -> None:
    """Each gives one sentence that names the row; operations take time, and what was revoked before does not count."""
    (sentence,) = disagreements(after_steps(), instead(lie))
    assert word in sentence
    assert "cohort.csv row 2" in sentence


def test_the_record_shows_no_password() -> None:
    """The tenant's record prints without the passwords it holds."""
    tenant = after_a_run()
    tenant.settle()
    assert tenant.password_of(RESET) == SECRET
    account = tenant.accounts[RESET]
    assert SECRET not in repr(account) + repr(tenant.events_of(RESET)) + repr(list(tenant.operations.values()))
