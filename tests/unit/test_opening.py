from __future__ import annotations

import pytest

from batchreset.model import Reason, State
from batchreset.policy.opening import Closed, Halt, Opening, Told, Waiting, canaries_wanted

HYBRID = Waiting(7, "hybrid@contoso.example", "corp.example")
NEXT = Waiting(8, "next@contoso.example", "corp.example")
CLOUD = Waiting(9, "cloud@contoso.example", "")
DEAD = (State.FAILED, Told(Reason.OPERATION_FAILED, "ResetFailed", by_operation=True))


@pytest.mark.parametrize(("asked", "ready", "succeeded", "wanted"), [
    (None, 50, 0, 0),
    (None, 51, 0, 3),
    (None, 100_000, 2, 1),
    (None, 100_000, 3, 0),
    (0, 100_000, 0, 0),
    (5, 10, 0, 5),
    (5, 10, 9, 0),
])  # fmt: skip
def test_how_many_canaries(asked: int | None, ready: int, succeeded: int, wanted: int) -> None:
    """Three above fifty accounts, or as many as were asked for; none of those that a run has had already."""
    assert canaries_wanted(asked, ready, succeeded) == wanted


def test_a_canary_that_fails_halts_and_says_why() -> None:
    """It is named, with the reason, what the service said, and what to do about it."""
    opening = Opening([CLOUD], advice={Reason.FORBIDDEN: "activate the role"})
    opening.goes(CLOUD)
    assert opening.ended(9, State.FAILED, Told(Reason.FORBIDDEN, "HTTP 403")) == Halt(
        "the canary cloud@contoso.example failed (forbidden: HTTP 403); activate the role"
    )
    assert not opening.may_go("")


@pytest.mark.parametrize(("state", "reason", "told"), [
    (State.UNRESOLVED, Reason.ANSWER_LOST, "is unresolved (answer_lost)"),
    (State.EXCLUDED, Reason.PASSWORD_REJECTED, "was left out (password_rejected)"),
    (State.FAILED, Reason.OPERATION_FAILED, "failed (operation_failed)"),
])  # fmt: skip
def test_whatever_else_becomes_of_a_canary_halts_too(state: State, reason: Reason, told: str) -> None:
    """Only a success lets the others go."""
    opening = Opening([CLOUD])
    opening.goes(CLOUD)
    assert opening.ended(9, state, Told(reason)) == Halt(f"the canary cloud@contoso.example {told}")


def test_a_canary_that_meets_a_dead_domain_closes_that_only() -> None:
    """The canaries of a domain that takes no passwords are waited for no longer, and the run goes on."""
    opening = Opening([HYBRID, NEXT, CLOUD])
    for row in (HYBRID, CLOUD):
        opening.goes(row)
    assert opening.canaries == [NEXT]
    assert not opening.may_go(NEXT.domain, NEXT.id)
    opening.ended(9, State.SUCCEEDED)
    why = (
        "password writeback does not seem to work in corp.example: hybrid@contoso.example went first and failed "
        "(operation_failed: ResetFailed)"
    )
    assert opening.ended(7, *DEAD) == Closed("corp.example", why)
    assert opening.may_go("")
    assert not opening.may_go("corp.example")
    assert opening.closed == {"corp.example": why}


def test_a_canary_of_a_domain_that_is_known_to_work_halts() -> None:
    """There the failure is its own, and no matter of writeback."""
    opening = Opening([HYBRID], proven=["corp.example"])
    opening.goes(HYBRID)
    assert isinstance(opening.ended(7, *DEAD), Halt)


@pytest.mark.parametrize(("state", "reason", "is_open", "is_tried_again"), [
    (State.SUCCEEDED, None, True, False),
    (State.FAILED, Reason.PASSWORD_REJECTED, True, False),
    (State.FAILED, Reason.OPERATION_FAILED, False, False),
    (State.FAILED, Reason.REQUEST_REFUSED, False, False),
    (State.UNRESOLVED, Reason.OPERATION_TIMEOUT, False, False),
    (State.UNRESOLVED, Reason.OPERATION_UNREADABLE, False, False),
    (State.FAILED, Reason.FORBIDDEN, True, True),
    (State.FAILED, Reason.SERVICE_UNAVAILABLE, True, True),
    (State.UNRESOLVED, Reason.ANSWER_LOST, True, True),
    (State.EXCLUDED, Reason.PASSWORD_REJECTED, True, True),
])  # fmt: skip
def test_what_a_scout_proves(state: State, reason: Reason | None, is_open: bool, is_tried_again: bool) -> None:  # noqa: FBT001  parameters of pytest's
    """A success, or a password that on-premises refuses, opens a domain; writeback's failures close it.

    Anything else says nothing of the domain: another account goes first.
    """
    opening = Opening()
    opening.goes(HYBRID)
    assert not opening.may_go("corp.example")
    assert opening.may_go("")
    assert opening.may_go("other.example")
    opening.ended(7, state, Told(reason, by_operation=True))
    assert opening.may_go("corp.example") == is_open
    assert opening.wants_scout("corp.example") == is_tried_again


def test_a_password_that_is_refused_at_the_door_proves_nothing_of_the_domain() -> None:
    """The cloud may have refused it: another account goes first."""
    opening = Opening()
    opening.goes(HYBRID)
    opening.ended(7, State.FAILED, Told(Reason.PASSWORD_REJECTED, "HTTP 400"))
    assert opening.wants_scout("corp.example")


def test_few_are_unconfirmed_at_first() -> None:
    """Fifty at the most, those of an earlier start among them, until twenty have ended; then as many as there are."""
    opening = Opening(unconfirmed=10)
    for number in range(40):
        assert opening.may_go("")
        opening.goes(Waiting(number, "", ""))
    assert not opening.may_go("")
    for number in range(20):
        opening.ended(number, State.SUCCEEDED)
        if number < 19:
            opening.goes(Waiting(100 + number, "", ""))
            assert not opening.may_go("")
    for number in range(1000, 1100):
        assert opening.may_go("")
        opening.goes(Waiting(number, "", ""))


def test_what_an_earlier_start_sent_is_waited_for() -> None:
    """A scout or canary whose end that start did not see is still the scout, or the canary."""
    opening = Opening([CLOUD], under_way=[CLOUD, HYBRID], unconfirmed=2)
    assert opening.canaries == []
    assert not opening.may_go("")
    opening.ended(9, State.SUCCEEDED)
    assert opening.may_go("")
    assert not opening.may_go("corp.example")
    assert isinstance(opening.ended(7, *DEAD), Closed)
