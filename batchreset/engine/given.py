"""Passwords that came with the cohort: judged before anything is sent, when it is known whose they would be."""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from batchreset.model import Kind, PasswordPolicy
from batchreset.policy.passwords import broken_rule, parts_of
from batchreset.status import given

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Engine

    from batchreset.cohort import Source
    from batchreset.vault.sealing import RunKey

#: Rows that a sentence names; the others it counts.
_NAMED = 3
_SHARED = "it is given for another account too"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a password stands in the cohort, and which account it is for, of what kind."""

    id: int
    account: str
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong with one password: the rule it breaks, and the place of another row that has the same."""

    place: _Place
    rule: str | None = None
    twin: _Place | None = None

    @property
    def detail(self) -> str:
        """What is wrong, as a row's detail."""
        shared = f"it is also that of {self.twin.text}" if self.twin else None
        return f"the given password was not sent: {'; '.join(filter(None, (self.rule, shared)))}"


def judge(engine: Engine, key: RunKey, policy: PasswordPolicy) -> tuple[str, ...]:
    """Judge the given passwords of the ready rows, and leave out those that the policy is to; return what to mind.

    Judged are the cloud's rules, the account's own name, and one password for several accounts. Takes 0.3 ms a row,
    most of it to open the password.
    """
    if policy is PasswordPolicy.NONE:
        return ()
    faults = _faults(engine, key)
    if policy is PasswordPolicy.WARN:
        return tuple(_told(faults, "will be sent the given password all the same"))
    given.reject(engine, {number: fault.detail for number, fault in faults.items()})
    relaxed = _relaxed(sum(fault.place.kind is Kind.SYNCHRONISED for fault in faults.values()))
    return (*_told(faults, "left out for the given password"), *filter(None, (relaxed,)))


def held_in_clear(sources: Iterable[Source]) -> str | None:
    """Say that the cohort's files go on holding the passwords; None where they all came through a pipe."""
    files = ", ".join(source.name for source in sources if not isinstance(source.table.origin.place, bytes))
    if not files:
        return None
    return (
        f"The given passwords stand in clear in {files}. The run folder holds them sealed: once the run has started "
        "nothing needs them in clear any more, and they may be deleted there."
    )


def _faults(engine: Engine, key: RunKey) -> Mapping[int, _Fault]:
    """Find what is wrong with the passwords, by the rows' ids.

    What is kept of the others, to find one that comes again, is a digest that means nothing beyond this call.
    """
    salt = secrets.token_bytes(32)
    faults: dict[int, _Fault] = {}
    alike: dict[bytes, list[_Place]] = defaultdict(list)
    for row in given.ready(engine):
        text = key.unseal(row.sealed).reveal()
        place = _Place(row.id, row.object_id, row.kind, f"{row.source} row {row.row}")
        # Not the domain: `com` is no part of anybody's name.
        rule = broken_rule(text, parts_of(row.user.partition("@")[0], row.display_name))
        alike[blake2b(text.encode(), key=salt, digest_size=16).digest()].append(place)
        if rule:
            faults[place.id] = _Fault(place, rule)
    for first, *others in alike.values():
        # The same account again is no other one.
        twin = next((place for place in others if place.account != first.account), None)
        for place in (first, *others) if twin else ():
            known = faults.get(place.id, _Fault(place))
            faults[place.id] = replace(known, twin=twin if place.account == first.account else first)
    return dict(sorted(faults.items()))


def _told(faults: Mapping[int, _Fault], fate: str) -> Iterator[str]:
    """Say which rows' passwords break which rule, a sentence for each rule, and what becomes of them."""
    places: dict[str, list[str]] = defaultdict(list)
    for fault in faults.values():
        for problem in filter(None, (fault.rule, _SHARED if fault.twin else None)):
            places[problem].append(fault.place.text)
    for problem, where in places.items():
        yield f"{_rows(len(where))} {fate}: {problem} ({_listed(where)})."


def _relaxed(synchronised: int) -> str | None:
    """Say what may be done about synchronised accounts that were left out."""
    if not synchronised:
        return None
    return (
        f"{_rows(synchronised)} of those left out for the given password: synchronised accounts, whose passwords are "
        "the on-premises policy's to judge, and it may take what the cloud does not. To send them all the same, plan "
        "again with --password-policy warn."
    )


def _listed(places: Sequence[str]) -> str:
    more = len(places) - _NAMED
    return ", ".join(places[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
