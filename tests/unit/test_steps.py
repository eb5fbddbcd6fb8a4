from __future__ import annotations

import asyncio

import pytest

from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import Reason, RevokeSessions, Step
from batchreset.policy.attempts import MOST_TRANSIENT
from batchreset.policy.pace import Pacer
from batchreset.policy.presence import Presence
from batchreset.policy.steps import (
    Denials,
    Next,
    Rates,
    after,
    before,
    decide,
    due_after,
    due_before,
    rates,
    why_given_up,
    writes_each,
)
from batchreset.policy.verdict import (
    Accepted,
    Ambiguous,
    Answer,
    Demoted,
    Refused,
    SignedOut,
    Throttled,
    Transient,
)
from batchreset.settings import Settings
from tests.support.clock import run_virtual

DISABLE, REVOKE_BEFORE, REVOKE, ENABLE = Step.DISABLE, Step.REVOKE_BEFORE, Step.REVOKE, Step.ENABLE
ALL = Settings(revoke_sessions=RevokeSessions.BOTH, disable=True, enable=True)
NONE = Settings(revoke_sessions=RevokeSessions.NEVER)
ACCEPTED, FORBIDDEN = Accepted(None, None), Refused(Reason.FORBIDDEN, "HTTP 403")


@pytest.mark.parametrize(
    ("settings", "first", "then"),
    [
        (Settings(), (), (REVOKE,)),
        (NONE, (), ()),
        (Settings(disable=True), (DISABLE,), (REVOKE,)),
        (ALL, (DISABLE, REVOKE_BEFORE), (REVOKE, ENABLE)),
    ],
)
def test_which_steps_go_with_a_reset(settings: Settings, first: tuple[Step, ...], then: tuple[Step, ...]) -> None:
    """Sessions are revoked after it unless that is not wanted; each account takes a write for each, and its reset."""
    assert (before(settings), after(settings)) == (first, then)
    assert writes_each(settings) == len(first) + 1 + len(then)


def test_the_rate_is_shared_out() -> None:
    """Five writes each at ten a second: two accounts a second, whose other writes make up the eight."""
    assert rates(ALL.but(rate=10.0)) == Rates(resets=2.0, steps=8.0)
    assert rates(NONE.but(rate=10.0)) == Rates(resets=10.0, steps=None)
    assert rates(ALL) == Rates(None, None)


def test_who_is_blocked() -> None:
    """Whoever is not known to be blocked already, and once."""
    wanted = before(ALL)
    assert due_before(wanted, frozenset(), enabled=True) == [DISABLE, REVOKE_BEFORE]
    assert due_before(wanted, frozenset(), enabled=None) == [DISABLE, REVOKE_BEFORE]
    assert due_before(wanted, frozenset(), enabled=False) == [REVOKE_BEFORE]
    assert due_before(wanted, {DISABLE}, enabled=True) == [REVOKE_BEFORE]


def test_who_is_opened_again() -> None:
    """Whoever this run blocked, and nobody else; once, and after the sessions."""
    assert due_after(after(ALL), frozenset(), is_blocked_here=True) == [REVOKE, ENABLE]
    assert due_after(after(ALL), frozenset(), is_blocked_here=False) == [REVOKE]
    assert due_after(after(ALL), {REVOKE, ENABLE}, is_blocked_here=True) == []


@pytest.mark.parametrize(
    ("verdict", "tried", "decided"),
    [
        (ACCEPTED, 3, Next(tried=3)),
        (FORBIDDEN, 0, Next()),
        (SignedOut("HTTP 401"), 0, Next()),
        (Throttled(2.0), 5, Next(again=True, tried=5)),
        (Demoted(3.0), 5, Next(again=True, at_least=3.0, tried=5)),
        (Transient("HTTP 503", 7.0), 1, Next(again=True, backoff=2.0, at_least=7.0, tried=2)),
        (Ambiguous("no answer"), 0, Next(again=True, backoff=1.0, tried=1)),
        (Ambiguous("no answer"), MOST_TRANSIENT - 1, Next(backoff=30.0, tried=MOST_TRANSIENT)),
    ],
)
def test_what_follows_from_an_answer(verdict: Accepted, tried: int, decided: Next) -> None:
    """What may not have been applied is sent again, since a repeat harms nothing; what was refused is not."""
    assert decide(verdict, tried) == decided


def test_a_step_refused_to_everybody_is_given_up() -> None:
    """The first 20 accounts were refused it; of another step that says nothing."""
    denials = Denials()
    assert [denials.note(REVOKE, FORBIDDEN) for _ in range(21)] == [False] * 19 + [True, False]
    assert denials.is_given_up(REVOKE)
    assert not denials.is_given_up(DISABLE)


def test_a_step_that_was_once_accepted_is_never_given_up() -> None:
    """Then it is the accounts that are out of reach, and not all of them; nor is it for other refusals."""
    denials = Denials()
    denials.note(REVOKE, ACCEPTED)
    refusals = (FORBIDDEN, Refused(Reason.NOT_FOUND, "HTTP 404"))
    assert not any(denials.note(step, refusal) for step in (REVOKE,) for refusal in refusals for _ in range(30))
    assert not any(denials.note(ENABLE, refusals[1]) for _ in range(30))
    assert not any(map(denials.is_given_up, Step))


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (REVOKE, ("Revoking sessions", "User.RevokeSessions.All")),
        (REVOKE_BEFORE, ("Revoking sessions", "User.RevokeSessions.All")),
        (DISABLE, ("Blocking sign-in", "User.EnableDisableAccount.All")),
        (ENABLE, ("Opening sign-in", "User.EnableDisableAccount.All")),
    ],
)
def test_why_it_is_given_up_names_what_it_takes(step: Step, said: tuple[str, str]) -> None:
    """The permission, and roles that will do."""
    why = why_given_up(step)
    assert all(text in why for text in (*said, "Authentication Administrator", "User Administrator"))


def test_presence_is_counted_once_however_many_are_there() -> None:
    """From the first who comes to the last who goes."""
    there = Presence()
    for now, move in ((1, there.come), (2, there.come), (3, there.go), (5, there.go), (10, there.come)):
        move(now)
    assert (there.lasted(10), there.lasted(12)) == (4, 6)


def test_steps_and_resets_are_held_by_one_limit_and_wait_as_one() -> None:
    """A 429 for writes holds both, and the reset goes first; a moment in which both wait counts once."""

    async def go() -> tuple[list[str], float]:
        clock = asyncio.get_running_loop().time
        routes, left, begun = Routes(resets=Turnstile(Pacer())), list[str](), clock()
        answer = Answer(429, {"x-ms-throttle-scope": "Tenant_Application/Write/app/tenant"})
        routes.steps.tell(Throttled(10.0), await routes.steps.permit(), answer)

        async def leave(name: str, turnstile: Turnstile) -> None:
            await turnstile.permit()
            left.append(f"{name} after {clock() - begun:.0f} s")

        await asyncio.gather(leave("step", routes.steps), leave("reset", routes.resets), leave("poll", routes.polls))
        return left, routes.resets.waited(clock())

    left, waited = run_virtual(go())
    assert left == ["poll after 0 s", "reset after 10 s", "step after 10 s"]
    assert waited == pytest.approx(10, abs=0.1)
