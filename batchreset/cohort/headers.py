"""Which column names the account: one table of the headers that people's tools write, and the decision."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from batchreset.cohort.identifiers import Naming, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The headers of columns that hold user principal names and nothing else, best first, as Microsoft's portals, logs and
#: modules and people's own exports write them.
_OF_UPNS = (
    (
        *("user principal name", "upn", "user upn"),  # Entra, the admin centre, Get-MgUser, Get-ADUser, Sentinel
        "account upn",  # Defender's hunting, Sentinel's IdentityInfo
        "primary user upn",  # Intune's devices
        "target1 user principal name",  # Entra's audit log: whom it was done to, never who did it
        "member object id or upn",  # Entra's template for members of groups
        "user name (UPN)",
    ),
    ("microsoft online services id", "windows live id"),  # Exchange's older names for it
)
#: Those of Active Directory's logon names; "account name" is one beside "account domain" only.
_OF_LOGON_NAMES = (
    *("sam account name", "on premises sam account name"),  # Get-ADUser, Get-MgUser
    *("user logon name (pre-windows 2000)", "pre-windows 2000 logon name"),  # Active Directory's own console
)
_ACCOUNT_NAME, _ACCOUNT_DOMAIN = "accountname", "accountdomain"  # Defender's hunting
#: All of them, best first. A user principal name wins over an object id, since people read the plan and the report; a
#: mail address comes after both, and logon names last, since either may be somebody else's too. Ids of devices,
#: applications, tenants, requests and correlations are no accounts and stand nowhere in it.
_ALIASES = (
    *_OF_UPNS,
    ("identifier",),  # our own reports'
    # "Username" is the sign-in log's, "user logon name" that console's for user principal names.
    ("user name", "sign-in name", "login", "login name", "logon name", "user logon name"),
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
    _OF_LOGON_NAMES,
)
_LAST = len(_ALIASES) - 1
#: Those that hold ids of groups and of a log's entries too, or what a device calls its own accounts.
_OF_OTHERS_TOO = frozenset({"id", "target1objectid", _ACCOUNT_NAME})

#: No secret is carried through: these anywhere in a header ...
_SECRET_PARTS = re.compile(
    r"passw|passphrase|passcode|passord|mot.?de.?passe|pwd|kennwort|wachtwoord|l[öo]senord|adgangskode|salasana"
    r"|contrase[nñ]|senha|has[lł]o|heslo|парол|パスワード|密码|密碼|암호|비밀번호|cookie",
    re.IGNORECASE,
)
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
#: A column that names fewer than one in so many of the accounts that another names, is hardly filled.
_HARDLY = 10


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


def naming(columns: Sequence[str], position: int) -> Naming:
    """Say what the names in a column may be, by its header and those beside it."""
    level = rank(columns[position])
    if level is not None and level < len(_OF_UPNS):
        return Naming.UPN
    is_of_logon_names = level == _LAST or domain_beside(columns, position) is not None
    return Naming.LOGON if is_of_logon_names else Naming.ANY


def domain_beside(columns: Sequence[str], position: int) -> int | None:
    """Return the column that holds the domains of a column of logon names; None where that has none."""
    if fold(columns[position]) != _ACCOUNT_NAME:
        return None
    return next((each for each, header in enumerate(columns) if fold(header) == _ACCOUNT_DOMAIN), None)


def of_people(columns: Sequence[str]) -> list[int]:
    """Return the columns, by position, whose headers say that whatever account they hold is somebody's."""
    return [
        position
        for position, header in enumerate(columns)
        if rank(header) is not None and fold(header) not in _OF_OTHERS_TOO
    ]


def choose(columns: Sequence[str], sample: Sequence[Sequence[str]]) -> list[int]:
    r"""Return the columns, by position, that name the accounts equally well: none, the one, or a tie.

    `columns` are the headers, empty where there is none. Known headers are tried by rank: one whose cells are
    mostly accounts, else one that holds any; where these are logon names, after all others, and those last that are
    hardly filled where others name people. Without such a column, content alone decides: one whose cells are mostly
    addresses, else mostly `DOMAIN\\user` (never object ids, which may be those of anything).
    """
    known: dict[int, tuple[int, bool, int]] = {}
    unknown: dict[bool, list[int]] = {}
    for position, header in enumerate(columns):
        kind = naming(columns, position)
        cells = [record[position] for record in sample if position < len(record) and record[position].strip()]
        keys = [key for cell in cells if (key := parse(cell, kind).key)]
        addresses, logon_names = (sum(1 for key in keys if mark in key) for mark in ("@", "\\"))
        if (level := rank(header)) is not None:
            if keys:
                level = _LAST if 2 * logon_names > len(keys) else level
                known[position] = (len(keys), 2 * len(keys) < len(cells), level)
        elif keys and 2 * max(addresses, logon_names) >= len(cells) and not _is_for_others(header):
            unknown.setdefault(logon_names > addresses, []).append(position)
    most = max((known[each][0] for each in of_people(columns) if each in known), default=0)
    ranked: dict[tuple[bool, bool, int], list[int]] = {}
    for position, (number, is_poor, its_level) in known.items():
        ranked.setdefault((_HARDLY * number < most, is_poor, its_level), []).append(position)
    return ranked[min(ranked)] if ranked else unknown[min(unknown)] if unknown else []


def _is_for_others(header: str) -> bool:
    return is_secret(header) or not _SOMEBODY_ELSE.isdisjoint(_words(header))


def _words(header: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(header)}
