"""How a run went, in one sentence: whether everybody is reset, and if not, how many are not and what to do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from batchreset.model import Outcome, Reason, RunState
from batchreset.report.advice import in_short
from batchreset.report.wording import NAMELESS, accounts, joined, shortcomings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchreset.report.summary import Summary

#: So many reasons for being left out are named in the sentence.
_REASONS_NAMED = 3


class Verdict(NamedTuple):
    """How a run went, in one sentence, and how good that is: good | fair | bad."""

    sentence: str
    tone: str


class _Accounts(NamedTuple):
    """Accounts, by what became of them: rows that name nobody, or somebody again, or are not meant, are none."""

    outcomes: Counter[str]
    #: Left out, by reason, and how many of them as was intended.
    left_out: Counter[str]
    intended: int
    #: Rows that `--where` does not mean; nobody looked whom they name.
    not_selected: int

    @property
    def total(self) -> int:
        return self.outcomes.total()

    @property
    def to_decide(self) -> int:
        return self.left_out.total() - self.intended


def verdict(summary: Summary, tally: Mapping[tuple[str, str], int], quiet: frozenset[str]) -> Verdict:
    """Judge a run by its rows, `tally` of which has them by outcome and reason; `quiet` exclusions are as intended."""
    found = _accounts(tally, quiet)
    lacking = shortcomings(summary)
    rest = [f"{_were(found.not_selected, ' row')} not selected"] if found.not_selected else []
    sentence = "; ".join([_sentence(found, summary), *rest, *lacking]) + "."
    if summary.rehearsal:
        sentence = f"Rehearsal: {sentence[0].lower()}{sentence[1:]}"
    if found.outcomes[Outcome.FAILED] or found.outcomes[Outcome.UNRESOLVED] or summary.state is RunState.HALTED:
        return Verdict(sentence, "bad")
    is_done = found.outcomes[Outcome.SUCCEEDED] + found.intended == found.total
    return Verdict(sentence, "good" if is_done and not lacking else "fair")


def _accounts(tally: Mapping[tuple[str, str], int], quiet: frozenset[str]) -> _Accounts:
    outcomes: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for (outcome, reason), rows in tally.items():
        if outcome == Outcome.EXCLUDED:
            if reason in NAMELESS or reason == Reason.NOT_SELECTED:
                continue
            left_out[reason] += rows
        outcomes[outcome] += rows
    intended = sum(rows for reason, rows in left_out.items() if reason in quiet)
    return _Accounts(outcomes, left_out, intended, tally.get((Outcome.EXCLUDED, Reason.NOT_SELECTED), 0))


def _sentence(found: _Accounts, summary: Summary) -> str:
    kind = ("simulated " if summary.rehearsal else "") + ("selected " if found.not_selected else "")
    reset = found.outcomes[Outcome.SUCCEEDED]
    is_planned = summary.state is RunState.PLANNED
    if not found.total:
        rows = "selected row" if found.not_selected else "row of the cohort"
        return f"No {kind}account {'is to be' if is_planned else 'was'} reset: no {rows} names one"
    of_them = accounts(found.total, kind)
    if is_planned:
        ready = found.outcomes[Outcome.NOT_ATTEMPTED]
        left_out = f", {found.left_out.total():,} left out" if found.left_out else ""
        return f"{ready:,} of {of_them} {_is(ready)} to be reset{left_out}; nothing has been sent yet"
    if summary.state is RunState.RUNNING:
        failed = found.outcomes[Outcome.FAILED]
        rest = f"; look at {_those(failed, 'that failed')}" if failed else ""
        return f"Not finished yet: {reset:,} of {of_them} {_is(reset)} reset{rest}"
    if reset == found.total and not found.not_selected:
        return f"All {of_them} are reset" if reset > 1 else f"The only {kind}account is reset"
    if reset + found.intended == found.total:
        return f"{reset:,} of {of_them} {_is(reset)} reset{_as_intended(found)}"
    others = found.total - reset
    is_known = "known to be " if found.outcomes[Outcome.UNRESOLVED] else ""  # some of them may be reset
    sentence = f"{others:,} of {of_them} {_is(others)} not {is_known}reset: {joined(list(_to_do(found)))}"
    return sentence + _as_intended(found)


def _to_do(found: _Accounts) -> Iterator[str]:
    """Say what to do for those that were not reset, the most urgent first."""
    for outcome, what_to_do, which in (
        (Outcome.FAILED, "look at", "that failed"),
        (Outcome.UNRESOLVED, "find out about", "unresolved"),
        (Outcome.NOT_ATTEMPTED, "go on with", "not attempted"),
    ):
        if number := found.outcomes[outcome]:
            yield f"{what_to_do} {_those(number, which)}"
    if found.to_decide:
        is_all = found.to_decide == found.total - found.outcomes[Outcome.SUCCEEDED]
        yield f"decide on {_those(found.to_decide, 'left out')}{f' ({_why(found.left_out)})' if is_all else ''}"


def _why(left_out: Counter[str]) -> str:
    """Name the commonest reasons for being left out."""
    told = [f"{rows:,} {in_short(reason)}" for reason, rows in left_out.most_common(_REASONS_NAMED)]
    more = left_out.total() - sum(rows for _, rows in left_out.most_common(_REASONS_NAMED))
    return ", ".join(told) + (f", {more:,} for other reasons" if more else "")


def _as_intended(found: _Accounts) -> str:
    return f"; {_were(found.intended)} left out as intended" if found.intended else ""


def _were(number: int, what: str = "") -> str:
    return f"{number:,}{what} was" if number == 1 else f"{number:,}{what and what + 's'} were"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _those(number: int, which: str) -> str:
    return f"the {number:,} {which}"
