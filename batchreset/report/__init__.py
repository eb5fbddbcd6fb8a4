"""The report: every input row accounted for, written for people, spreadsheets and scripts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batchreset.report.summary import Summary

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

__all__ = ["Summary", "write"]


def write(folder: Path, engine: Engine) -> Summary:
    """Write the report of the run in `folder` from its status table, however the run stands.

    Each file replaces an older one whole. Raises `RefusedError` when a file cannot be written, `BatchResetError`
    (and leaves the older files alone) when the rows do not add up to the cohort.
    """
    # Before it is imported: what it says of its fonts and its cache would stand in the middle of a run's own lines.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from batchreset.report import publish  # noqa: PLC0415  pandas and matplotlib take seconds to import

    return publish.write(folder, engine)
