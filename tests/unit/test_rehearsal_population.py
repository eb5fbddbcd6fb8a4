from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchreset.rehearsal.behaviour import Fault
from batchreset.rehearsal.population import DOMAIN, OPERATOR, User, populate


def cohort(size: int) -> list[str]:
    return [f"person.{number}@{DOMAIN}" for number in range(size)]


def kinds(users: list[User], size: int) -> Counter[str]:
    """Count the accounts of each awkward kind, and those that are missing."""
    found = Counter({"absent": size - len(users)})
    for user in users:
        found.update(fault.value for fault in user.faults)
        found.update(
            name
            for name, has in (
                ("privileged", user.roles),
                ("synchronised", user.synchronised),
                ("disabled", not user.enabled),
                ("guest", user.guest),
            )
            if has
        )
    return found


AWKWARD = {
    "absent",
    "privileged",
    "synchronised",
    "disabled",
    "guest",
    Fault.LOST_AFTER,
    Fault.LOST_BEFORE,
    Fault.NO_LOCATION,
    Fault.OPERATION_UNREADABLE,
    Fault.OPERATION_FAILS,
    Fault.REJECTED,
    Fault.UNAVAILABLE,
    Fault.OPERATION_NEVER_ENDS,
}


@pytest.mark.parametrize("size", [100, 500, 5000])
def test_every_awkward_kind_is_there_from_a_hundred_accounts_on(size: int) -> None:
    """Each kind at least once, exactly one operation that never ends, and five sixths of all are ordinary."""
    found = kinds(populate(cohort(size)), size)
    assert {name for name, number in found.items() if number} == AWKWARD
    assert found[Fault.OPERATION_NEVER_ENDS] == 1
    assert found.total() <= 0.17 * size
    assert found["synchronised"] == size // 20


def test_small_cohorts_have_few_awkward_accounts() -> None:
    """Ten accounts are all ordinary; fifty have two that are synchronised and nothing else."""
    assert kinds(populate(cohort(10)), 10).total() == 0
    assert +kinds(populate(cohort(50)), 50) == Counter(synchronised=2)


def test_plain_accounts_are_all_ordinary() -> None:
    """With `plain` nothing is awkward and nobody is missing."""
    assert kinds(populate(cohort(500), plain=True), 500).total() == 0


def test_the_seed_decides() -> None:
    """The same seed gives the same accounts, another one others."""
    assert populate(cohort(200), 1) == populate(cohort(200), 1)
    assert populate(cohort(200), 1) != populate(cohort(200), 2)


def test_identifiers_compare_without_regard_to_case() -> None:
    """UPNs and GUIDs in any case are one account each; a GUID becomes the object id; the operator is there already."""
    guid = "A3BB189E-8BF9-3888-9912-ACE4E6543002"
    cohort = ["Ana.Silva@contoso.example", "ana.silva@CONTOSO.example ", guid, guid.lower(), "no name", ""]
    users = populate([*cohort, OPERATOR.user_principal_name.upper(), OPERATOR.id])
    assert [user.user_principal_name for user in users] == [
        "ana.silva@contoso.example",
        "user.ace4e6543002@contoso.example",
    ]
    assert users[0].display_name == "Ana Silva"
    assert users[1].id == guid.lower()


@given(st.lists(st.one_of(st.text(), st.emails(), st.uuids().map(str)), max_size=30), st.integers())
def test_accounts_are_sound_whatever_the_cohort_holds(identifiers: list[str], seed: int) -> None:
    """Object ids are GUIDs and unique, like UPNs; an account changed its password after it was made."""
    users = populate(identifiers, seed)
    assert len({user.id for user in users}) == len({user.user_principal_name for user in users}) == len(users)
    for user in users:
        assert str(UUID(user.id)) == user.id
        assert user.created_at <= user.password_changed_at < "2026"
