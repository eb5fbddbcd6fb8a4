"""The accounts that are signed in: whose tokens the cache holds."""

from __future__ import annotations

from typing import Any

from batchreset.errors import SignInError, SignInNeededError


def chosen(app: Any, name: str | None) -> dict[str, Any]:
    """Return the account that is named, or the only one. Raises `SignInError` where that is none or not clear."""
    cache = app.token_cache
    ours = {"environment": app.authority.instance, "client_id": app.client_id}
    refreshable = {each["home_account_id"] for each in cache.search(cache.CredentialType.REFRESH_TOKEN, query=ours)}
    found: list[dict[str, Any]] = [each for each in app.get_accounts(name) if each["home_account_id"] in refreshable]
    if not found:
        raise nobody(name)
    if len(found) > 1:
        names = ", ".join(sorted(each["username"] for each in found))
        raise SignInError(f"Several accounts are signed in ({names}): name one with --account.")
    (account,) = found
    return account


def nobody(name: str | None) -> SignInNeededError:
    """Return the error that says that this account, or none at all, is signed in."""
    whom, option = (f" as {name}", f" --account {name}") if name else ("", "")
    return SignInNeededError(f"Not signed in{whom}: run `batchreset login{option}`.")


def names(cache: Any) -> list[str]:
    """Return the names of all accounts in the cache."""
    return sorted({each["username"] for each in cache.search(cache.CredentialType.ACCOUNT)})


def remove(cache: Any, name: str) -> list[str]:
    """Forget one account, by its name in any case; return the names forgotten."""
    found = [
        each for each in cache.search(cache.CredentialType.ACCOUNT) if each["username"].casefold() == name.casefold()
    ]
    for account in found:
        forget(cache, account["home_account_id"])
    return sorted({each["username"] for each in found})


def forget(cache: Any, home_account_id: str) -> None:
    """Remove an account and all its tokens."""
    kinds = cache.CredentialType
    removals = {
        kinds.REFRESH_TOKEN: cache.remove_rt,
        kinds.ACCESS_TOKEN: cache.remove_at,
        kinds.ID_TOKEN: cache.remove_idt,
        kinds.ACCOUNT: cache.remove_account,
    }
    for kind, remove_entry in removals.items():
        for entry in list(cache.search(kind, query={"home_account_id": home_account_id})):
            remove_entry(entry)
