"""Whom Identity Protection has at risk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batchreset.errors import DirectoryError
from batchreset.graph.answers import text_in
from batchreset.model import Risk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchreset.graph.directory import Directory

#: What is told of each user at risk.
COLUMNS = (
    *("id", "userPrincipalName", "userDisplayName"),
    *("riskLevel", "riskState", "riskLastUpdatedDateTime", "riskDetail"),
)
#: States of an open risk, the latter confirmed by an administrator; in the others it was remedied, dismissed or found
#: to be none. Source: "riskyUser resource type" of the Graph reference, v1.0.
_IS_OPEN = "riskState eq 'atRisk' or riskState eq 'confirmedCompromised'"
_LEVELS = ("none", *Risk)


async def at_risk(directory: Directory, least: Risk) -> list[dict[str, Any]]:
    """Return the users whose risk is `least` or higher, as the directory tells of them; deleted ones are left out.

    Raises `LookUpRefusedError` where they may not be read, and `DirectoryError` where they cannot be, or where how high
    a risk is is withheld, and matters. Source: "List riskyUsers" of the Graph reference, v1.0.
    """
    wanted = quote(_IS_OPEN, safe="")
    path = f"/identityProtection/riskyUsers?$filter={wanted}&$select={','.join(COLUMNS)},isDeleted&$top=500"
    return [user async for page in directory.pages(path, "id") for user in _picked(page, least)]


def _picked(page: list[dict[str, Any]], least: Risk) -> Iterator[dict[str, Any]]:
    """Pick by level here: from the lowest on, those whose level is withheld are meant too."""
    for user in page:
        level = text_in(user, "riskLevel").lower()
        if user.get("isDeleted") is True:
            continue
        if least is not Risk.LOW and level not in _LEVELS:
            raise DirectoryError(
                f"How high the risk of {text_in(user, 'userPrincipalName') or text_in(user, 'id')} is, is not told "
                f"(riskLevel {level or 'absent'}), which takes Entra ID P2; --min-risk low takes all that are at risk."
            )
        if least is Risk.LOW or _LEVELS.index(level) >= _LEVELS.index(least):
            yield user
