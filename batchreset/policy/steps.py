"""What goes with a reset: the writes before it and after it, by what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.model import RevokeSessions, Step

if TYPE_CHECKING:
    from batchreset.settings import Settings


def before(settings: Settings) -> tuple[Step, ...]:
    """Return the steps before a reset, in order. None of them keeps it from being sent."""
    blocked = (Step.DISABLE,) if settings.disable else ()
    revoked = (Step.REVOKE_BEFORE,) if settings.revoke_sessions is RevokeSessions.BOTH else ()
    return (*blocked, *revoked)


def after(settings: Settings) -> tuple[Step, ...]:
    """Return the steps after a reset that has succeeded, in order."""
    revoked = (Step.REVOKE,) if settings.revoke_sessions is not RevokeSessions.NEVER else ()
    opened = (Step.ENABLE,) if settings.enable else ()
    return (*revoked, *opened)


def writes_each(settings: Settings) -> int:
    """Count the writes that one account takes, its reset among them."""
    return len(before(settings)) + 1 + len(after(settings))
