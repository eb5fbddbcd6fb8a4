"""Which directory roles may reset and block whom, held against Microsoft's tables as they are printed."""

from __future__ import annotations

import pytest

from batchreset.model import RevokeSessions
from batchreset.policy.permissions import APPLICATION_RESET_ROLES, RESET_ROLES
from batchreset.policy.roles import (
    RESETTING,
    Holders,
    blocking_foreseen,
    may_disable,
    may_reset,
    refusal_foreseen,
    resetting,
    updating_foreseen,
)
from batchreset.settings import Settings

IDS = {
    "Auth Admin": "c4e39bd9-1100-46d3-8c65-fb160da0071f",
    "Directory Readers": "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
    "Global Admin": "62e90394-69f5-4237-9190-012177145e10",
    "Groups Admin": "fdd7a751-b60b-444a-984c-02652fe8fa1c",
    "Guest Inviter": "95e79109-95c0-4d8e-aee3-d01accf2d47b",
    "Helpdesk Admin": "729827e3-9c14-49f7-bb1b-9608f156bbb8",
    "Message Center Reader": "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b",
    "Password Admin": "966707d0-3269-4727-9be2-8c3a10f19b9d",
    "Privileged Auth Admin": "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
    "Privileged Role Admin": "e8611ab8-c189-46e8-94e1-60213ab1f814",
    "Reports Reader": "4a5d8f65-41da-4de4-8968-e035b65339cf",
    "User Admin": "fe930be7-5e62-47db-91af-98c3a49a38b1",
    "User Experience Success Manager": "27460883-1df1-4691-b032-3b79643e5e63",
    "Usage Summary Reports Reader": "75934031-6c7e-415a-99d7-48dbd49e875e",
    "a custom role": "00000000-1111-2222-3333-444444444444",
}
COLUMNS = ("Password", "Helpdesk", "Authentication", "User", "Privileged Authentication", "Global")
TABLE = """
Auth Admin                      . . x . x x
Directory Readers               x x x x x x
Global Admin                    . . . . x x
Groups Admin                    . . . x x x
Guest Inviter                   x x x x x x
Helpdesk Admin                  . x . x x x
Message Center Reader           . x x x x x
Password Admin                  x x x x x x
Privileged Auth Admin           . . . . x x
Privileged Role Admin           . . . . x x
Reports Reader                  . x x x x x
nobody's                        x x x x x x
User Admin                      . . . x x x
User Experience Success Manager . x x x x x
Usage Summary Reports Reader    . x x x x x
a custom role                   . . . . x x
"""
CELLS = [
    (f"{column} Administrator", line[:32].strip(), sign == "x")
    for line in TABLE.strip().splitlines()
    for column, sign in zip(COLUMNS, line[32:].split(), strict=True)
]


@pytest.mark.parametrize(("operator", "target", "may"), CELLS)
def test_the_table_is_microsofts(operator: str, target: str, may: bool) -> None:  # noqa: FBT001  a cell of the table
    """Cell by cell; blocking sign-in takes the same, and more than the right to reset passwords."""
    roles = {IDS[target]} if target in IDS else set()
    assert may_reset({operator}, roles, is_in_assignable_group=False) is may
    only_passwords = operator in {"Password Administrator", "Helpdesk Administrator"}
    assert may_disable({operator}, roles, is_in_assignable_group=False) is (may and not only_passwords)


@pytest.mark.parametrize("column", COLUMNS)
def test_members_of_groups_with_roles_are_for_the_highest(column: str) -> None:
    """Whether the group has a role yet or not."""
    operator = {f"{column} Administrator"}
    is_high = column in {"Privileged Authentication", "Global"}
    assert may_reset(operator, (), is_in_assignable_group=True) is is_high
    assert may_disable(operator, (), is_in_assignable_group=True) is is_high


def test_one_role_has_to_reach_all_of_an_accounts() -> None:
    """And may be any of several."""
    both = {IDS["Helpdesk Admin"], IDS["Auth Admin"]}
    helpdesk, user = "Helpdesk Administrator", "User Administrator"
    assert may_reset({helpdesk, "Authentication Administrator"}, both, is_in_assignable_group=False) is False
    assert may_reset({helpdesk, user}, {IDS["User Admin"]}, is_in_assignable_group=False)
    assert may_disable({helpdesk, user}, (), is_in_assignable_group=False)


def test_by_which_role_is_not_always_known() -> None:
    """It may not be read, or be held in an administrative unit, where it does not show: nothing is foreseen then."""
    for unknown in (None, frozenset[str](), {"Global Reader"}):
        assert may_reset(unknown, {IDS["Global Admin"]}, is_in_assignable_group=True) is None
        assert may_disable(unknown, (), is_in_assignable_group=False) is None


def test_roles_without_a_name_go_by_their_ids() -> None:
    """Names are withheld from some."""
    assert resetting({"729827E3-9c14-49f7-bb1b-9608f156bbb8", "Global Reader"}) == {"Helpdesk Administrator"}
    assert set(RESETTING.values()) == set(RESET_ROLES) > set(APPLICATION_RESET_ROLES)


def test_by_what_an_account_is_privileged() -> None:
    """By a role, one that it may activate, or a group that could get one; a role bars others once it is active."""
    admin, reader = frozenset({IDS["Global Admin"]}), frozenset({IDS["Directory Readers"]})
    held = Holders({"a": admin, "b": reader}, {"c": admin}, frozenset({"d"}))
    told = [held.why_privileged(name) for name in "abcde"]
    assert told == [
        *("holds a directory role", "holds a directory role", "may activate a directory role"),
        *("is in a group to which roles can be assigned, or owns one", ""),
    ]
    assert [held.may_be_reset(name, {"User Administrator"}) for name in "abcde"] == [False, True, True, False, True]
    for role, may in (
        ("Helpdesk Administrator", [False] * 5),
        ("User Administrator", [False, True, True, False, True]),
    ):
        assert [held.may_be_updated(name, {role}) for name in "abcde"] == may


def test_refusals_are_foreseen_by_name() -> None:
    """Ten of them, and how many more."""
    assert refusal_foreseen([], {"Helpdesk Administrator"}) == ""
    assert refusal_foreseen(["a@x", "b@x"], {"Helpdesk Administrator", "Global Reader"}) == (
        "2 accounts hold roles that a Helpdesk Administrator may not reset: a@x, b@x; they will be refused."
    )
    assert refusal_foreseen(["a@x"], {"User Administrator", "Helpdesk Administrator"}) == (
        "1 account holds a role that a Helpdesk Administrator and User Administrator may not reset: a@x; "
        "it will be refused."
    )
    assert "that an Authentication Administrator may" in refusal_foreseen(["a@x"], {"Authentication Administrator"})
    many = refusal_foreseen([f"{number}@x" for number in range(1234)], {"User Administrator"})
    assert many.startswith("1,234 accounts hold roles that a User Administrator may not reset: 0@x, ")
    assert many.endswith(", 9@x and 1,224 more; they will be refused.")


def test_blocking_in_vain_is_foreseen() -> None:
    """Of whoever may reset passwords and nothing else, and so is updating; without --disable nobody asks."""
    disable = Settings(disable=True, revoke_sessions=RevokeSessions.NEVER)
    assert blocking_foreseen(disable, {"Helpdesk Administrator"}) == (
        "--disable: a Helpdesk Administrator may not block sign-in, so it will be refused; an Authentication "
        "Administrator, User Administrator, Privileged Authentication Administrator or Global Administrator may."
    )
    assert "Password Administrator and Helpdesk Administrator" in blocking_foreseen(
        disable, {"Helpdesk Administrator", "Password Administrator"}
    )
    for roles in (None, {"Global Reader"}, {"Helpdesk Administrator", "User Administrator"}):
        assert blocking_foreseen(disable, roles) == ""
        assert updating_foreseen(roles) == ""
    assert blocking_foreseen(Settings(), {"Helpdesk Administrator"}) == ""
    told = updating_foreseen({"Password Administrator"})
    assert told.startswith("password-profile: a Password Administrator may not write it for anybody")
