"""What is asked of /users to find accounts by their keys, and which of those found goes by which."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from batchreset.graph.answers import SELECT
from batchreset.policy.lookups import BY_MAIL, undomained

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from batchreset.model import Account

_Value = TypeVar("_Value")

#: Microsoft's limits: comparisons in one filter, whether `in` lists them or `or` joins them; requests in one $batch.
COMPARISONS = 15
BATCH_REQUESTS = 20
#: Names that one $batch looks up: by addresses of mailboxes each takes three comparisons.
LOOKUP_SIZE = COMPARISONS * BATCH_REQUESTS
#: What counting, and filtering by some properties, ask for. Source: Microsoft's "Advanced query capabilities on
#: Microsoft Entra ID objects".
EVENTUALLY = {"ConsistencyLevel": "eventual"}


@dataclass(frozen=True, slots=True)
class Query:
    """One look-up of users, `path` being relative to the version."""

    path: str
    is_advanced: bool = False

    def child(self, number: int) -> dict[str, Any]:
        """Return it as a request of a $batch, where the advanced ones have the header to themselves."""
        headers = {"headers": EVENTUALLY} if self.is_advanced else {}
        return {"id": str(number), "method": "GET", "url": self.path, **headers}


def by_names(names: Iterable[str]) -> Iterator[Query]:
    """Yield the look-ups of user principal names, object ids and logon names, each kind for itself.

    Logon names can be filtered by in advanced queries only. Source: "Advanced query capabilities on Microsoft Entra ID
    objects", and "query parameter limitations" in Graph's known issues for the most that `in` takes.
    """
    kinds: dict[str, list[str]] = {"userPrincipalName": [], "id": [], "onPremisesSamAccountName": []}
    for name in dict.fromkeys(names):
        bare = undomained(name)
        kind = "onPremisesSamAccountName" if "\\" in name else "userPrincipalName" if "@" in name else "id"
        kinds[kind].append(bare.removeprefix("\\"))
    for kind, values in kinds.items():
        for some in _in_parts(list(dict.fromkeys(values)), COMPARISONS):
            listed = ",".join(map(_text, some))
            yield _query(f"{kind} in ({listed})", is_advanced=kind == "onPremisesSamAccountName")


def by_mail(keys: Iterable[str]) -> Iterator[Query]:
    """Yield the look-ups of addresses of mailboxes, by `mail` and by `proxyAddresses`, primary ones and aliases.

    These need no advanced query, but `in` is not to be had for proxyAddresses. Whether comparing them heeds case is not
    documented, so the prefix is asked for as Exchange writes it: in capitals for primary addresses. Source: as above.
    """
    clauses = ("mail eq {0}", "proxyAddresses/any(p:p eq {1})", "proxyAddresses/any(p:p eq {2})")
    for some in _in_parts(list(keys), COMPARISONS // len(clauses)):
        told = [
            clause.format(_text(address), _text(BY_MAIL + address), _text(BY_MAIL.upper() + address))
            for address in (key.removeprefix(BY_MAIL) for key in some)
            for clause in clauses
        ]
        yield _query(" or ".join(told))


def going_by(names: Mapping[str, str], accounts: Iterable[Account]) -> dict[str, tuple[Account, ...]]:
    """Return who goes by each of `names`, which are by the keys that are asked for; keys of nobody are left out.

    A logon name is narrowed by a domain's DNS name only. Where nobody of that logon name is in the domain that was
    named, those in other domains are returned.
    """
    known: dict[str, dict[str, Account]] = defaultdict(dict)
    for account in accounts:
        for name in account.names:
            known[name][account.object_id.lower()] = account
    hits = {key: known.get(_as_told(name)) or known.get(undomained(name)) for key, name in names.items()}
    return {key: tuple(found.values()) for key, found in hits.items() if found}


def unreached(keys: Iterable[str], found: Mapping[str, Iterable[Account]]) -> list[str]:
    """Return those of `keys` that may be addresses of mailboxes, but are none of theirs who were `found` by them."""
    return [
        key for key in keys if key.startswith(BY_MAIL) and not any(key in each.names for each in found.get(key, ()))
    ]


def together(*found: Mapping[str, Iterable[Account]]) -> dict[str, tuple[Account, ...]]:
    """Return whom several look-ups found by each key, everybody once."""
    known: dict[str, dict[str, Account]] = defaultdict(dict)
    for one in found:
        for key, accounts in one.items():
            known[key] |= {account.object_id.lower(): account for account in accounts}
    return {key: tuple(them.values()) for key, them in known.items()}


def batches(queries: Iterable[Query]) -> Iterator[Sequence[Query]]:
    """Yield as many queries at a time as one $batch takes."""
    return _in_parts(list(queries), BATCH_REQUESTS)


def _as_told(name: str) -> str:
    """Return a name with the domain that the directory tells of users: of NetBIOS names it tells nothing."""
    return name if "." in name.partition("\\")[0] else undomained(name)


def _query(condition: str, *, is_advanced: bool = False) -> Query:
    counted = "&$count=true" if is_advanced else ""
    return Query(f"/users?$filter={quote(condition, safe='')}&$select={','.join(SELECT)}{counted}", is_advanced)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _in_parts(values: Sequence[_Value], size: int) -> Iterator[Sequence[_Value]]:
    return (values[start : start + size] for start in range(0, len(values), size))
