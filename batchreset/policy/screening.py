"""Who is left out, and why. The order of the rules is the order of what a reader would want to be told first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchreset.model import Account, Kind, Method, PasswordSource, Reason

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, slots=True)
class Rules:
    """What screening knows besides the account itself. Keys are object ids and UPNs, in lower case.

    `privileged` holds the object ids with a directory role; None where the tenant did not let us read them.
    """

    operator_id: str | None
    protected: AbstractSet[str]
    privileged: AbstractSet[str] | None
    include_privileged: bool
    password_source: PasswordSource
    method: Method


def screen(account: Account | None, rules: Rules) -> Reason | None:
    """Say why this account must not be reset, or None. `account` is None where the directory knows nobody."""
    if account is None:
        return Reason.NOT_FOUND
    object_id = account.object_id.lower()
    if object_id in rules.protected or account.user.lower() in rules.protected:
        return Reason.PROTECTED
    if object_id == rules.operator_id:
        return Reason.SELF
    if rules.privileged is not None and object_id in rules.privileged and not rules.include_privileged:
        return Reason.PRIVILEGED
    if account.kind is Kind.SYNCHRONISED and not _reaches_synchronised(rules):
        return Reason.SYNCHRONISED
    return None


def _reaches_synchronised(rules: Rules) -> bool:
    """Say whether accounts from on-premises can be reset.

    The service makes no passwords for them, and a passwordProfile would be refused or part their password from AD's.
    """
    return rules.method is Method.RESET_PASSWORD and rules.password_source is not PasswordSource.SYSTEM
