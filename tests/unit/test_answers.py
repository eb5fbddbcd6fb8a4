"""What an account is, by what the directory says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchreset.graph.answers import SELECT, accounts
from batchreset.model import Account, Kind

FEDERATED = {"signInType": "federated", "issuer": "ExternalAzureAD", "issuerAssignedId": None}
OWN_NAME = {"signInType": "userPrincipalName", "issuer": "contoso.onmicrosoft.com", "issuerAssignedId": "ana"}
BY_MAIL = {"signInType": "emailAddress", "issuer": "contoso.onmicrosoft.com", "issuerAssignedId": "ana@x.example"}
BY_NAME = {"signInType": "userName", "issuer": "contoso.onmicrosoft.com", "issuerAssignedId": "ana"}
HERE, ELSEWHERE = "ana@contoso.example", "ana_fabrikam.example#EXT#@contoso.onmicrosoft.com"


def account(**told: Any) -> Account:
    """Read one user of whom this is told."""
    (found,) = accounts({"value": [{"id": "1", "userPrincipalName": HERE} | told]}) or []
    return found


@pytest.mark.parametrize(
    ("name", "identities", "creation", "is_guest"),
    [
        # As invited guests are.
        (ELSEWHERE, [FEDERATED, OWN_NAME], "Invitation", True),
        (ELSEWHERE, [FEDERATED], "Invitation", True),
        (ELSEWHERE, [OWN_NAME], "Invitation", True),
        (ELSEWHERE.lower(), [OWN_NAME], None, True),
        # A federated sign-in and none that is held here.
        (HERE, [FEDERATED], None, True),
        (HERE, [FEDERATED, {"signInType": "federated", "issuer": "mail"}], None, True),
        # Some sign-in is held here.
        (HERE, [OWN_NAME], None, False),
        (HERE, [OWN_NAME], "Invitation", False),
        (HERE, [FEDERATED, OWN_NAME], "Invitation", False),
        (HERE, [FEDERATED, BY_MAIL], None, False),
        (ELSEWHERE, [FEDERATED, BY_NAME], None, False),
        # Where no identities are told, name and creation do.
        (ELSEWHERE, None, None, True),
        (HERE, None, "Invitation", True),
        (HERE, [], "invitation", True),
        (HERE, [], None, False),
        (HERE, None, "LocalAccount", False),
        # Nonsense tells nothing.
        (HERE, "federated", None, False),
        (HERE, [7, None, {"signInType": 7}], None, False),
    ],
)
@pytest.mark.parametrize("user_type", ["Guest", "Member", None])
def test_a_guest_is_at_home_elsewhere(
    name: str,
    identities: Any,
    creation: str | None,
    is_guest: bool,  # noqa: FBT001  a parameter of the table
    user_type: str | None,
) -> None:
    """By where the password is held, and never by its type: an account made here as a guest has its password here."""
    told = {"userPrincipalName": name, "identities": identities, "creationType": creation, "userType": user_type}
    assert account(**told).kind is (Kind.GUEST if is_guest else Kind.CLOUD)


def test_a_synchronised_account_comes_from_a_domain() -> None:
    """In lower case; from that of its name, where the directory keeps it to itself."""
    told = account(onPremisesSyncEnabled=True, onPremisesDomainName="Corp.Contoso.example", identities=[FEDERATED])
    assert (told.kind, told.domain) == (Kind.SYNCHRONISED, "corp.contoso.example")
    assert account(onPremisesSyncEnabled=True).domain == "contoso.example"
    assert account(onPremisesSyncEnabled=None, onPremisesDomainName="corp.contoso.example").domain == ""


def test_what_is_not_said_is_not_so() -> None:
    """Restricted and lasting are accounts of which that is said."""
    plain = account()
    assert (plain.enabled, plain.is_restricted, plain.is_lasting) == (None, False, False)
    told = account(isManagementRestricted=True, passwordPolicies="DisableStrongPassword, DisablePasswordExpiration")
    assert (told.is_restricted, told.is_lasting) == (True, True)
    odd = account(isManagementRestricted="yes", passwordPolicies=["DisablePasswordExpiration"], accountEnabled=1)
    assert (odd.enabled, odd.is_restricted, odd.is_lasting) == (None, False, False)


def test_the_directorys_words_are_kept() -> None:
    """What was asked for, to the letter, and nothing else."""
    said = {"userPrincipalName": HERE, "displayName": "Änne", "identities": [OWN_NAME], "mail": None}
    told = json.loads(account(**said, jobTitle="Clerk").said)
    assert told == {"id": "1"} | said
    assert set(told) < set(SELECT)
