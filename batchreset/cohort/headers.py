"""Which column names the account: one table of the headers that people's tools write, and the decision."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from batchreset.cohort import identifiers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The headers of account columns, best first, as Microsoft's portals, logs and modules and people's own exports
#: write them. A user principal name wins over an object id, since people read the plan and the report; a mail
#: address comes last, since it is only usually the user principal name. Ids of devices, applications, tenants,
#: requests and correlations are no accounts and stand nowhere in it.
_ALIASES = (
    (
        *("user principal name", "upn", "user upn"),  # Entra, the admin centre, Get-MgUser, Get-ADUser, Sentinel
        "account upn",  # Defender's hunting, Sentinel's IdentityInfo
        "primary user upn",  # Intune's devices
        "target1 user principal name",  # Entra's audit log: whom it was done to, never who did it
        "member object id or upn",  # Entra's template for members of groups
        *("user name (UPN)", "identifier"),  # our own reports' among them
    ),
    ("microsoft online services id", "windows live id"),  # Exchange's older names for it
    ("user name", "sign-in name", "login", "login name", "logon name"),  # "Username" is the sign-in log's
    ("sign-in identifier", "sign-in"),  # the sign-in log's too: what was typed
    ("user", "users", "user account", "account", "accounts", "account name", "identity", "affected user"),
    (
        *("user id", "user ids", "user object id"),  # the sign-in log; Purview, where it holds names
        *("account object id", "target1 object id", "external directory object id"),  # Defender, audit log, Exchange
        *("azure ad object id", "entra object id", "aad user id", "object id"),
    ),
    ("id",),  # Graph's users; in its logs it is the entry's, beside a user's
    (
        *("email", "e-mail", "mail", "email address", "e-mail address", "mail address", "user email", "work email"),
        *("emails", "alias@domain name"),  # breach lists; Have I Been Pwned
        "primary user email address",  # Intune
        "primary smtp address",  # Exchange
    ),
    ("windows email address", "recipient email address"),  # Exchange, Defender's mail events
)

#: No secret is carried through: these anywhere in a header ...
_SECRET_PARTS = re.compile(r"passw|passphrase|passcode|pwd|kennwort|cookie", re.IGNORECASE)
#: ... or these as one of its words.
_SECRET_WORDS = frozenset(
    {"pass", "hash", "hashes", "secret", "secrets", "token", "tokens", "cookie", "cookies", "credential", "credentials"}
)
#: A column headed so holds accounts of people who are not to be reset, however well its content looks.
_SOMEBODY_ELSE = frozenset(
    {
        *("manager", "supervisor", "actor", "by", "approver", "requester", "reporter", "sponsor", "sender", "from"),
        *("forwarding", "reply", "alternate", "alternative", "recovery", "secondary", "private", "personal"),
    }
)
#: Entra's bulk templates name the property in every language: "User name [userPrincipalName] Required".
_PROPERTY = re.compile(r"\[([a-z]\w*)\]")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def fold(header: str) -> str:
    """Return a header for comparing: without regard to case, white space or punctuation."""
    return "".join(letter for letter in header.casefold() if letter.isalnum())


_RANKS: Mapping[str, int] = {fold(alias): rank for rank, aliases in enumerate(_ALIASES) for alias in aliases}


def rank(header: str) -> int | None:
    """Say how surely a header names the account column, 0 best; None for a header not in the table."""
    return _RANKS.get(fold(property_of(header) or header))


def property_of(header: str) -> str:
    """Return the property that a bulk template's header names in brackets; nothing where it is no such header."""
    found = _PROPERTY.search(header)
    return found[1] if found else ""


def is_secret(header: str) -> bool:
    """Say whether a column holds credentials, and so is never carried through."""
    return bool(_SECRET_PARTS.search(header)) or not _SECRET_WORDS.isdisjoint(_words(header))


def choose(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns, by position, that name the accounts equally well: none, the one, or a tie.

    `columns` are the headers, empty where there is none. Known headers are tried by rank: one whose cells are
    mostly accounts, else one that holds any. Without such a column, content alone decides: one whose cells are mostly
    user principal names (never object ids, which may be those of anything).
    """
    known: dict[tuple[bool, int], list[int]] = {}
    unknown: list[int] = []
    for position, header in enumerate(columns):
        found = [
            identifiers.parse(record[position])
            for record in sample
            if position < len(record) and record[position].strip()
        ]
        accounts = sum(1 for each in found if each.key)
        names = sum(1 for each in found if each.key and not each.is_object_id)
        if (level := rank(header)) is not None:
            if accounts:
                known.setdefault((2 * accounts < len(found), level), []).append(position)
        elif names and 2 * names >= len(found) and not is_secret(header) and not _is_somebody_else(header):
            unknown.append(position)
    return known[min(known)] if known else unknown


def _is_somebody_else(header: str) -> bool:
    return not _SOMEBODY_ELSE.isdisjoint(_words(header))


def _words(header: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(header)}
