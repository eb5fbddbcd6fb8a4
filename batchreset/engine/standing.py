"""Telling a row that may not be reset from a role that has ended: both are answered 403.

Roles that are activated just in time last for hours, and may end in mid-run.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from batchreset.errors import DirectoryError, SignInError
from batchreset.model import Reason
from batchreset.policy.standing import OTHERS_MAY_SPEAK, RENEWAL_HOLDS, is_role_held
from batchreset.policy.verdict import Accepted, Demoted, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchreset.engine.control import Control
    from batchreset.engine.ledger import Ledger
    from batchreset.graph.directory import Directory
    from batchreset.graph.session import GraphSession
    from batchreset.model import Operator
    from batchreset.policy.verdict import Result, Verdict


class Departure(NamedTuple):
    """When a write left, whether another one of this start had been accepted by then, and its row's first refusal."""

    at: float
    is_proven: bool
    refused_at: float | None


class Standing:
    """Shared by the workers. The first to meet a refusal finds out for all; the others wait and share what it found."""

    def __init__(
        self,
        graph: GraphSession,
        before: frozenset[str] | None,
        evidence: Evidence,
        ledger: Ledger,
        control: Control,
    ) -> None:
        """Compare with the roles held `before`."""
        self._graph = graph
        self._before = before
        self._evidence = evidence
        self._ledger = ledger
        self._control = control
        self._turn = asyncio.Lock()
        #: Times: another token was fetched, the role was seen to be held, the latest write that was accepted had left.
        self._renewed_at = self._seen_at = self._accepted_from = -math.inf

    def departure(self, refused_at: float | None) -> Departure:
        """Note that a write is about to leave; its row was refused at `refused_at` before, if ever."""
        return Departure(asyncio.get_running_loop().time(), self._accepted_from > -math.inf, refused_at)

    async def weigh(self, verdict: Verdict, departure: Departure) -> Verdict:
        """Return the verdict, or `Demoted` for a refusal that is not the row's own, or may not be.

        Such a row is sent again, unless the run was halted: the role is gone, or there is another token than the one it
        was sent with, or nothing spoke for the role and the writes of others have yet to. Where no write was accepted
        before this one, every refusal is the row's own: a sign-in that never could do it has lost nothing.
        """
        if isinstance(verdict, Accepted):
            self._accepted_from = max(self._accepted_from, departure.at)
        if not (departure.is_proven and isinstance(verdict, Refused) and verdict.reason is Reason.FORBIDDEN):
            return verdict
        is_first = departure.refused_at is None
        refused_at = asyncio.get_running_loop().time() if departure.refused_at is None else departure.refused_at
        async with self._turn:
            if self._control.sending_stopped.is_set() or (is_first and await self._has_another_token(departure.at)):
                return Demoted()
            if max(self._accepted_from, self._seen_at) >= refused_at:
                return verdict
            is_held = await self._is_held()
            if is_held is False or (is_held is None and not is_first):
                self._control.halt(
                    f"the role of whoever is signed in may have expired ({verdict.why}): "
                    "activate it, then `batchreset resume`",
                    follow=True,
                )
        return verdict if is_held else Demoted(OTHERS_MAY_SPEAK)

    async def _has_another_token(self, sent_at: float) -> bool:
        clock = asyncio.get_running_loop().time
        if sent_at >= self._renewed_at and clock() - self._renewed_at > RENEWAL_HOLDS and await self._graph.refresh():
            self._renewed_at = clock()
            self._ledger.decide("sign-in renewed", because="a write was refused")
        return sent_at < self._renewed_at

    async def _is_held(self) -> bool | None:
        begun_at = asyncio.get_running_loop().time()
        is_held = is_role_held(await self._evidence.witness(), self._before, await self._evidence.roles())
        self._ledger.decide("role probed", held=is_held)
        if is_held:
            self._seen_at = begun_at
        return is_held


@dataclass(frozen=True, slots=True)
class Evidence:
    """What can be asked: which roles are held now, and what comes of reading again what could be read before.

    None where there is nothing to be had.
    """

    roles: Callable[[], Awaitable[frozenset[str] | None]]
    witness: Callable[[], Awaitable[Result | None]]


def roles_of(directory: Directory, operator: Operator) -> Callable[[], Awaitable[frozenset[str] | None]]:
    """Make the question which roles are held now; the answer is None where that cannot be read."""

    async def ask() -> frozenset[str] | None:
        try:
            return await directory.own_roles(operator)
        except (DirectoryError, SignInError):
            return None

    return ask
