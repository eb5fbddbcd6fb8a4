from __future__ import annotations

from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchreset.rehearsal.behaviour import Fault
from batchreset.rehearsal.population import BREAK_GLASS, DOMAIN, OPERATOR, User, at_risk, groups_of, populate


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
                ("restricted", user.restricted),
                ("service account", user.never_expires),
                ("may activate a role", user.eligible_roles),
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
    "restricted",
    "service account",
    "may activate a role",
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
    """Each kind at least once, exactly one operation that never ends, and four fifths of all are ordinary."""
    found = kinds(populate(cohort(size)), size)
    assert {name for name, number in found.items() if number} == AWKWARD
    assert found[Fault.OPERATION_NEVER_ENDS] == 1
    assert found.total() <= 0.2 * size
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
    """UPNs and GUIDs in any case are one account each; a GUID becomes the object id; some are there already."""
    guid = "A3BB189E-8BF9-3888-9912-ACE4E6543002"
    cohort = ["Ana.Silva@contoso.example", "ana.silva@CONTOSO.example ", guid, guid.lower(), "no name", ""]
    users = populate([*cohort, OPERATOR.user_principal_name.upper(), OPERATOR.id, BREAK_GLASS[0].user_principal_name])
    assert [user.user_principal_name for user in users] == [
        "ana.silva@contoso.example",
        "user.ace4e6543002@contoso.example",
    ]
    assert users[0].display_name == "Ana Silva"
    assert users[1].id == guid.lower()


def test_a_tenant_to_rehearse_in_has_groups_and_risks() -> None:
    """Emergency access is nobody's of the cohort, thirty accounts leaked by two groups, a twentieth is at risk."""
    users = populate(cohort(200), 1)
    emergency, leaked, *dumps = groups_of(users, 1)
    assert emergency.display_name == "Emergency access"
    assert emergency.is_assignable_to_role
    assert set(emergency.members) == {user.id for user in BREAK_GLASS}
    assert leaked.members == tuple(dump.id for dump in dumps)
    members = {member for dump in dumps for member in dump.members}
    assert len(dumps) == 2
    assert len(members) == 30
    assert members < {user.id for user in users}
    assert groups_of(users, 1) == groups_of(users, 1) != groups_of(users, 2)
    assert [len(dump.members) for dump in groups_of(users[:3])[2:]] == [2, 1]

    risky = at_risk(users)
    assert [replace(user, risk="") for user in risky] == users
    assert Counter(user.risk for user in risky) == {"": 188, "high": 4, "medium": 3, "low": 3}


@given(st.lists(st.one_of(st.text(), st.emails(), st.uuids().map(str)), max_size=30), st.integers())
def test_accounts_are_sound_whatever_the_cohort_holds(identifiers: list[str], seed: int) -> None:
    """Object ids are GUIDs and unique, like UPNs; an account changed its password after it was made."""
    users = populate(identifiers, seed)
    assert len({user.id for user in users}) == len({user.user_principal_name for user in users}) == len(users)
    for user in users:
        assert str(UUID(user.id)) == user.id
        assert user.created_at <= user.password_changed_at < "2026"
