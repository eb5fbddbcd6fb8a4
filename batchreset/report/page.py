"""report.html: one page, without scripts and without network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from batchreset.model import Outcome, RunState
from batchreset.report.advice import Advice, advice_on, afterwards
from batchreset.report.charts import draw_outcomes, draw_timeline, pictures, timeline_of
from batchreset.report.findings import URGENCY, quiet_reasons
from batchreset.report.templating import fill
from batchreset.report.wording import quota_text, sessions_text, shortcomings, time_text

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from batchreset.report.findings import Findings
    from batchreset.report.summary import Summary
    from batchreset.status.record import RunRecord

_WORDS = {
    Outcome.SUCCEEDED: "reset",
    Outcome.FAILED: "failed",
    Outcome.UNRESOLVED: "unresolved",
    Outcome.EXCLUDED: "left out",
    Outcome.NOT_ATTEMPTED: "not attempted",
}
#: A line through fewer sends than that tells nothing that the figures do not.
_WORTH_DRAWING = 20


class Verdict(NamedTuple):
    """How a run went, in one sentence, and how good that is: good | fair | bad."""

    sentence: str
    tone: str


class Group(NamedTuple):
    """Rows with one outcome for one reason."""

    outcome: Outcome
    reason: str
    rows: int
    advice: Advice
    is_quiet: bool


def words_of(state: RunState) -> dict[Outcome, str]:
    """Say the outcomes in people's words; in a plan nobody has failed to attempt anything."""
    return _WORDS | ({Outcome.NOT_ATTEMPTED: "to be reset"} if state is RunState.PLANNED else {})


def verdict(summary: Summary, quiet: frozenset[str]) -> Verdict:
    """Judge a run."""
    counts, words = summary.counts, words_of(summary.state)
    always = Outcome.NOT_ATTEMPTED if summary.state is RunState.PLANNED else Outcome.SUCCEEDED
    said = [f"{counts[outcome]:,} {word}" for outcome, word in words.items() if counts[outcome] or outcome is always]
    rows = f"{summary.rows:,} {'row' if summary.rows == 1 else 'rows'}: {', '.join(said)}"
    sentence = "; ".join([rows, *(lacking := shortcomings(summary))]) + "."
    if counts[Outcome.FAILED] or counts[Outcome.UNRESOLVED] or summary.state is RunState.HALTED:
        return Verdict(sentence, "bad")
    accounted = counts[Outcome.SUCCEEDED] + sum(summary.reasons.get(reason, 0) for reason in quiet)
    return Verdict(sentence, "good" if accounted >= summary.rows and not lacking else "fair")


def groups_of(tally: Counter[tuple[str, str]], quiet: frozenset[str]) -> list[Group]:
    """Group the rows that did not succeed by outcome and reason, the most urgent and the most numerous first."""
    groups = [
        Group(Outcome(outcome), reason, rows, advice_on(reason), outcome == Outcome.EXCLUDED and reason in quiet)
        for (outcome, reason), rows in tally.items()
        if outcome != Outcome.SUCCEEDED
    ]
    return sorted(groups, key=lambda group: (group.is_quiet, URGENCY.index(group.outcome), -group.rows, group.reason))


def render(run: RunRecord, summary: Summary, findings: Findings, by_second: Mapping[str, Mapping[str, float]]) -> str:
    """Make the page."""
    quiet = quiet_reasons(run)
    timeline = timeline_of(by_second) if summary.quota["sent"] >= _WORTH_DRAWING else None
    return fill(
        "report.html.j2",
        run=run,
        summary=summary,
        findings=findings,
        verdict=verdict(summary, quiet),
        words=words_of(summary.state),
        groups=groups_of(findings.tally, quiet),
        afterwards=afterwards(run, summary, findings.reset),
        sessions=sessions_text(summary, findings.revoked_between),
        quota=quota_text(summary),
        time_spent=time_text(summary),
        outcomes_picture=list(pictures(partial(draw_outcomes, summary.counts))) if summary.rows else [],
        timeline=timeline,
        timeline_picture=list(pictures(partial(draw_timeline, timeline))) if timeline else [],
    )
