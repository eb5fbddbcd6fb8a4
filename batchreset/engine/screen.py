"""Screening the rows of a status table: every account is known to the directory before anything is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchreset.errors import DirectoryError
from batchreset.graph.directory import LOOKUP_SIZE, LookUpRefusedError
from batchreset.policy.screening import Rules, screen
from batchreset.status import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Engine

    from batchreset.graph.directory import Directory
    from batchreset.model import Method, Operator, Reason, State
    from batchreset.settings import Settings

#: $batch requests under way at once.
_BATCHES = 4


async def rules_for(
    directory: Directory, operator: Operator, method: Method, settings: Settings
) -> tuple[Rules, tuple[str, ...]]:
    """Gather what screening needs to know; also what could not be checked, one sentence each."""
    unchecked: tuple[str, ...] = ()
    privileged: frozenset[str] | None = None
    try:
        privileged = await directory.privileged()
    except LookUpRefusedError as error:
        sentence = f"Who holds a directory role could not be read ({error}), so administrators are not left out; "
        unchecked = (sentence + "RoleManagement.Read.Directory allows it.",)
    rules = Rules(
        operator_id=operator.object_id.lower() if operator.object_id else None,
        protected=frozenset(name.strip().lower() for name in settings.protect),
        privileged=privileged,
        include_privileged=settings.include_privileged,
        password_source=settings.password_source,
        method=method,
    )
    return rules, unchecked


async def screen_rows(
    engine: Engine,
    directory: Directory,
    rules: Rules,
    progress: Callable[[int], None] = lambda _: None,
    *,
    also: AbstractSet[State] = frozenset(),
) -> dict[int, Reason]:
    """Look every ready row up, exclude those with a reason, and return their ids with it.

    Rows in the states `also` are looked up and told alike, but none of them is moved. `progress` is told how
    many have been looked up.

    Raises `DirectoryError`, in a group, when accounts may not be read: what is sent is keyed by object id.
    """
    rows.exclude_repeats(engine, by_object_id=False)
    places = asyncio.Semaphore(_BATCHES)
    done = 0
    left_out: dict[int, Reason] = {}

    async def look_up(chunk: list[tuple[int, str]]) -> None:
        nonlocal done
        try:
            found = await directory.find([key for _, key in chunk])
        except LookUpRefusedError as error:
            raise DirectoryError(
                f"Accounts may not be read ({error}); nothing was sent. User.Read.All allows it."
            ) from error
        finally:
            places.release()
        told = [(number, found.get(key), screen(found.get(key), rules)) for number, key in chunk]
        rows.screened(engine, told)
        left_out.update({number: reason for number, _, reason in told if reason is not None})
        done += len(chunk)
        progress(done)

    async with asyncio.TaskGroup() as group:
        for chunk in rows.unscreened(engine, LOOKUP_SIZE, also):
            await places.acquire()
            group.create_task(look_up(chunk))
    rows.exclude_repeats(engine, by_object_id=True)
    return left_out
