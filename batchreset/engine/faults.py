"""Letting faults out as what they are: one error that a person can read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DatabaseError, IntegrityError

from batchreset.errors import BatchResetError, StatusTableError
from batchreset.status.database import unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def plain_errors(folder: Path, otherwise: type[BatchResetError] = StatusTableError) -> Iterator[None]:
    """Raise one error of a task group's, one that a user can do something about if there is any.

    What the database says of the status table in `folder` is raised as `otherwise`, unless the fault is our own.
    """
    try:
        yield
    except (BaseExceptionGroup, DatabaseError) as error:
        first = _telling(error)
        if isinstance(first, DatabaseError) and not isinstance(first, IntegrityError):
            raise otherwise(unusable(folder, first)) from first
        raise first from None


def _telling(error: BaseException) -> BaseException:
    leaves = list(_leaves(error))
    return next((leaf for leaf in leaves if isinstance(leaf, BatchResetError)), leaves[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
