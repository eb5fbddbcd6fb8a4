"""Who is left out, and why: each rule, what lifts it, and which comes first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchreset.model import Account, Kind, Mark, Method, Operator, PasswordSource, Reason
from batchreset.policy.roles import Holders
from batchreset.policy.screening import Exclusion, Rules, marks, screen, unclear
from batchreset.settings import Settings

ANA = Account(
    "AAAA-1",
    "Ana@Contoso.example",
    "Ana",
    Kind.CLOUD,
    enabled=True,
    password_changed_at=None,
    names=frozenset({"aaaa-1", "ana@contoso.example"}),
)
NOBODY_SPECIAL = Rules(Settings(), Method.RESET_PASSWORD, Operator("zzzz-9", "admin@contoso.example", "t", "Contoso"))
ADMINISTRATOR = frozenset({"62e90394-69f5-4237-9190-012177145e10"})
SYNCHRONISING = frozenset({"d29b2b05-8046-44ba-8758-1e26182fcf32"})


def rules(**changes: Any) -> Rules:
    """Rules like those for nobody special; `changes` are fields of `Rules` or of `Settings`."""
    own = {name: value for name, value in changes.items() if name in Rules.__dataclass_fields__}
    chosen = {name: value for name, value in changes.items() if name not in own}
    return replace(NOBODY_SPECIAL, **({"settings": Settings(**chosen)} | own))


def reason(account: Account, given: Rules) -> Reason | None:
    found = screen(account, given)
    return found.reason if found else None


def test_an_ordinary_account_is_reset() -> None:
    """No rule speaks against it, and nothing is to be known of it."""
    assert screen(ANA, NOBODY_SPECIAL) is None
    assert marks(ANA, NOBODY_SPECIAL) == frozenset()


def test_a_name_that_is_not_one_accounts_is_left_out() -> None:
    """Nothing is sent to a name that the directory does not know, or knows several by; three of these are named."""
    assert unclear("ana@contoso.example", [ANA]) is None
    assert unclear("ana@contoso.example", []) == Exclusion(Reason.NOT_FOUND)
    others = [replace(ANA, object_id=f"{number}", user=f"ana{number}@contoso.example") for number in range(2, 6)]
    two = "Ana@Contoso.example (AAAA-1), ana2@contoso.example (2)"
    assert unclear("ana@contoso.example", [ANA, *others[:1]]) == Exclusion(
        Reason.AMBIGUOUS, f"2 accounts have this name: {two}"
    )
    assert unclear("ana@contoso.example", [ANA, *others]) == Exclusion(
        Reason.AMBIGUOUS, f"5 accounts have this name: {two}, ana3@contoso.example (3) and 2 more"
    )


def test_an_account_of_another_domain_is_not_taken() -> None:
    """The one account of a logon name may be somebody else, where it is in another domain than the one that was named.

    It is told, so that whoever knows better can name it otherwise.
    """
    told = "the one account of this name is Ana@Contoso.example, of {}: if it is meant, name it by its user principal"
    for domain, home in (("emea.contoso.example", "the domain emea.contoso.example"), ("", "no domain that is known")):
        found = unclear("corp\\ana", [replace(ANA, names=frozenset({"\\ana", "emea\\ana"}), domain=domain)])
        assert found
        assert found.reason is Reason.AMBIGUOUS
        assert found.detail
        assert found.detail.startswith(told.format(home))


@pytest.mark.parametrize("name", ["aaaa-1", "ana@contoso.example"])
def test_protected_accounts_are_left_out(name: str) -> None:
    """By object id or UPN, without regard to case; it says where that was asked for."""
    found = screen(ANA, rules(protected={name: "named in staff.csv"}))
    assert found == Exclusion(Reason.PROTECTED, "named in staff.csv")


def test_the_operator_is_left_out() -> None:
    """Graph does not reset the signed-in account itself; an application has none."""
    assert reason(ANA, rules(operator=Operator("Aaaa-1", "ana", "t", "Contoso"))) is Reason.SELF
    assert reason(ANA, rules(operator=Operator(None, "application 1", "t", "Contoso"))) is None


@pytest.mark.parametrize(
    ("holders", "detail"),
    [
        (Holders(active={"aaaa-1": ADMINISTRATOR}), "holds a directory role"),
        (Holders(eligible={"aaaa-1": ADMINISTRATOR}), "may activate a directory role"),
        (Holders(in_assignable_groups={"aaaa-1"}), "is in a group to which roles can be assigned, or owns one"),
    ],
)
def test_holders_of_a_role_are_left_out_unless_asked_for(holders: Holders, detail: str) -> None:
    """However they come by it; --include-privileged lifts it, and they stay marked."""
    assert screen(ANA, rules(holders=holders)) == Exclusion(Reason.PRIVILEGED, detail)
    included = rules(holders=holders, include_privileged=True)
    assert screen(ANA, included) is None
    assert marks(ANA, included) == {Mark.PRIVILEGED}


@pytest.mark.parametrize(
    "name",
    [
        "Sync_DC01_0a1b2c3d4e5f@contoso.onmicrosoft.com",
        "sync_two_words_0A1B2C3D4E5F@contoso.onmicrosoft.us",
        "Sync_DC01_0a1b2c3d4e5f@contoso.partner.onmschina.cn",
        "ADToAADSyncServiceAccount@contoso.onmicrosoft.com",
    ],
)
def test_the_account_of_synchronisation_is_known_by_its_name(name: str) -> None:
    """Where its role may not be read; no option lifts it."""
    assert reason(replace(ANA, user=name), rules(include_privileged=True)) is Reason.SYNC_ACCOUNT


@pytest.mark.parametrize(
    "name",
    [
        "sync_team@contoso.onmicrosoft.com",
        "sync_anna_0a1b2c3d4e5f@contoso.example",
        "async_dc01_0a1b2c3d4e5f@contoso.onmicrosoft.com",
    ],
)
def test_people_with_such_a_name_are_people(name: str) -> None:
    """Only in the tenant's first domain, with the number at its end."""
    assert reason(replace(ANA, user=name), NOBODY_SPECIAL) is None


@pytest.mark.parametrize("role", ["d29b2b05-8046-44ba-8758-1e26182fcf32", "a92aed5d-d78a-4d16-b381-09adb37eb3b0"])
def test_the_account_of_synchronisation_is_known_by_its_role(role: str) -> None:
    """Whatever it is called, and before its being privileged, which could be lifted."""
    for include in (False, True):
        given = rules(holders=Holders({"aaaa-1": frozenset({role})}), include_privileged=include)
        assert reason(ANA, given) is Reason.SYNC_ACCOUNT


def test_restricted_accounts_are_left_out_unless_asked_for() -> None:
    """Only roles in their administrative unit reach them."""
    account = replace(ANA, is_restricted=True)
    assert reason(account, NOBODY_SPECIAL) is Reason.RESTRICTED
    assert reason(account, rules(include_restricted=True)) is None
    assert marks(account, NOBODY_SPECIAL) == {Mark.RESTRICTED}


def test_guests_are_left_out() -> None:
    """Their password is held elsewhere, whichever domain they have."""
    assert reason(replace(ANA, kind=Kind.GUEST), rules(domains={"contoso.example": True})) is Reason.GUEST


def test_a_synchronised_account_must_be_given_its_password() -> None:
    """The service makes passwords for cloud accounts only."""
    synchronised = replace(ANA, kind=Kind.SYNCHRONISED)
    assert reason(synchronised, NOBODY_SPECIAL) is None
    system = rules(password_source=PasswordSource.SYSTEM)
    assert reason(synchronised, system) is Reason.SYNCHRONISED
    assert reason(ANA, system) is None


def test_a_synchronised_account_is_not_reached_by_password_profile() -> None:
    """That route would be refused, or leave AD's password as it was; accounts of the cloud are reset."""
    profile = rules(method=Method.PASSWORD_PROFILE)
    assert reason(replace(ANA, kind=Kind.SYNCHRONISED), profile) is Reason.SYNCHRONISED
    assert reason(ANA, profile) is None


def test_federated_accounts_are_left_out_unless_they_are_synchronised() -> None:
    """By their domain; writeback reaches those that come from on-premises."""
    given = rules(domains={"contoso.example": True, "fabrikam.example": False})
    assert screen(ANA, given) == Exclusion(Reason.FEDERATED, "contoso.example is a federated domain")
    assert reason(replace(ANA, kind=Kind.SYNCHRONISED), given) is None
    for domain in ("fabrikam.example", "elsewhere.example", "sub.contoso.example"):
        assert reason(replace(ANA, user=f"ana@{domain}"), given) is None


def test_disabled_accounts_are_left_out_only_where_asked() -> None:
    """Else they are reset and marked; what is not known is not blocked."""
    skip = rules(skip_disabled=True)
    disabled, unknown = replace(ANA, enabled=False), replace(ANA, enabled=None)
    assert [reason(account, skip) for account in (disabled, unknown, ANA)] == [Reason.DISABLED, None, None]
    assert reason(disabled, NOBODY_SPECIAL) is None
    assert marks(disabled, NOBODY_SPECIAL) == {Mark.DISABLED}
    assert marks(unknown, NOBODY_SPECIAL) == frozenset()


@pytest.mark.parametrize(
    ("changed", "is_skipped"),
    [
        ("2026-11-20T00:00:01Z", True),
        ("2026-11-20T00:00:00Z", False),
        ("2026-11-20T01:30:00+02:00", False),
        ("2026-11-20T00:30:00-02:00", True),
        ("2026-11-21", False),
        ("soon", False),
        (None, False),
    ],
)
def test_who_changed_the_password_since_may_be_left_out(changed: str | None, is_skipped: bool) -> None:  # noqa: FBT001  a parameter of the table
    """Later than that and not at it; what is no time proves nothing."""
    account = replace(ANA, password_changed_at=changed)
    found = screen(account, rules(skip_changed_since="2026-11-20"))
    assert found == (Exclusion(Reason.CHANGED_SINCE, f"its password changed at {changed}") if is_skipped else None)
    assert screen(account, NOBODY_SPECIAL) is None


def test_likely_service_accounts_are_of_the_cloud() -> None:
    """On-premises, passwords that never expire are not told by this."""
    lasting = replace(ANA, is_lasting=True)
    assert marks(lasting, NOBODY_SPECIAL) == {Mark.SERVICE}
    assert marks(replace(lasting, kind=Kind.SYNCHRONISED), NOBODY_SPECIAL) == frozenset()


def test_who_is_out_of_reach_is_marked() -> None:
    """By the roles of whoever is signed in; where they are not known, nobody is."""
    helpdesk = replace(NOBODY_SPECIAL.operator, roles=frozenset({"Helpdesk Administrator"}))
    given = rules(operator=helpdesk, holders=Holders({"aaaa-1": ADMINISTRATOR}), include_privileged=True)
    assert marks(ANA, given) == {Mark.PRIVILEGED, Mark.OUT_OF_REACH}
    assert screen(ANA, given) is None
    assert marks(ANA, replace(given, operator=NOBODY_SPECIAL.operator)) == {Mark.PRIVILEGED}
    assert marks(replace(ANA, object_id="bbbb-2"), given) == frozenset()


def test_the_first_rule_that_applies_is_the_reason() -> None:
    """One rule after the other is lifted, and the next is told."""
    account = replace(
        ANA, enabled=False, is_restricted=True, kind=Kind.GUEST, password_changed_at="2026-11-21T00:00:00Z"
    )
    given = rules(
        protected={"aaaa-1": "named by --protect"},
        operator=Operator("aaaa-1", "ana", "t", "Contoso"),
        holders=Holders({"aaaa-1": SYNCHRONISING}),
        domains={"contoso.example": True},
        skip_disabled=True,
        skip_changed_since="2026-11-20",
        password_source=PasswordSource.SYSTEM,
    )

    def lift(expected: Reason, **changes: Any) -> None:
        nonlocal account, given
        assert reason(account, given) is expected
        of_account = {name: value for name, value in changes.items() if name in Account.__dataclass_fields__}
        of_rules = {name: value for name, value in changes.items() if name in Rules.__dataclass_fields__}
        account, given = replace(account, **of_account), replace(given, **of_rules)

    lift(Reason.PROTECTED, protected={})
    lift(Reason.SELF, operator=NOBODY_SPECIAL.operator)
    lift(Reason.SYNC_ACCOUNT, holders=Holders({"aaaa-1": ADMINISTRATOR}))
    lift(Reason.PRIVILEGED, holders=Holders())
    lift(Reason.RESTRICTED, is_restricted=False)
    lift(Reason.GUEST, kind=Kind.SYNCHRONISED)
    lift(Reason.SYNCHRONISED, kind=Kind.CLOUD)
    lift(Reason.FEDERATED, domains={})
    lift(Reason.DISABLED, enabled=True)
    lift(Reason.CHANGED_SINCE, password_changed_at=None)
    assert reason(account, given) is None
