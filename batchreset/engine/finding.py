"""Finding accounts in the directory by what people call them, however many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from batchreset.errors import DirectoryError
from batchreset.graph.directory import LookUpRefusedError
from batchreset.graph.queries import LOOKUP_SIZE
from batchreset.model import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchreset.graph.directory import Directory
    from batchreset.model import Account

#: Look-ups under way at once.
AT_ONCE = 4


async def find(directory: Directory, keys: Sequence[str], whose: str = "Accounts") -> dict[str, tuple[Account, ...]]:
    """Return those found by their keys, mostly one for each.

    Raises `DirectoryError`, in a group, where accounts may not be read; `whose` are meant, for a person.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def look_up(chunk: Sequence[str]) -> dict[str, tuple[Account, ...]]:
        async with places:
            try:
                return await directory.find(chunk)
            except LookUpRefusedError as error:
                if error.reason is not Reason.FORBIDDEN:
                    raise DirectoryError(f"{whose} could not be looked up ({error}); nothing was sent.") from error
                raise DirectoryError(
                    f"{whose} may not be read ({error}); nothing was sent. User.Read.All allows it."
                ) from error

    chunks = [keys[start : start + LOOKUP_SIZE] for start in range(0, len(keys), LOOKUP_SIZE)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(look_up(chunk)) for chunk in chunks]
    return {key: accounts for task in tasks for key, accounts in task.result().items()}
