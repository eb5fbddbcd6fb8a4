r"""By what keys accounts are compared and looked up. All are in lower case, and say what kind of name they are.

`zoe@contoso.example` is a user principal name and nothing else, `smtp:zoe@contoso.example` one or else an address of a
mailbox. `corp\zoe` and `\zoe` are logon names of Active Directory, with their domain and without; what is left are
object ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: As Exchange writes it before an address. No user principal name holds a colon.
BY_MAIL = "smtp:"


def plain(key: str) -> str:
    """Return a key as people write the name."""
    return key.removeprefix(BY_MAIL).removeprefix("\\")


def spelt(name: str) -> frozenset[str]:
    """Return all the keys that a name may have been read as."""
    return frozenset(mark + name.strip().lower() for mark in ("", BY_MAIL, "\\"))


def undomained(key: str) -> str:
    """Return the key of a logon name without its domain, and any other as it is."""
    _, mark, name = key.rpartition("\\")
    return mark + name


def address_keys(addresses: Iterable[str]) -> Iterator[str]:
    """Yield the keys of a mailbox by its addresses."""
    return (BY_MAIL + address.lower() for address in addresses if address)


def logon_keys(name: str, domain: str) -> Iterator[str]:
    """Yield the keys of a logon name: without its domain, with it, and with the first label of that.

    The last is the domain's NetBIOS name as a rule, which the directory does not tell of users.
    """
    if name:
        yield f"\\{name}".lower()
        if domain:
            yield f"{domain}\\{name}".lower()
            yield f"{domain.partition('.')[0]}\\{name}".lower()
