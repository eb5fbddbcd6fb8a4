from __future__ import annotations

import pytest

from batchreset.cohort.headers import choose, is_secret, rank

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


def test_a_header_alone_is_not_enough() -> None:
    """A column whose cells are no accounts is passed over, however it is headed."""
    assert choose(["Username", "Email"], [["zxu", UPN], ["yito", UPN]]) == [1]


def test_a_known_column_with_mistakes_is_still_the_one() -> None:
    """Malformed cells become rows with a reason; they do not hide the column."""
    assert choose(["UPN", "Note"], [["zoe(at)contoso", "x"], ["yui", "y"], [UPN, "z"]]) == [0]


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
    ],
)
def test_credentials_are_known_by_their_header(header: str) -> None:
    """Such a column is never carried through."""
    assert is_secret(header)


@pytest.mark.parametrize("header", ["Passport no.", "Secretary", "Hashtag", "department", "Compass", "Bypass"])
def test_words_that_only_contain_one_are_no_credentials(header: str) -> None:
    """A secret's name counts as a word, not as letters within another."""
    assert not is_secret(header)
