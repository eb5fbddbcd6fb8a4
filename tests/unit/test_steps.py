from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict

from batchreset.graph.turnstile import Routes, Turnstile
from batchreset.model import Reason, RevokeSessions, Step
from batchreset.policy.attempts import MOST_TRANSIENT
from batchreset.policy.pace import Pacer
from batchreset.policy.presence import Presence
from batchreset.policy.steps import (
    Next,
    Rates,
    after,
    before,
    decide,
    due_after,
    due_before,
    judge_step,
    rates,
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

NOW = datetime(2026, 11, 22, tzinfo=UTC)

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


def test_a_revocation_that_revoked_nothing_is_none() -> None:
    """Its answer says `value: true`, or nothing; `false` is no success, and says nothing of the other steps."""
    answers = {value: Answer(200, CIMultiDict(), {"value": value}) for value in (True, False)}
    for step in (Step.REVOKE_BEFORE, Step.REVOKE):
        assert isinstance(judge_step(step, answers[True], NOW), Accepted)
        assert isinstance(judge_step(step, answers[False], NOW), Transient)
    assert isinstance(judge_step(Step.REVOKE, Answer(204, CIMultiDict(), None), NOW), Accepted)
    assert isinstance(judge_step(Step.ENABLE, answers[False], NOW), Accepted)


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
