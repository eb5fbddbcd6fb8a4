from __future__ import annotations

from dataclasses import replace

import pytest

from batchreset.model import Account, Kind, Method, PasswordSource, Reason
from batchreset.policy.screening import Rules, screen

ANA = Account("AAAA-1", "Ana@Contoso.example", "Ana", Kind.CLOUD, enabled=True, password_changed_at=None)
NOBODY_SPECIAL = Rules(
    operator_id="zzzz-9",
    protected=frozenset(),
    privileged=frozenset(),
    include_privileged=False,
    password_source=PasswordSource.GENERATED,
    method=Method.RESET_PASSWORD,
)


def test_an_ordinary_account_is_reset() -> None:
    """No rule speaks against it."""
    assert screen(ANA, NOBODY_SPECIAL) is None


def test_who_is_not_in_the_directory_is_left_out() -> None:
    """Nothing is sent to a name that the directory does not know."""
    assert screen(None, NOBODY_SPECIAL) is Reason.NOT_FOUND


@pytest.mark.parametrize("name", ["aaaa-1", "ana@contoso.example"])
def test_protected_accounts_are_left_out(name: str) -> None:
    """By object id or UPN, without regard to case."""
    assert screen(ANA, replace(NOBODY_SPECIAL, protected=frozenset({name}))) is Reason.PROTECTED


def test_the_operator_is_left_out() -> None:
    """Graph does not reset the signed-in account itself."""
    assert screen(ANA, replace(NOBODY_SPECIAL, operator_id="aaaa-1")) is Reason.SELF


def test_an_application_has_no_account_of_its_own() -> None:
    """Without a signed-in user nobody is the operator."""
    assert screen(ANA, replace(NOBODY_SPECIAL, operator_id=None)) is None


def test_holders_of_a_role_are_left_out_unless_asked_for() -> None:
    """--include-privileged lifts it."""
    rules = replace(NOBODY_SPECIAL, privileged=frozenset({"aaaa-1"}))
    assert screen(ANA, rules) is Reason.PRIVILEGED
    assert screen(ANA, replace(rules, include_privileged=True)) is None


def test_roles_that_could_not_be_read_exclude_nobody() -> None:
    """That is said in the plan and asked about instead."""
    assert screen(ANA, replace(NOBODY_SPECIAL, privileged=None)) is None


def test_a_synchronised_account_must_be_given_its_password() -> None:
    """The service makes passwords for cloud accounts only."""
    synchronised = replace(ANA, kind=Kind.SYNCHRONISED)
    assert screen(synchronised, NOBODY_SPECIAL) is None
    system = replace(NOBODY_SPECIAL, password_source=PasswordSource.SYSTEM)
    assert screen(synchronised, system) is Reason.SYNCHRONISED
    assert screen(ANA, system) is None


def test_a_synchronised_account_is_not_reached_by_password_profile() -> None:
    """That route would be refused, or leave AD's password as it was; accounts of the cloud are reset."""
    rules = replace(NOBODY_SPECIAL, method=Method.PASSWORD_PROFILE)
    assert screen(replace(ANA, kind=Kind.SYNCHRONISED), rules) is Reason.SYNCHRONISED
    assert screen(ANA, rules) is None


def test_the_first_rule_that_applies_is_the_reason() -> None:
    """Protected before self, before privileged, before synchronised."""
    account = replace(ANA, kind=Kind.SYNCHRONISED)
    rules = Rules(
        "aaaa-1", frozenset({"aaaa-1"}), frozenset({"aaaa-1"}), False, PasswordSource.SYSTEM, Method.RESET_PASSWORD
    )
    assert screen(account, rules) is Reason.PROTECTED
    rules = replace(rules, protected=frozenset())
    assert screen(account, rules) is Reason.SELF
    rules = replace(rules, operator_id=None)
    assert screen(account, rules) is Reason.PRIVILEGED
    rules = replace(rules, privileged=frozenset())
    assert screen(account, rules) is Reason.SYNCHRONISED
