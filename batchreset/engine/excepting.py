"""Whom a run leaves out because its operator says so: accounts named in files, and members of groups."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset import cohort
from batchreset.engine.faults import plain_errors
from batchreset.engine.finding import find
from batchreset.engine.gathering import groups, most_unpacked, recorded, users_in
from batchreset.errors import CohortError, UsageError
from batchreset.graph.answers import text_in
from batchreset.model import Reason
from batchreset.policy.lookups import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from batchreset.graph.directory import Directory
    from batchreset.settings import Settings
    from batchreset.status.record import SourceRecord

#: Of names that are not found, as many are listed; more of them than this share look like the wrong column.
_LISTED = 5
_FEW = 0.1


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Who is left out, by object id or UPN in lower case, and why; also what is to be told, one sentence each.

    `unchecked` is what nobody should go on with unasked, `warnings` the rest.
    """

    keys: Mapping[str, str]
    files: tuple[SourceRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """The accounts that files except, by their keys, each with the name of its file; and those files."""

    keys: Mapping[str, str]
    files: tuple[SourceRecord, ...]


def named(settings: Settings) -> Named:
    """Read whom files except.

    Raises `CohortError` for a file that cannot be understood, or holds what names nobody; `UsageError` for `-`.
    """
    found: dict[str, str] = {}
    files = []
    for path in settings.except_:
        if path == "-":
            raise UsageError("--except -: standard input can only be the cohort; save the exceptions to a file.")
        try:
            source = understood(path, settings)
        except CohortError as error:
            # Not an empty cohort, which may be well: exceptions that are gone would be reset.
            raise CohortError(f"--except {error}") from error
        for row, identifier, key, reason, others in _rows(source):
            if key:
                found.setdefault(key, source.name)
            elif reason != Reason.BLANK or any(json.loads(others).values()):
                shown = f"'{identifier}'" if identifier and identifier.isprintable() else "its cell"
                raise CohortError(
                    f"--except {source.name}, row {row}: {shown} in column '{source.account_column}' names no account, "
                    "so nobody knows who is to be left out; correct or remove this row."
                )
        files.append(recorded(source))
    return Named(found, tuple(files))


def understood(path: str, settings: Settings) -> cohort.Source:
    """Understand a file of exceptions: it may have the cohort's column, or another."""
    try:
        return cohort.inspect([path], column=settings.column, max_unpacked=most_unpacked(settings))[0]
    except cohort.UnsuitableError:
        if settings.column is None:
            raise
        return cohort.inspect([path], max_unpacked=most_unpacked(settings))[0]


def _rows(source: cohort.Source) -> Iterator[tuple[int, str, str, str, str]]:
    for chunk in cohort.read(source):
        yield from chunk[["row", "identifier", "key", "reason", "cohort"]].itertuples(index=False, name=None)


async def exceptions(directory: Directory, in_files: Named, settings: Settings) -> Exceptions:
    """Find out who is left out: accounts that files name, all that may be meant, and members of groups.

    Raises `RefusedError` where a group is not found or has nobody in it, or something may not be read.
    """
    keys = {plain(key): f"named in {source}" for key, source in in_files.keys.items()}
    with plain_errors(settings.out):
        known = await find(directory, [*in_files.keys], "The accounts of --except")
    for key, accounts in known.items():
        for account in accounts:
            keys.setdefault(account.object_id.lower(), keys[plain(key)])
    for group in await groups(directory, settings.except_group, "--except-group"):
        users = await users_in(directory, group, "--except-group")
        if not users:
            raise CohortError(
                f"--except-group {group.name}: it has no members that may be read, so nobody would be left out for it; "
                "Member.Read.Hidden allows to read a hidden membership."
            )
        for user in users:
            keys.setdefault(text_in(user, "id").lower(), f"member of group {group.name}")
    few, many = _unknown(in_files.keys, known)
    return Exceptions(keys, in_files.files, warnings=few, unchecked=many)


def _unknown(in_files: Mapping[str, str], known: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a sentence for each file that excepts accounts which are not there: of those with few, and with many."""
    sentences: dict[bool, list[str]] = {False: [], True: []}
    for source, total in Counter(in_files.values()).items():
        missing = [key for key, its_source in in_files.items() if its_source == source and key not in known]
        if missing:
            listed = ", ".join(map(plain, missing[:_LISTED])) + (", ..." if len(missing) > _LISTED else "")
            sentence = (
                f"Of the {total:,} accounts that --except {source} leaves out, {len(missing):,} are not in this tenant "
                f"({listed}): whoever is meant by them is not left out."
            )
            sentences[len(missing) > _FEW * total].append(sentence)
    return tuple(sentences[False]), tuple(sentences[True])
