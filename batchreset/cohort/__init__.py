"""Where accounts come from: files understood once, then read as rows."""

from __future__ import annotations

from batchreset.cohort.layout import EmptyError, UnsuitableError
from batchreset.cohort.reading import read
from batchreset.cohort.sources import Source, inspect, written_here

__all__ = ["EmptyError", "Source", "UnsuitableError", "inspect", "read", "written_here"]
