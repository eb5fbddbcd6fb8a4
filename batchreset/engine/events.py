"""Telling the log what was decided: Python's own `logging`, one event a decision, never a secret and no body.

A record's text reads `accepted row=3 source=cohort.csv`; its attributes `event` and `fields` hold the same as values.
"""

from __future__ import annotations

import json
import logging
from typing import Any

_LOG = logging.getLogger("batchreset.run")


def is_heard() -> bool:
    """Say whether anybody listens: what is only gathered for the log can be spared where nobody does."""
    return _LOG.isEnabledFor(logging.INFO)


def tell(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log a decision; fields that are None are left out."""
    if _LOG.isEnabledFor(level):
        told = {name: value for name, value in fields.items() if value is not None}
        text = " ".join((event, *(f"{name}={_shown(value)}" for name, value in told.items())))
        _LOG.log(level, "%s", text, extra={"event": event, "fields": told}, stacklevel=2)


def _shown(value: Any) -> str:
    """Write a value on one line; text that is more than one word stands in quotes."""
    if isinstance(value, str) and value.isprintable() and not set(' "=') & set(value):
        return value
    return json.dumps(value, default=str)
