"""report.html: one page without network, whose own script searches its table and is all that may run."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from batchreset.model import Outcome, Reason, RunState
from batchreset.report.advice import Advice, advice_on, afterwards
from batchreset.report.circumstances import options, versions
from batchreset.report.findings import quiet_reasons
from batchreset.report.listing import PAGE_BYTES, URGENCY, Packed, as_json
from batchreset.report.templating import fill
from batchreset.report.timeline import timeline_of
from batchreset.report.verdict import verdict
from batchreset.report.wording import NAMELESS, quota_text, sessions_text, time_text

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

    from batchreset.report.findings import Findings
    from batchreset.report.summary import Summary
    from batchreset.report.timeline import Timeline
    from batchreset.status.record import RunRecord

_WORDS: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.SUCCEEDED: "reset",
        Outcome.FAILED: "failed",
        Outcome.UNRESOLVED: "unresolved",
        Outcome.EXCLUDED: "left out",
        Outcome.NOT_ATTEMPTED: "not attempted",
    }
)
#: A line through fewer sends than that tells nothing that the figures do not.
_WORTH_DRAWING = 20
#: Rows on the page where its script does not run.
_ROWS_WITHOUT_SCRIPT = 100
#: What the page may grow by when it is filled in a second time, with its rows: numbers.
_SPARE_BYTES = 10_000
#: Of settings and files that are named one by one, as many are told.
_MOST_TOLD = 100
#: Reasons of rows that have no account whose name would be of use.
_NOBODY = NAMELESS | {Reason.INVALID_IDENTIFIER}
#: No part of a bar is too thin to be seen.
_THINNEST = 0.008


class Group(NamedTuple):
    """Rows with one outcome for one reason; `has_names` where these are of use to whoever takes the next step."""

    outcome: Outcome
    reason: str
    rows: int
    advice: Advice
    is_quiet: bool
    has_names: bool


class Part(NamedTuple):
    """A part of the bar of outcomes, from where and how wide, in percent."""

    outcome: str
    left: float
    width: float


def words_of(state: RunState) -> dict[Outcome, str]:
    """Say the outcomes in people's words; in a plan nobody has failed to attempt anything."""
    return {**_WORDS} | ({Outcome.NOT_ATTEMPTED: "to be reset"} if state is RunState.PLANNED else {})


def groups_of(tally: Counter[tuple[str, str]], quiet: frozenset[str]) -> list[Group]:
    """Group the rows that did not succeed by outcome and reason, the most urgent and the most numerous first."""
    groups = [
        Group(
            Outcome(outcome),
            reason,
            rows,
            advice_on(reason),
            is_quiet=outcome == Outcome.EXCLUDED and reason in quiet,
            has_names=reason not in _NOBODY,
        )
        for (outcome, reason), rows in tally.items()
        if outcome != Outcome.SUCCEEDED
    ]
    return sorted(groups, key=lambda group: (group.is_quiet, URGENCY.index(group.outcome), -group.rows, group.reason))


def bar_of(counts: Mapping[str, int]) -> Iterator[Part]:
    """Lay the outcomes side by side."""
    shares = {outcome: max(rows / sum(counts.values()), _THINNEST) for outcome, rows in counts.items() if rows}
    left = 0.0
    for outcome, share in shares.items():
        width = 100 * share / sum(shares.values())
        yield Part(outcome, round(left, 2), round(width, 2))
        left += width


def render(run: RunRecord, summary: Summary, findings: Findings, by_second: Mapping[str, Mapping[str, float]]) -> str:
    """Make the page: less than `PAGE_BYTES`, however many rows there are."""
    quiet, words = quiet_reasons(run), words_of(summary.state)
    groups = groups_of(findings.tally, quiet)
    titles = {reason: advice_on(reason).title for _, reason in findings.tally if reason}
    timeline = timeline_of(by_second) if summary.quota["sent"] >= _WORTH_DRAWING else None
    filled = partial(
        fill,
        "report.html.j2",
        run=run,
        summary=summary,
        findings=findings,
        verdict=verdict(summary, findings.tally, quiet),
        words=words,
        bar=list(bar_of(summary.counts)),
        stations=list(findings.funnel.stations(summary.state, words)),
        groups=groups,
        afterwards=afterwards(run, summary, findings.reset),
        sessions=sessions_text(summary, findings.revoked_between),
        quota=quota_text(summary),
        time_spent=time_text(summary),
        timeline=timeline,
        timeline_picture=_drawn(timeline) if timeline else [],
        lines=findings.listing.urgent(_ROWS_WITHOUT_SCRIPT, summary.state),
        titles=titles,
        options=options(run.wanted),
        versions=versions(),
        most_told=_MOST_TOLD,
    )
    known = {
        "words": words,
        "titles": titles,
        "urgency": URGENCY,
        "groups": [(group.outcome, group.reason) for group in groups],
        "sources": len(run.sources),
    }
    begin = f'{{"known":{as_json(known)},"listing":'
    without_rows = filled(packed=Packed("", 0, findings.tally), data=f"{begin}}}")
    packed = findings.listing.packed(PAGE_BYTES - _SPARE_BYTES - len(without_rows.encode(errors="replace")))
    return filled(packed=packed, data=f"{begin}{packed.text}}}")


def _drawn(timeline: Timeline) -> Sequence[tuple[str, str]]:
    from batchreset.report.charts import draw_timeline, pictures  # noqa: PLC0415  matplotlib takes a second to import

    return list(pictures(partial(draw_timeline, timeline)))
