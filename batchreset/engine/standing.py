"""Telling a row that may not be reset from a role that has ended: both are answered 403.

Roles that are activated just in time last for hours, and may end in mid-run.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.errors import DirectoryError, SignInError
from batchreset.model import Reason
from batchreset.policy.standing import RENEWAL_HOLDS, is_role_held
from batchreset.policy.verdict import Accepted, Demoted, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchreset.engine.control import Control
    from batchreset.engine.ledger import Ledger
    from batchreset.graph.directory import Directory
    from batchreset.graph.session import GraphSession
    from batchreset.model import Operator
    from batchreset.policy.verdict import Result, Verdict


@dataclass(frozen=True, slots=True)
class Departure:
    """When a write left, and whether another one of this start had been accepted by then."""

    at: float
    is_proven: bool


class Standing:
    """Shared by the workers. The first to meet a refusal finds out for all; the others wait and share what it found."""

    def __init__(
        self,
        graph: GraphSession,
        roles: Callable[[], Awaitable[frozenset[str] | None]],
        witness: Callable[[], Awaitable[Result | None]],
        ledger: Ledger,
        control: Control,
    ) -> None:
        """Ask `roles` which are held now, and `witness` for what came of reading again what could be read before."""
        self._graph = graph
        self._roles = roles
        self._witness = witness
        self._ledger = ledger
        self._control = control
        self._before: frozenset[str] | None = None
        self._is_proven = False
        self._turn = asyncio.Lock()
        self._renewed_at = self._seen_at = -math.inf

    async def begin(self) -> None:
        """Remember which roles are held at the start."""
        self._before = await self._roles()

    def departure(self) -> Departure:
        """Note that a write is about to leave."""
        return Departure(asyncio.get_running_loop().time(), self._is_proven)

    async def weigh(self, verdict: Verdict, departure: Departure) -> Verdict:
        """Return the verdict, or `Demoted` for a refusal that is not the row's own.

        Such a row may be sent again, unless the run was halted: either the role is gone, or there is another token
        than the one it was sent with. Where no write was accepted before this one, every refusal is the row's own: a
        sign-in that never could do it has lost nothing, and a row must not halt every start anew.
        """
        self._is_proven |= isinstance(verdict, Accepted)
        if not (departure.is_proven and isinstance(verdict, Refused) and verdict.reason is Reason.FORBIDDEN):
            return verdict
        refused_at = asyncio.get_running_loop().time()
        async with self._turn:
            if self._control.sending_stopped.is_set() or await self._has_another_token(departure.at):
                return Demoted()
            is_held = self._seen_at >= refused_at or await self._find_out(verdict.why)
        return verdict if is_held else Demoted()

    async def _has_another_token(self, sent_at: float) -> bool:
        clock = asyncio.get_running_loop().time
        if sent_at >= self._renewed_at and clock() - self._renewed_at > RENEWAL_HOLDS:
            try:
                is_renewed = await self._graph.renew()
            except SignInError:
                is_renewed = False  # there may be time left on the one we have; the requests will tell
            if is_renewed:
                self._renewed_at = clock()
                self._ledger.decide("sign-in renewed", because="a write was refused")
        return sent_at < self._renewed_at

    async def _find_out(self, why: str) -> bool:
        begun_at = asyncio.get_running_loop().time()
        is_held = is_role_held(await self._witness(), self._before, await self._roles())
        self._ledger.decide("role probed", held=is_held)
        if is_held:
            self._seen_at = begun_at
        else:
            self._control.halt(
                f"the role of whoever is signed in may have expired ({why}): activate it, then `batchreset resume`",
                follow=True,
            )
        return is_held


def roles_of(directory: Directory, operator: Operator) -> Callable[[], Awaitable[frozenset[str] | None]]:
    """Make the question which roles are held now; the answer is None where that cannot be read."""

    async def ask() -> frozenset[str] | None:
        try:
            return await directory.own_roles(operator)
        except (DirectoryError, SignInError):
            return None

    return ask
