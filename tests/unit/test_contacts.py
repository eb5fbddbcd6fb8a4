from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchreset.cohort.contacts import addresses_in, contact_column, is_own
from batchreset.errors import CohortError
from batchreset.graph.answers import accounts
from tests.support.make_samples import FOLDER

OWN = ("Jo.O'Brien@Contoso.example", "0b7e7a5c-64a1-4a0e-8f55-6f6a3c1f2d10", "jo@mail.contoso.example")
FILLED = {
    "manager": "mo@contoso.example",
    "Mobile phone": "+353 1 496 0000",
    "office": "Dublin",
    "e-mail": "x@y.example",
}


@pytest.mark.parametrize(
    ("columns", "wanted", "found"),
    [
        (["office", "manager"], None, "manager"),
        (["office", "Mobile phone"], None, "Mobile phone"),
        (["office", "e-mail"], None, None),
        (["office"], "OFFICE", "office"),
        (["manager", "Mobile phone"], "mobile-phone", "Mobile phone"),
        (["alternateEmailAddress", "manager"], None, "manager"),
        ([], None, None),
    ],
)
def test_the_column_of_contacts_is_found_by_its_header(
    columns: list[str], wanted: str | None, found: str | None
) -> None:
    """Or is the one that was named; one that is empty in every row (here, the third but last) does not count."""
    assert contact_column(columns, [FILLED], wanted) == found


def test_which_of_two_columns_it_is_has_to_be_said() -> None:
    """A wrong guess would send passwords to the wrong people; so would a name that is not there."""
    with pytest.raises(CohortError, match=r"'manager' and 'Mobile phone' could both .* choose one with --contact"):
        contact_column(["manager", "Mobile phone"], [FILLED], None)
    with pytest.raises(CohortError, match=r"--contact boss: .* no such column \(it has 'manager', 'office'\)"):
        contact_column(["manager", "office"], [FILLED], "boss")


def test_the_helpdesk_sample_has_contacts() -> None:
    """Its column `manager`, as its README says."""
    with (FOLDER / "helpdesk-cohort.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        assert contact_column(list(rows.fieldnames or ()), list(rows)[:10], None) == "manager"


@pytest.mark.parametrize(
    "cell",
    [
        "jo.o'brien@contoso.example",
        " JO.O'BRIEN@CONTOSO.EXAMPLE ",
        "Jo O'Brien <jo.o'brien@contoso.example>",
        "'jo@mail.contoso.example'",
        '"jo@mail.contoso.example"',
        "mailto:jo@mail.contoso.example?subject=new%20password",
        "mailto:jo%40mail.contoso.example",
        "mailto:boss@contoso.example?cc=jo@mail.contoso.example",
        "boss@contoso.example; jo@mail.contoso.example",
        "jo+private@mail.contoso.example",
        "jo\u200b@mail.contoso.example",
        "jo\uff20mail.contoso.example",
        "smtp:jo@mail.contoso.example.",
        '"jo"@mail.contoso.example',
        "`jo@mail.contoso.example`",
        "-jo@mail.contoso.example!",
        "jo @ mail.contoso.example",
        "jo.o'brien",
        "0B7E7A5C-64A1-4A0E-8F55-6F6A3C1F2D10",
    ],
)
def test_the_accounts_own_mailbox_is_seen_through(cell: str) -> None:
    """In any case, with a tag, in a link, beside a name or among others."""
    assert is_own(cell, OWN)


@pytest.mark.parametrize(
    "cell",
    ["boss@contoso.example", "jo@private.example", "mail.contoso.example", "+353 1 496 0000", "jo.smith", "", "@"],
)
def test_somebody_else_is_nobodys_own_mailbox(cell: str) -> None:
    """Neither another address nor a telephone number."""
    assert not is_own(cell, OWN)


LOCAL = st.text("abcdefgh0123456789.-_'", min_size=1, max_size=12).filter(lambda text: text.strip("'.") == text)


@given(local=LOCAL, tag=LOCAL, before=st.sampled_from(["", "mailto:", "Jo <", "a@b.example, "]), upper=st.booleans())
def test_no_way_to_write_an_address_hides_it(local: str, tag: str, before: str, *, upper: bool) -> None:
    """With or without a tag, whatever stands before it and in whatever case."""
    own = f"{local}@contoso.example"
    cell = f"{before}{local}+{tag}@contoso.example{'>' if '<' in before else ''}"
    assert is_own(cell.upper() if upper else cell, [own])
    assert not is_own(cell, [f"x{own}"])


@given(st.text(max_size=60))
def test_any_text_is_taken_for_a_contact(cell: str) -> None:
    """No cell is too odd to be looked at, and addresses that are found are found again."""
    for address in addresses_in(cell):
        assert addresses_in(address) in ({address}, set())


def test_an_account_tells_its_mailboxes() -> None:
    """`mail` and every proxy address, in lower case and each once; what is no address, or no text, is passed over."""
    told = [
        "SMTP:Ana@Contoso.example",
        "smtp:ana@contoso.onmicrosoft.example",
        "sip:ana@contoso.example",
        "x500:/o=a",
        7,
    ]
    user = {"id": "1", "userPrincipalName": "ana", "mail": "Ana@contoso.example", "proxyAddresses": told}
    found = accounts({"value": [user, {"id": "2", "userPrincipalName": "bea", "mail": None, "proxyAddresses": "x"}]})
    assert found is not None
    assert {account.user: account.mailboxes for account in found} == {
        "ana": ("ana@contoso.example", "ana@contoso.onmicrosoft.example"),
        "bea": (),
    }
