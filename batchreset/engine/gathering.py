"""Whom a run is about: its cohort's files, members of groups, users at risk.

What the directory lists becomes a cohort file of the run's own.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from batchreset import cohort
from batchreset.errors import DirectoryError, UsageError
from batchreset.graph.answers import text_in
from batchreset.graph.directory import LookUpRefusedError
from batchreset.graph.groups import Group, find_group, members
from batchreset.graph.risk import COLUMNS as RISK_COLUMNS
from batchreset.graph.risk import at_risk
from batchreset.model import Risk
from batchreset.policy.naming import file_names
from batchreset.report.guard import guard
from batchreset.settings import IfEmpty
from batchreset.status.record import SourceRecord
from batchreset.values import size

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from batchreset.graph.directory import Directory
    from batchreset.settings import Settings

_RISKY_USERS = "risky-users"
_MEMBER_COLUMNS = ("id", "userPrincipalName", "displayName")


@dataclass(frozen=True, slots=True)
class Listed:
    """Accounts as the directory listed them, each with an `id`; `stem` is for the name of their file."""

    title: str
    stem: str
    columns: tuple[str, ...]
    accounts: Sequence[Mapping[str, Any]]


def files(paths: Sequence[str], settings: Settings, stdin: BinaryIO | None = None) -> tuple[cohort.Source, ...]:
    """Understand the cohort's files, which there may be none of where the directory is to list accounts.

    Raises as `cohort.inspect` does, and `UsageError` where nothing at all names the cohort or --where is no expression.
    """
    where = meant(settings)
    has_lists = bool(settings.group or settings.risky_users)
    if not paths:
        if not has_lists:
            raise UsageError(
                "Missing argument 'COHORT': name a file, or - for standard input; or give --group or --risky-users."
            )
        return ()
    may_be_empty = settings.if_empty is IfEmpty.OK
    try:
        found = understood(paths, settings, stdin, may_be_empty=may_be_empty)
    except cohort.EmptyError:
        if may_be_empty and has_lists:
            return ()
        raise
    refuse_unknown(found, where)
    return found


def understood(
    paths: Sequence[str], settings: Settings, stdin: BinaryIO | None = None, *, may_be_empty: bool = False
) -> tuple[cohort.Source, ...]:
    """Understand files as these settings say. Raises as `cohort.inspect` does."""
    return cohort.inspect(
        paths,
        column=settings.column,
        password_column=settings.password_column,
        stdin=stdin,
        may_be_empty=may_be_empty,
        max_unpacked=most_unpacked(settings),
    )


def most_unpacked(settings: Settings) -> int | None:
    """Return the bytes that a workbook may unpack to; None where that is not set."""
    return None if settings.max_unpacked is None else size(settings.max_unpacked, "--max-unpacked")


def meant(settings: Settings) -> cohort.Where | None:
    """Understand --where. Raises `UsageError`."""
    return cohort.Where.parse(settings.where) if settings.where is not None else None


def refuse_unknown(sources: Iterable[cohort.Source], where: cohort.Where | None) -> None:
    """Raise `CohortError` where --where names a column that one of these does not have."""
    if where:
        for source in sources:
            where.refuse_unknown(source.name, (source.account_column, *source.columns))


async def lists(
    directory: Directory,
    given: Sequence[cohort.Source],
    settings: Settings,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Listed, ...]:
    """Read the groups and the users at risk that are to be reset, each to its end.

    Raises `RefusedError` where a group is not found or something may not be read, and `EmptyError` for a list without
    anybody: where it may be empty it is left out, unless nothing is left, nor anything `given` besides.
    """
    found = []
    for group in await groups(directory, settings.group, "--group"):
        progress(f"reading the members of {group.name}")
        accounts = await users_in(directory, group, "--group")
        found.append(Listed(group.name, f"group-{group.name}", _MEMBER_COLUMNS, accounts))
    if settings.risky_users:
        progress("reading the users at risk")
        found.append(Listed(_RISKY_USERS, _RISKY_USERS, RISK_COLUMNS, await _risky(directory, settings)))
    filled = tuple(each for each in found if each.accounts)
    empty = [each.stem for each in found if not each.accounts]
    if empty and (settings.if_empty is IfEmpty.ERROR or not (given or filled)):
        raise cohort.EmptyError(f"{empty[0]} is empty: there is no account in it.")
    return filled


def recorded(source: cohort.Source, told: Mapping[str, Any] | None = None) -> SourceRecord:
    """Return what the run keeps of a file; `told` is what its rows name, as `rows.tally` counts them."""
    place = source.table.origin.place
    return SourceRecord(
        source.name,
        source.sha256,
        source.records,
        source.account_column,
        path=None if isinstance(place, bytes) else str(place),
        found_by=source.found_by,
        encoding=source.table.form.guessed,
        **{"examples": source.examples, **(told or {})},
    )


def save(listed: Sequence[Listed], folder: Path, given: Sequence[cohort.Source]) -> tuple[cohort.Source, ...]:
    """Write each list to a cohort file in the run folder; return them as sources behind those that were given.

    Each is named as no other is. The same accounts make the same file. Raises `OSError` where it cannot be written.
    """
    sources = list(given)
    for each in listed:
        name = _unused(each.stem, {source.name for source in sources})
        data = _as_csv(each)
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(data)
        sources.append(cohort.written_here(name, data, column="id"))
    return tuple(sources)


async def groups(directory: Directory, names: Iterable[str], option: str) -> list[Group]:
    """Find groups, each once, however often it is named."""
    found: dict[str, Group] = {}
    for name in names:
        try:
            group = await find_group(directory, name, option)
        except LookUpRefusedError as error:
            raise _unreadable_group(f"{option} {name}", error) from error
        found.setdefault(group.id, group)
    return list(found.values())


async def users_in(directory: Directory, group: Group, option: str) -> list[dict[str, Any]]:
    """Read a group's members to the end."""
    try:
        return [account async for page in members(directory, group.id) for account in page]
    except LookUpRefusedError as error:
        raise _unreadable_group(f"{option} {group.name}", error) from error


def _unreadable_group(what: str, error: LookUpRefusedError) -> DirectoryError:
    return DirectoryError(f"{what}: it may not be read ({error}); nothing was sent. GroupMember.Read.All allows it.")


async def _risky(directory: Directory, settings: Settings) -> list[dict[str, Any]]:
    try:
        return await at_risk(directory, settings.min_risk or Risk.LOW)
    except LookUpRefusedError as error:
        raise DirectoryError(
            f"--risky-users: they may not be read ({error}); nothing was sent. IdentityRiskyUser.Read.All allows it, "
            "with a role such as Security Reader, in a tenant that has Identity Protection (Entra ID P2)."
        ) from error


def _unused(stem: str, taken: Collection[str]) -> str:
    safe = file_names([stem])[stem]
    names = (f"{safe}.csv" if number == 1 else f"{safe} ({number}).csv" for number in count(1))
    folded = {name.casefold() for name in taken}
    return next(name for name in names if name.casefold() not in folded)


def _as_csv(listed: Listed) -> bytes:
    """Write accounts as a cohort file: by id, each once, for spreadsheets that would rather run their cells."""
    accounts = {text_in(account, "id").lower(): account for account in listed.accounts}
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(listed.columns)
    lines.writerows(
        [guard(_plain(text_in(accounts[key], column))) for column in listed.columns] for key in sorted(accounts)
    )
    return text.getvalue().encode("utf-8-sig")


def _plain(text: str) -> str:
    """Write somebody's text on one line."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)
