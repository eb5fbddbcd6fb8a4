"""What a report finds as it goes through the rows: figures, and those of the rows that its page can show."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from batchreset.model import AS_INTENDED, Kind, Outcome
from batchreset.report.advice import AT_RISK
from batchreset.report.funnel import Funnel
from batchreset.report.listing import Listing
from batchreset.report.operations import Operations
from batchreset.report.reconciliation import COHORT_PREFIX
from batchreset.report.summary import Sessions

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

    from batchreset.status.record import RunRecord

NAMES_SHOWN = 200

#: How a cohort of users at risk says that they are. Source: "riskyUser resource type" of the Graph reference, v1.0.
_RISK_COLUMN = COHORT_PREFIX + "riskState"
_RISK_IS_OPEN = ("atRisk", "confirmedCompromised")


class Names:
    """Accounts of one sort: how many, and the first of them."""

    def __init__(self) -> None:
        """Begin with none."""
        self.total = 0
        self.first: list[dict[Hashable, Any]] = []

    def add(self, lines: pd.DataFrame) -> None:
        """Add lines of the reconciliation, with the remarks on their steps."""
        self.total += len(lines)
        told = lines.head(NAMES_SHOWN - len(self.first))
        self.first += told[["identifier", "user", "display_name", "outcome", "remarks"]].to_dict("records")


class Findings:
    """The rows counted, and those kept that a page shows by name."""

    def __init__(self, run: RunRecord) -> None:
        """Begin with no rows."""
        #: Rows by outcome and reason.
        self.tally: Counter[tuple[str, str]] = Counter()
        #: Rows that were reset, by what became of their sessions; and by their account's kind, marks and risk.
        self.sessions: Counter[str] = Counter()
        self.reset: Counter[str] = Counter()
        self.listing = Listing(quiet_reasons(run))
        self.funnel = Funnel()
        self.operations = Operations()
        #: Accounts that this run left blocked, and how many of them are synchronised.
        self.blocked = Names()
        self.blocked_and_synchronised = 0
        #: Accounts that were to be blocked before their reset, and were not.
        self.not_blocked = Names()
        #: Accounts that were reset and whose sessions were not revoked; the first time and the last at which some were.
        self.unrevoked = Names()
        self.revoked_between = ("", "")

    def add(self, resets: pd.DataFrame, steps: pd.DataFrame, lines: pd.DataFrame) -> None:
        """Look through a chunk of rows: as the table has them, what went with them, and what is said of them."""
        self.tally.update(zip(lines["outcome"], lines["reason"], strict=True))
        self.listing.add(lines)
        self.funnel.add(lines)
        self.operations.add(lines)
        self.sessions.update(filter(None, steps["sessions"]))
        is_reset = lines["outcome"] == Outcome.SUCCEEDED
        self.reset.update(filter(None, resets["kind"][is_reset]))
        for marks in resets["marks"][is_reset]:
            self.reset.update(json.loads(marks))
        if _RISK_COLUMN in lines:
            self.reset[AT_RISK] += int((is_reset & lines[_RISK_COLUMN].isin(_RISK_IS_OPEN)).sum())
        told = lines.assign(remarks=steps["remarks"])
        blocked = told[steps["is_blocked"].astype(bool)]
        self.blocked.add(blocked)
        self.blocked_and_synchronised += int((blocked["kind"] == Kind.SYNCHRONISED).sum())
        self.not_blocked.add(told[steps["is_unblocked"].astype(bool)])
        self.unrevoked.add(told[steps["sessions"].isin((Sessions.FAILED, Sessions.LEFT))])
        times = [time for time in (*self.revoked_between, *steps["sessions_revoked_at"]) if time]
        self.revoked_between = (min(times, default=""), max(times, default=""))


def quiet_reasons(run: RunRecord) -> frozenset[str]:
    """Name the reasons of exclusion that need no attention in this run: the usual ones, and those it accepted."""
    return AS_INTENDED | frozenset(run.wanted.get("accept_excluded", ()))
