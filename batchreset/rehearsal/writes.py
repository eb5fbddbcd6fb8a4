"""The routes that change something: reset, update, revoke."""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Any

from batchreset.rehearsal.exchange import Answer, Call, RefusedError, bad, denied, error, json_object, not_found
from batchreset.rehearsal.population import OPERATOR
from batchreset.rehearsal.roles import is_privileged
from batchreset.rehearsal.tenant import MustChange, What

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchreset.rehearsal.behaviour import Strike
    from batchreset.rehearsal.tenant import Account, Tenant

#: One reset in so many is answered with a Retry-After for the first look at its operation.
_HINT_EVERY = 4
_ALPHABETS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, f" {string.punctuation}")
_NOT_HELD_HERE = "The password of this user is not held by this tenant."
_TOLD_TO = "The simulated tenant was told to answer this."


def reset(tenant: Tenant, call: Call) -> Answer:
    """POST /users/{id or UPN}/authentication/methods/{password method}/resetPassword."""
    if call.batch_grant:
        raise bad("This action is not supported in a batch.", "BadRequest")
    account = _writable(tenant, call)
    password = call.properties().get("newPassword")
    if password is None and account.user.synchronised:
        raise bad("A new password must be given for a user that is synchronised from on-premises.")
    if _is_federated(tenant, account) and not account.user.synchronised:
        raise bad(_NOT_HELD_HERE)
    _check_password(tenant, account, password)
    return _under_faults(account.struck(), lambda: _begin(tenant, call, account, password))


def update(tenant: Tenant, call: Call) -> Answer:
    """PATCH /users/{id or UPN}: `passwordProfile` and `accountEnabled`.

    A profile without a password is taken and changes nothing.
    """
    account, changes = _writable(tenant, call), call.properties()
    profile = json_object(changes.get("passwordProfile"))
    if profile.get("password") is None:
        strike = account.struck(_switch(changes)) if "accountEnabled" in changes else None
        return _under_faults(strike, lambda: _apply(tenant, call, account, {**changes, "passwordProfile": {}}))
    if account.user.synchronised:
        raise bad(
            "Unable to update the specified properties for on-premises mastered Directory Sync objects "
            "or objects currently undergoing migration."
        )
    if _is_federated(tenant, account):
        raise bad(_NOT_HELD_HERE)
    _check_password(tenant, account, profile["password"], "Request_BadRequest")
    return _under_faults(account.struck(), lambda: _apply(tenant, call, account, changes))


def revoke(tenant: Tenant, call: Call) -> Answer:
    """POST /users/{id or UPN}/revokeSignInSessions."""
    account = _writable(tenant, call)

    def carry_out() -> Answer:
        account.sessions_valid_from = tenant.wall(tenant.now)
        tenant.note(account, What.REVOKED, call.client_request_id)
        return Answer(200, {"@odata.context": tenant.context("Edm.Boolean"), "value": True})

    return _under_faults(account.struck(What.REVOKED), carry_out)


def is_acceptable(password: object, shortest: int = 0) -> bool:
    """Say whether the cloud takes a password: 8, or `shortest`, to 256 ASCII characters of three of the four classes.

    Source: Microsoft's "Password policies and account restrictions in Microsoft Entra ID".
    """
    if not isinstance(password, str) or not max(shortest, 8) <= len(password) <= 256:  # noqa: PLR2004  as published
        return False
    classes = sum(any(letter in alphabet for letter in password) for alphabet in _ALPHABETS)
    return classes >= 3 and all(" " <= letter <= "~" for letter in password)  # noqa: PLR2004  three of four


def _apply(tenant: Tenant, call: Call, account: Account, changes: Mapping[str, Any]) -> Answer:
    """Change what an update names, at once."""
    profile = changes.get("passwordProfile") or {}
    if "password" in profile:
        tenant.put_in_force(account, profile["password"], call.client_request_id, tenant.now)
        account.must_change = _must_change(profile)
    if "accountEnabled" in changes:
        account.enabled = bool(changes["accountEnabled"])
        tenant.note(account, _switch(changes), call.client_request_id)
    return Answer(204)


def _switch(changes: Mapping[str, Any]) -> What:
    return What.ENABLED if changes["accountEnabled"] else What.DISABLED


def _must_change(profile: Mapping[str, Any]) -> MustChange:
    if profile.get("forceChangePasswordNextSignInWithMfa"):
        return MustChange.WITH_MFA
    return MustChange.YES if profile.get("forceChangePasswordNextSignIn") else MustChange.NO


def _begin(tenant: Tenant, call: Call, account: Account, password: str | None) -> Answer:
    made = None if password is not None else f"{secrets.choice(string.ascii_uppercase)}{secrets.token_hex(5)}-7a"
    operation = tenant.accept(account, password or made or "", call.client_request_id)
    # The query routes a real client's look to the right backend.
    path = f"users/{account.user.id}/authentication/operations/{operation.id}?aadgdc=DUB02P&aadgsu=ssprprod-a"
    headers = {"Location": f"{tenant.url}/v1.0/{path}"}
    if tenant.behaviour.look_after is not None:
        headers["Retry-After"] = f"{tenant.behaviour.look_after:g}"
    elif operation.ends_at > operation.began_at and tenant.rng.randrange(_HINT_EVERY) == 0:
        headers["Retry-After"] = "2"
    body = {"@odata.context": tenant.context("microsoft.graph.passwordResetResponse"), "newPassword": made}
    return Answer(202, body if made else None, headers)


def _under_faults(strike: Strike | None, carry_out: Callable[[], Answer]) -> Answer:
    """Carry out a write, unless something goes wrong with it before or after."""
    if strike is None:
        return carry_out()
    return _spoilt(strike, carry_out() if strike.applied else None)


def _spoilt(strike: Strike, usual: Answer | None) -> Answer:
    """Return what a fault makes of the `usual` answer, which is None where nothing was done."""
    headers = {"Retry-After": strike.retry_after} if strike.retry_after else {}
    if strike.status is None:
        return Answer(None)
    if strike.html:
        return Answer(strike.status, "<html><body><h1>Our services aren't available right now</h1></body></html>")
    if usual is None:
        raise RefusedError(strike.status, strike.code, _TOLD_TO, headers)
    if strike.code:
        return error(strike.status, strike.code, _TOLD_TO, headers)
    if not strike.location:
        usual.headers.pop("Location", None)
    usual.delay = strike.delay
    return usual


def _writable(tenant: Tenant, call: Call) -> Account:
    """Return the account to change. Raises `RefusedError` where there is none, or the operator may not."""
    account = tenant.find(call.user)
    if account is None:
        raise not_found(call.user)
    if account.user.id == OPERATOR.id:
        raise denied("The operation cannot be performed on a user's own account.")
    if account.user.restricted:
        raise denied()
    if is_privileged(tenant, account) and not tenant.behaviour.may_reset_privileged:
        raise denied()
    if account.user.guest:
        raise bad(_NOT_HELD_HERE)
    return account


def _is_federated(tenant: Tenant, account: Account) -> bool:
    return account.user.federated or tenant.domains.get(account.user.domain) == "Federated"


def _check_password(tenant: Tenant, account: Account, password: object, code: str = "PasswordPolicyViolation") -> None:
    shortest = tenant.behaviour.shortest_password
    # Synchronised users answer to the on-premises policy, which speaks up when the operation ends.
    is_fit = isinstance(password, str) if account.user.synchronised else is_acceptable(password, shortest)
    if password is not None and not is_fit:
        message = "The specified password does not comply with password complexity requirements."
        raise bad(message, code)
