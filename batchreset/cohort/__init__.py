"""Where accounts come from: files understood once, then read as rows."""

from __future__ import annotations

from batchreset.cohort.layout import EmptyError, UnsuitableError
from batchreset.cohort.reading import read
from batchreset.cohort.selecting import Where
from batchreset.cohort.sources import FoundBy, Source, inspect, written_here

__all__ = ["EmptyError", "FoundBy", "Source", "UnsuitableError", "Where", "inspect", "read", "written_here"]
