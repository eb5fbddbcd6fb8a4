"""report.html: one page, without scripts and without network."""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2

from batchreset.model import Outcome, Reason, RunState
from batchreset.report.advice import AFTERWARDS, HAND_OVER, NONE_KEPT, Advice, advice_on
from batchreset.report.charts import draw_outcomes, draw_timeline, pictures, timeline_of
from batchreset.report.wording import describe, quota_text, time_text

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Hashable, Mapping

    import pandas as pd

    from batchreset.report.summary import Summary
    from batchreset.status.record import RunRecord

ROWS_SHOWN = 2_000

#: Exclusions that need nobody's attention.
_QUIET = frozenset({Reason.DUPLICATE, Reason.BLANK, Reason.PROTECTED})
#: Outcomes that need attention, the most urgent first.
_URGENCY = (Outcome.FAILED, Outcome.UNRESOLVED, Outcome.EXCLUDED, Outcome.NOT_ATTEMPTED)
_WORDS = {
    Outcome.SUCCEEDED: "reset",
    Outcome.FAILED: "failed",
    Outcome.UNRESOLVED: "unresolved",
    Outcome.EXCLUDED: "left out",
    Outcome.NOT_ATTEMPTED: "not attempted",
}
_SHOWN = (
    *("row", "source", "identifier", "user", "display_name", "outcome", "reason", "detail"),
    *("client_request_id", "request_id"),
)


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


class Attention:
    """The rows that need attention, as many as a page can show, the most urgent kept."""

    def __init__(self, run: RunRecord) -> None:
        """Begin with none."""
        self._quiet = list(quiet_reasons(run))
        is_planned = run.state is RunState.PLANNED  # then it is as it should be that nothing was attempted
        self._kept: dict[Outcome, list[dict[Hashable, Any]]] = {
            outcome: [] for outcome in _URGENCY if not (is_planned and outcome is Outcome.NOT_ATTEMPTED)
        }
        self.total = 0

    def add(self, lines: pd.DataFrame) -> None:
        """Look through a chunk of the reconciliation."""
        for outcome, kept in self._kept.items():
            found = lines[lines["outcome"] == outcome]
            if outcome is Outcome.EXCLUDED:
                found = found[~found["reason"].isin(self._quiet)]
            self.total += len(found)
            kept.extend(found.head(ROWS_SHOWN - len(kept))[list(_SHOWN)].to_dict("records"))

    def rows(self) -> list[dict[Hashable, Any]]:
        """Return at most `ROWS_SHOWN` rows, the most urgent first, each outcome in input order."""
        return [row for kept in self._kept.values() for row in kept][:ROWS_SHOWN]


def quiet_reasons(run: RunRecord) -> frozenset[str]:
    """Name the reasons of exclusion that need no attention in this run: the usual ones, and those it accepted."""
    return _QUIET | frozenset(run.settings.get("accept_excluded", ()))


def words_of(state: RunState) -> dict[Outcome, str]:
    """Say the outcomes in people's words; in a plan nobody has failed to attempt anything."""
    return _WORDS | ({Outcome.NOT_ATTEMPTED: "to be reset"} if state is RunState.PLANNED else {})


def verdict(summary: Summary, quiet: frozenset[str]) -> Verdict:
    """Judge a run."""
    counts, words = summary.counts, words_of(summary.state)
    always = Outcome.NOT_ATTEMPTED if summary.state is RunState.PLANNED else Outcome.SUCCEEDED
    said = [f"{counts[outcome]:,} {word}" for outcome, word in words.items() if counts[outcome] or outcome is always]
    sentence = f"{summary.rows:,} {'row' if summary.rows == 1 else 'rows'}: {', '.join(said)}."
    if counts[Outcome.FAILED] or counts[Outcome.UNRESOLVED] or summary.state is RunState.HALTED:
        return Verdict(sentence, "bad")
    accounted = counts[Outcome.SUCCEEDED] + sum(summary.reasons.get(reason, 0) for reason in quiet)
    return Verdict(sentence, "good" if accounted >= summary.rows else "fair")


def groups_of(tally: Counter[tuple[str, str]], quiet: frozenset[str]) -> list[Group]:
    """Group the rows that did not succeed by outcome and reason, the most urgent and the most numerous first."""
    groups = [
        Group(Outcome(outcome), reason, rows, advice_on(reason), outcome == Outcome.EXCLUDED and reason in quiet)
        for (outcome, reason), rows in tally.items()
        if outcome != Outcome.SUCCEEDED
    ]
    return sorted(groups, key=lambda group: (group.is_quiet, _URGENCY.index(group.outcome), -group.rows, group.reason))


def render(
    run: RunRecord,
    summary: Summary,
    tally: Counter[tuple[str, str]],
    attention: Attention,
    by_second: Mapping[str, Mapping[str, float]],
) -> str:
    """Make the page."""
    quiet, timeline = quiet_reasons(run), timeline_of(by_second)
    templates = files("batchreset.report") / "templates"
    style = (templates / "report.css").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"at": _at, "duration": describe}
    template = environment.from_string((templates / "report.html.j2").read_text("utf-8"))
    return template.render(
        run=run,
        summary=summary,
        verdict=verdict(summary, quiet),
        words=words_of(summary.state),
        groups=groups_of(tally, quiet),
        afterwards=(HAND_OVER if summary.passwords_kept else NONE_KEPT, *AFTERWARDS),
        quota=quota_text(summary),
        time_spent=time_text(summary),
        attention=attention,
        outcomes_picture=list(pictures(partial(draw_outcomes, summary.counts))) if summary.rows else [],
        timeline=timeline,
        timeline_picture=list(pictures(partial(draw_timeline, timeline))) if timeline else [],
        style=style,
        style_hash=b64encode(sha256(style.encode()).digest()).decode(),
    )


def _at(time: str) -> str:
    """Say an ISO 8601 time as people read it, in UTC to the second."""
    return f"{time[:10]} {time[11:19]} UTC"
