from __future__ import annotations

from itertools import permutations

import pytest

from batchreset.cohort.headers import choose, is_secret, naming, rank
from batchreset.cohort.identifiers import Naming

UPN = "zoe@contoso.example"
GUID = "6b4b76b0-e179-4773-a6e0-f3c09514b7dd"


@pytest.mark.parametrize(
    "header",
    [
        *(
            "userPrincipalName",
            "User principal name",
            "USER_PRINCIPAL_NAME",
            "user-principal-name",
            "UPN",
            "AccountUpn",
        ),
        *("User name [userPrincipalName] Required", "Primary user UPN", "Target1UserPrincipalName", "Username"),
        *("Sign-in name", "Login", "Email", "E-mail address", "PrimarySmtpAddress", "User"),
    ],
)
def test_headers_of_the_fields_tools_are_known(header: str) -> None:
    """Case, spaces, underscores and hyphens make no difference."""
    assert choose([header, "Anything"], [[UPN, "x"]]) == [0]


@pytest.mark.parametrize(
    "header", ["id", "objectId", "Object Id", "User ID", "AccountObjectId", "ExternalDirectoryObjectId"]
)
def test_object_ids_are_taken_by_their_header(header: str) -> None:
    """A column of GUIDs under a header that says whose they are is a column of accounts."""
    assert choose([header], [[GUID]]) == [0]


@pytest.mark.parametrize(
    "header",
    [
        "Correlation ID",
        "Request ID",
        "Device ID",
        "deviceObjectId",
        "Application ID",
        "Tenant ID",
        "ObjectGUID",
        "",
        "x",
    ],
)
def test_other_guids_are_never_accounts(header: str) -> None:
    """Ids of devices, applications, tenants and requests are not tried, and neither are unnamed ones."""
    assert rank(header) is None
    assert choose([header], [[GUID]]) == []


@pytest.mark.parametrize(
    ("columns", "cells", "chosen"),
    [
        (["id", "userPrincipalName"], [GUID, UPN], 1),
        (["mail", "userPrincipalName"], [UPN, UPN], 1),
        (["mail", "id"], [UPN, GUID], 1),
        (["User", "Username", "User ID"], ["Zoë Xu", UPN, GUID], 1),
        (["userPrincipalName", "manager"], [UPN, UPN], 0),
        (["identifier", "user", "object_id", "client_request_id"], [UPN, UPN, GUID, GUID], 0),
    ],
)
def test_the_surest_known_header_wins(columns: list[str], cells: list[str], chosen: int) -> None:
    """User principal name before object id, either before mail."""
    assert choose(columns, [cells]) == [chosen]


@pytest.mark.parametrize(
    ("columns", "cells", "chosen"),
    [
        (["SamAccountName", "Office"], ["zxu", "Lagos"], 0),
        (["SamAccountName", "userPrincipalName"], ["zxu", UPN], 1),
        (["SamAccountName", "objectId"], ["zxu", GUID], 1),
        (["onPremisesSamAccountName", "mail"], ["zxu", UPN], 1),
        (["User logon name (pre-Windows 2000)", "Manager"], ["zxu", UPN], 0),
        (["Name", "Pre-Windows 2000 Logon Name"], ["Zoë Xu", "zxu"], 1),
        (["Pre-Windows 2000 Logon Name", "E-Mail Address", "User Logon Name"], ["zxu", UPN, UPN], 2),
        (["User", "Email"], ["CORP\\zxu", UPN], 1),
        (["User", "id"], ["CORP\\zxu", GUID], 1),
        (["Konto", "Ort"], ["CORP\\zxu", "Ulm"], 0),
        (["Konto", "Post"], ["CORP\\zxu", UPN], 1),
        (["AccountDomain", "AccountName", "AccountSid"], ["corp", "zxu", "S-1-5-21-1"], 1),
        (["AccountName", "AccountDomain", "AccountUpn"], ["zxu", "corp", UPN], 2),
    ],
)
def test_logon_names_come_last(columns: list[str], cells: list[str], chosen: int) -> None:
    """After names and ids of the cloud and after mail, whether header or content says that they are some."""
    assert choose(columns, [cells]) == [chosen]


@pytest.mark.parametrize("columns", [["AccountName", "Domain"], ["Login", "AccountDomain"], ["Logon name", "x"]])
def test_a_word_is_no_logon_name_under_any_header(columns: list[str]) -> None:
    """Where the header may mean something else, only one with its domain is."""
    assert choose(columns, [["zxu", "corp"]]) == []
    assert choose(columns, [["CORP\\zxu", "corp"]]) == [0]


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        *(("User Principal Name", Naming.UPN), ("Benutzername [userPrincipalName] Erforderlich", Naming.UPN)),
        *(("AccountUpn", Naming.UPN), ("MicrosoftOnlineServicesID", Naming.UPN), ("Username", Naming.ANY)),
        *(("identifier", Naming.ANY), ("mail", Naming.ANY), ("id", Naming.ANY), ("column 1", Naming.ANY)),
        *(("sAMAccountName", Naming.LOGON), ("AccountName", Naming.ANY)),
    ],
)
def test_the_header_says_what_names_may_be(header: str, kind: Naming) -> None:
    """Nothing but user principal names where it says so; an account's name beside its domain is a logon name."""
    assert naming([header, "x"], 0) is kind
    assert naming([header, "AccountDomain"], 0) is (Naming.LOGON if header == "AccountName" else kind)


def test_a_header_alone_is_not_enough() -> None:
    """A column whose cells are no accounts is passed over, however it is headed."""
    assert choose(["Username", "Email"], [["zxu", UPN], ["yito", UPN]]) == [1]


def test_a_known_column_with_mistakes_is_still_the_one() -> None:
    """Malformed cells become rows with a reason; they do not hide the column."""
    assert choose(["UPN", "Note"], [["zoe(at)contoso", "x"], ["yui", "y"], [UPN, "z"]]) == [0]


@pytest.mark.parametrize("order", list(permutations(["UPN", "mail", "SamAccountName", "id"])))
def test_a_column_that_is_hardly_filled_is_not_the_one(order: tuple[str, ...]) -> None:
    """A few blanks do not matter; where nearly all are blank, the next best is taken, in whatever order they stand."""

    def chosen(every: int, *missing: str) -> str:
        person = {"UPN": UPN, "mail": UPN, "SamAccountName": "zxu", "id": GUID} | dict.fromkeys(missing, "")
        rows = [["" if name == "UPN" and row % every else person[name] for name in order] for row in range(40)]
        (position,) = choose(order, rows)
        return order[position]

    assert (chosen(1), chosen(2), chosen(40)) == ("UPN", "UPN", "id")
    assert (chosen(40, "id"), chosen(40, "id", "mail")) == ("mail", "SamAccountName")
    assert chosen(40, "id", "mail", "SamAccountName") == "UPN"


@pytest.mark.parametrize("other", ["Target1ObjectId", "AccountName"])
def test_groups_and_accounts_of_devices_outnumber_nobody(other: str) -> None:
    """The audit log has ids of groups too, and Defender names local accounts: the few names are those of people."""
    columns, told = ["UPN", other, "AccountDomain"], ["", GUID if other == "Target1ObjectId" else "admin", "pc-7"]
    assert choose(columns, [[UPN, *told[1:]], *([told] * 40)]) == [0]


def test_content_decides_where_no_header_is_known() -> None:
    """A column of user principal names is found under any header, and beside blanks."""
    assert choose(["Benutzer", "Abteilung"], [["", "x"], [UPN, "y"], ["zoe", "z"]]) == [0]


@pytest.mark.parametrize("header", ["Manager", "managerUPN", "Initiated By", "Actor", "Kennwort", "API token"])
def test_content_never_chooses_other_people_or_secrets(header: str) -> None:
    """A manager's or an actor's column looks like accounts, and is not of those to be reset."""
    assert choose(["Person", header], [["Zoë", UPN]]) == []


@pytest.mark.parametrize("columns", [["UPN", "userPrincipalName"], ["Konto", "Kontakt"]])
def test_equally_good_columns_are_a_tie(columns: list[str]) -> None:
    """Neither known headers of one rank nor content alone is guessed between."""
    assert choose(columns, [[UPN, UPN]]) == [0, 1]


@pytest.mark.parametrize(
    "header",
    [
        *("Password", "newPassword", "NEWPASSWORD", "initial_password", "Pass", "user pwd", "Password hash", "NTHash"),
        *("clientSecret", "access token", "Cookies", "Kennwort", "passwd"),
        *("Mot de passe", "Contraseña", "Senha", "Wachtwoord", "Lösenord", "Hasło", "Пароль", "パスワード"),
    ],
)
def test_credentials_are_known_by_their_header(header: str) -> None:
    """Such a column is never carried through."""
    assert is_secret(header)


@pytest.mark.parametrize("header", ["Passport no.", "Secretary", "Hashtag", "department", "Compass", "Bypass"])
def test_words_that_only_contain_one_are_no_credentials(header: str) -> None:
    """A secret's name counts as a word, not as letters within another."""
    assert not is_secret(header)
