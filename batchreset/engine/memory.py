"""What a run learned of a tenant's quota, for the next one there: a file in the user's state folder, no longer.

It is a hint and nothing else: where it cannot be read or written, the next run begins as the first one did.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from batchreset.clock import timestamp, utc_now
from batchreset.engine import events
from batchreset.engine.lock import of_tenant
from batchreset.policy.evidence import Learned
from batchreset.policy.prediction import Known

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.status.record import RunRecord


def known_of(line: RunRecord) -> Known | None:
    """Return what is known of the quota of a run's route in its tenant; None where that is nothing.

    A rehearsal's tenant is new each time.
    """
    if line.rehearsal:
        return None
    now = utc_now()
    try:
        told = json.loads(_file(line).read_text(encoding="utf-8"))
        learned = Learned(float(told["rate"]), int(told["allowance"]), float(told["trust"]))
        at = datetime.fromisoformat(told["at"])
        age = (now - at).total_seconds()
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    if not (0 < learned.rate < math.inf and learned.allowance >= 0 and 0 <= learned.trust < math.inf):
        return None
    return Known(learned.aged(age), days=max((now.astimezone().date() - at.astimezone().date()).days, 0))


def recall(line: RunRecord) -> Learned | None:
    """Return what a run may begin with."""
    known = known_of(line)
    return known.learned if known is not None else None


def remember(line: RunRecord, learned: Learned | None) -> None:
    """Keep what was learned, readable by its owner only. Whoever holds the tenant calls this.

    What is known already keeps its date.
    """
    if line.rehearsal or learned is None:
        return
    known = recall(line)
    if known is not None and (known.rate, known.allowance) == (learned.rate, learned.allowance):
        return
    file = _file(line)
    draft = file.with_suffix(".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_text(json.dumps({**asdict(learned), "at": timestamp()}), encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        events.tell("quota not remembered", level=logging.WARNING, because=str(error))


def _file(line: RunRecord) -> Path:
    return of_tenant(line, "quotas", f"-{line.method}.json")
