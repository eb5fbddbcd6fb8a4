from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from batchreset.model import Reason, State
from batchreset.policy.opening import CAUTIOUS_UNTIL, MOST_UNCONFIRMED, Closed, Halt, Opening, Told, Waiting

ENDS = [
    (State.SUCCEEDED, None),
    (State.FAILED, Reason.OPERATION_FAILED),
    (State.FAILED, Reason.PASSWORD_REJECTED),
    (State.FAILED, Reason.FORBIDDEN),
    (State.UNRESOLVED, Reason.OPERATION_TIMEOUT),
    (State.UNRESOLVED, Reason.ANSWER_LOST),
    (State.EXCLUDED, Reason.PASSWORD_REJECTED),
]
PROOF = {(State.SUCCEEDED, None), (State.FAILED, Reason.PASSWORD_REJECTED)}
DEAD = {(State.FAILED, Reason.OPERATION_FAILED), (State.UNRESOLVED, Reason.OPERATION_TIMEOUT)}


@dataclass
class World:
    """What a start of a run looks like from outside: nothing here asks the opening but whether a row may go."""

    rows: dict[int, Waiting]
    canaries: set[int]
    proven: set[str]
    opening: Opening
    left: dict[int, Waiting] = field(default_factory=dict)
    out: dict[int, Waiting] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    ended: int = 0

    def is_let_go(self, row: Waiting) -> bool:
        """Say what is promised: after the canaries, few at first, none of a closed domain, a scout before the rest."""
        is_its_turn = not self.canaries or row.id in self.canaries
        is_confident = self.ended >= CAUTIOUS_UNTIL or len(self.out) < MOST_UNCONFIRMED
        is_scouted = all(each.domain != row.domain for each in self.out.values())
        is_open = not row.domain or row.domain in self.proven or (row.domain not in self.closed and is_scouted)
        return is_its_turn and is_confident and is_open

    def send(self, most: int) -> None:
        """Send whatever may go, up to so many, and hold it against what is promised."""
        for row in list(self.left.values()):
            if most == 0:
                return
            may_go = self.opening.may_go(row.domain, row.id)
            assert may_go == self.is_let_go(row)
            if may_go:
                most -= 1
                self.opening.goes(row)
                self.out[row.id] = self.left.pop(row.id)

    def end(self, row: Waiting, how: tuple[State, Reason | None]) -> bool:
        """End a row; False where that halts the run."""
        del self.out[row.id]
        self.ended += 1
        is_proof_due = row.domain and row.domain not in self.proven | self.closed
        state, reason = how
        told = self.opening.ended(row.id, state, Told(reason, "so it was", by_operation=True))
        if is_proof_due and how in DEAD:
            assert isinstance(told, Closed)
            assert told.domain == row.domain
            self.closed.add(row.domain)
            self.canaries -= {each.id for each in self.rows.values() if each.domain == row.domain}
            return True
        if is_proof_due and how in PROOF:
            self.proven.add(row.domain)
        assert isinstance(told, Halt) == (row.id in self.canaries and how[0] is not State.SUCCEEDED)
        self.canaries.discard(row.id)
        return told is None


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a cohort of a few domains, some of it under way since an earlier start."""
    count = draw(st.integers(1, 120))
    domains = draw(st.lists(st.sampled_from(["", "", "a.example", "b.example"]), min_size=count, max_size=count))
    rows = {number: Waiting(number, f"user{number}", domain) for number, domain in enumerate(domains, 1)}
    canaries = draw(st.sets(st.sampled_from(sorted(rows)), max_size=5))
    proven = draw(st.sets(st.sampled_from(["a.example", "b.example"])))
    under_way = draw(st.sets(st.sampled_from(sorted(rows)), max_size=2))
    opening = Opening(
        [rows[each] for each in sorted(canaries)], proven, [rows[each] for each in under_way], len(under_way)
    )
    left = {number: row for number, row in rows.items() if number not in under_way}
    return World(rows, canaries, proven, opening, left, {each: rows[each] for each in under_way})


@settings(max_examples=40, deadline=None)
@given(world=worlds(), data=st.data())
def test_nobody_goes_too_early_and_everybody_goes(world: World, data: st.DataObject) -> None:
    """Whatever ends how, in whatever order: no row before the canaries, none of an unproven domain beside its scout.

    At most fifty are unconfirmed before twenty have ended; and when nothing is under way any more, nothing waits but
    what is of a closed domain.
    """
    ends = st.sampled_from(ENDS) if data.draw(st.booleans()) else st.just(ENDS[0])
    while True:
        world.send(data.draw(st.sampled_from([1, 8, 1000])))
        if not world.out:
            break
        for number in data.draw(st.sets(st.sampled_from(sorted(world.out)), min_size=1, max_size=30)):
            if not world.end(world.out[number], data.draw(ends)):
                return
    assert {row.domain for row in world.left.values()} <= world.closed
