"""What the directory's answers hold: foreign JSON, of which nothing is believed but what has the right shape."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from batchreset.model import Account, Kind
from batchreset.policy.lookups import BY_MAIL, address_keys, logon_keys
from batchreset.policy.verdict import Answer

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

#: What is asked of each account.
SELECT = (
    *("id", "userPrincipalName", "displayName", "accountEnabled", "userType", "creationType", "identities"),
    *("onPremisesSyncEnabled", "onPremisesDomainName", "onPremisesSamAccountName"),
    *("isManagementRestricted", "passwordPolicies"),
    *("lastPasswordChangeDateTime", "signInSessionsValidFromDateTime", "mail", "proxyAddresses"),
)
_NUMBER = re.compile(r"0|[1-9][0-9]?", re.ASCII)
#: What an object id is made of: it becomes a segment of a path. Microsoft's are GUIDs.
_OBJECT_ID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)


def children(batch: Answer, pending: Container[int]) -> list[tuple[int, Answer]]:
    """Return the answers to what is pending. A child with a foreign, repeated or malformed id is passed over."""
    responses = batch.body.get("responses") if isinstance(batch.body, dict) else None
    date = batch.headers.get("Date", "")  # it counts for the children too
    answers: dict[int, Answer] = {}
    for child in responses if isinstance(responses, list) else []:
        if not isinstance(child, dict) or not _is_status(child.get("status")):
            continue
        name = child.get("id")
        number = int(name) if isinstance(name, str) and _NUMBER.fullmatch(name) else -1
        if number in pending and number not in answers:
            headers = child.get("headers")
            given = headers.items() if isinstance(headers, dict) else ()
            folded = CIMultiDict((key, str(value)) for key, value in given)
            folded.setdefault("Date", date)
            answers[number] = Answer(child["status"], folded, child.get("body"))
    return list(answers.items())


def accounts(body: Any) -> list[Account] | None:
    """Return a page's users; None where it is no page, or where one of them could not be addressed."""
    users = values_in(body)
    if users is None or not all(_is_addressed(user) for user in users):
        return None
    return [_account(user) for user in users]


def _is_addressed(user: dict[str, Any]) -> bool:
    return bool(_OBJECT_ID.fullmatch(text_in(user, "id")) and text_in(user, "userPrincipalName"))


def _account(user: dict[str, Any]) -> Account:
    enabled, kind, name = user.get("accountEnabled"), _kind(user), text_in(user, "userPrincipalName")
    home = text_in(user, "onPremisesDomainName") or name.rpartition("@")[2]
    return Account(
        object_id=text_in(user, "id"),
        user=name,
        display_name=text_in(user, "displayName"),
        kind=kind,
        enabled=enabled if isinstance(enabled, bool) else None,
        password_changed_at=text_in(user, "lastPasswordChangeDateTime") or None,
        mailboxes=_mailboxes(user),
        domain=home.lower() if kind is Kind.SYNCHRONISED else "",
        is_restricted=user.get("isManagementRestricted") is True,
        is_lasting="disablepasswordexpiration" in text_in(user, "passwordPolicies").lower(),
        names=frozenset(_names(user)),
        said=json.dumps({each: user[each] for each in SELECT if each in user}, ensure_ascii=False),
    )


def _names(user: dict[str, Any]) -> Iterator[str]:
    """Yield the keys that an account goes by. Of its proxy addresses those count at which mail is received."""
    yield text_in(user, "id").lower()
    yield text_in(user, "userPrincipalName").lower()
    proxies = (text for text in _proxy_addresses(user) if text[: len(BY_MAIL)].lower() == BY_MAIL)
    yield from address_keys((text_in(user, "mail"), *(text[len(BY_MAIL) :] for text in proxies)))
    yield from logon_keys(text_in(user, "onPremisesSamAccountName"), text_in(user, "onPremisesDomainName"))


def _proxy_addresses(user: dict[str, Any]) -> list[str]:
    told = user.get("proxyAddresses")
    return [text for text in told if isinstance(text, str)] if isinstance(told, list) else []


def _kind(user: dict[str, Any]) -> Kind:
    if user.get("onPremisesSyncEnabled"):
        return Kind.SYNCHRONISED
    return Kind.GUEST if _is_at_home_elsewhere(user) else Kind.CLOUD


def _is_at_home_elsewhere(user: dict[str, Any]) -> bool:
    """Say whether an account's password is held by another tenant or provider. `userType` says nothing of that.

    An account may have several ways to sign in, and is at home here by any of them that is held here. One made by an
    invitation has #EXT# in its name, which is then no way to sign in.
    Source: Microsoft's "objectIdentity resource type", and "Properties of a B2B collaboration user".
    """
    is_external = "#ext#" in text_in(user, "userPrincipalName").lower()
    told = user.get("identities")
    ways = {text_in(way, "signInType").lower() for way in told} if isinstance(told, list) else set()
    if not ways:
        return is_external or text_in(user, "creationType").lower() == "invitation"
    held_here = {"username", "emailaddress"} if is_external else {"username", "emailaddress", "userprincipalname"}
    return ways.isdisjoint(held_here) and (is_external or "federated" in ways)


def _mailboxes(user: dict[str, Any]) -> tuple[str, ...]:
    """Return the addresses at which an account is reached itself, in lower case, each once.

    Those are `mail` and `proxyAddresses`, `SMTP:` or the like taken off. `otherMails` are the alternative ones.
    """
    told = (text_in(user, "mail"), *_proxy_addresses(user))
    addresses = (text.rpartition(":")[2].strip().lower() for text in told)
    return tuple(dict.fromkeys(address for address in addresses if "@" in address))


def role_name(role: dict[str, Any]) -> str:
    """Return what a directory role goes by: its name, or an id where that is withheld."""
    return text_in(role, "displayName") or text_in(role, "roleTemplateId") or text_in(role, "id")


def values_in(body: Any, key: str = "") -> list[dict[str, Any]] | None:
    """Return what a page holds; None where it is no page of objects, which is not the same as an empty one.

    Nor is it one where an object has no text under `key`.
    """
    values = body.get("value") if isinstance(body, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        return None
    return values if not key or all(text_in(value, key) for value in values) else None


def _is_status(value: Any) -> bool:
    return type(value) is int and 100 <= value < 600  # noqa: PLR2004  as HTTP has it


def text_in(value: Any, name: str) -> str:
    """Return the text that an object has under a name; nothing where it has none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
