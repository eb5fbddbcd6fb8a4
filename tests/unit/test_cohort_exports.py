"""What people export from portals, logs and modules, each as its tool writes it: which column is the account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.cohort import inspect
from tests.support.cohorts import identifiers_in, refusal, rows_of, workbook

if TYPE_CHECKING:
    from pathlib import Path

UPN = "zoe@contoso.example"
ADMIN = "admin@contoso.example"
ID, OTHER = "6b4b76b0-e179-4773-a6e0-f3c09514b7dd", "ac333b68-7e9b-477c-a519-a9d5ac9130f4"
NESTED = '"{""userPrincipalName"":""admin@contoso.example""}"'

EXPORTS: dict[str, tuple[str, str, str]] = {
    "Entra, users": (
        f"userPrincipalName,displayName,mail,id\n{UPN},Zoë,zoe.xu@contoso.example,{ID}\n",
        "userPrincipalName",
        UPN,
    ),
    "Entra, ids only": (f"displayName,objectId,deviceId\nZoë,{ID},{OTHER}\n", "objectId", ID),
    "Entra, sign-in log": (
        (
            "Date (UTC),Request ID,Correlation ID,User ID,User,Username,Application ID,"
            "Sign-in identifier,Unique token identifier\n"
            f"2026-11-20,{OTHER},{OTHER},{ID},Zoë Xu,{UPN},{OTHER},{UPN},abc\n"
        ),
        "Username",
        UPN,
    ),
    "Entra, audit log": (
        (
            "Date (UTC),CorrelationId,ActorUserPrincipalName,ActorObjectId,Target1Type,Target1ObjectId,"
            "Target1UserPrincipalName\n"
            f"2026-11-20,{OTHER},{ADMIN},{OTHER},User,{ID},{UPN}\n"
        ),
        "Target1UserPrincipalName",
        UPN,
    ),
    "Entra, audit log, ids only": (
        f"ActorUserPrincipalName,ActorObjectId,Target1ObjectId\n{ADMIN},{OTHER},{ID}\n",
        "Target1ObjectId",
        ID,
    ),
    "Entra, template for deletion": (
        f"version:v1.0\nUser name [userPrincipalName] Required\nExample: chris@contoso.com\n{UPN}\n",
        "User name [userPrincipalName] Required",
        UPN,
    ),
    "Entra, template for creation, in German": (
        (
            "version:v1.0,,\nName [displayName] Erforderlich,"
            "Benutzername [userPrincipalName] Erforderlich,Kennwort [passwordProfile]\n"
            f"Beispiel: Chris Green,chris@contoso.com,myPassword1234\nZoë,{UPN},hunter2\n"
        ),
        "Benutzername [userPrincipalName] Erforderlich",
        UPN,
    ),
    "Entra, template for members": (
        f"version:v1.0\nMember object ID or user principal name [memberObjectIdOrUpn] Required\n{UPN}\n",
        "Member object ID or user principal name [memberObjectIdOrUpn] Required",
        UPN,
    ),
    "Purview": (
        f"RecordId,CreationDate,RecordType,Operation,UserId,AuditData\n{OTHER},2026-11-20,25,UserLoggedIn,{UPN},{NESTED}\n",
        "UserId",
        UPN,
    ),
    "Microsoft 365 admin centre": (
        (
            "Alternate email addresses,Display name,Object Id,Proxy addresses,User principal name\n"
            f"z@home.example,Zoë,{ID},SMTP:{UPN}+smtp:z@contoso.example,{UPN}\n"
        ),
        "User principal name",
        UPN,
    ),
    "Defender, hunting": (
        (
            f"Timestamp,ReportId,DeviceId,AccountObjectId,AccountUpn,InitiatingProcessAccountUpn,AdditionalFields\n"
            f"2026-11-20,{OTHER},{OTHER},{ID},{UPN},{ADMIN},{NESTED}\n"
        ),
        "AccountUpn",
        UPN,
    ),
    "Defender, mail events": (
        f"SenderFromAddress,RecipientEmailAddress,Subject\n{ADMIN},{UPN},hello\n",
        "RecipientEmailAddress",
        UPN,
    ),
    "Sentinel": (
        (
            "TimeGenerated [UTC],Id,CorrelationId,Identity,UserPrincipalName,UserId,AppId\n"
            f"11/20/2026,{OTHER},{OTHER},Zoë,{UPN},{ID},{OTHER}\n"
        ),
        "UserPrincipalName",
        UPN,
    ),
    "Sentinel, ids only": (f"Id,UserId,AppId\n{OTHER},{ID},{OTHER}\n", "UserId", ID),
    "Intune, devices": (
        f"Device ID,Device name,Primary user UPN,Primary user email address\n{OTHER},PC7,{UPN},z@contoso.example\n",
        "Primary user UPN",
        UPN,
    ),
    "Get-MgUser by Export-Csv": (
        (
            "#TYPE Microsoft.Graph.PowerShell.Models.MicrosoftGraphUser\r\n"
            '"Id","Mail","OtherMails","PasswordPolicies","UserPrincipalName"\r\n'
            f'"{ID}","{UPN}","System.String[]",,"{UPN}"\r\n'
        ),
        "UserPrincipalName",
        UPN,
    ),
    "Get-ADUser by Export-Csv": (
        (
            '"DistinguishedName","Enabled","ObjectGUID","SamAccountName","SID","UserPrincipalName"\r\n'
            f'"CN=Zoe,DC=contoso,DC=example","True","{OTHER}","zoe","S-1-5-21-1","{UPN}"\r\n'
        ),
        "UserPrincipalName",
        UPN,
    ),
    "a #TYPE line above a list": (
        f'#TYPE Selected.User\r\n"UserPrincipalName"\r\n"{UPN}"\r\n',
        "UserPrincipalName",
        UPN,
    ),
    "Exchange": (
        (
            "Identity,Alias,ExternalDirectoryObjectId,PrimarySmtpAddress,ForwardingSmtpAddress,Guid\n"
            f"zoe,zoe,{ID},{UPN},{ADMIN},{OTHER}\n"
        ),
        "ExternalDirectoryObjectId",
        ID,
    ),
    "Exchange, its own names": (
        f"MicrosoftOnlineServicesID,WindowsEmailAddress,PrimarySmtpAddress\n{UPN},z@contoso.example,z@contoso.example\n",
        "MicrosoftOnlineServicesID",
        UPN,
    ),
    "a breach notification": (f"Email,Breach\n{UPN},Canvas\n", "Email", UPN),
    "Excel's separator line": (f"sep=;\r\nE-Mail;Büro\r\n{UPN};Kraków\r\n", "E-Mail", UPN),
    "headers of another language": (
        f"Identifiant de connexion;Nom\n{UPN};Zoë\n",
        "Identifiant de connexion",
        UPN,
    ),
}


@pytest.mark.parametrize(("text", "column", "account"), EXPORTS.values(), ids=EXPORTS)
def test_an_export_is_understood(tmp_path: Path, text: str, column: str, account: str) -> None:
    """Its column of accounts is found without an option, and nothing but its one account is read."""
    path = tmp_path / "export.csv"
    path.write_text(text, encoding="utf-8", newline="")
    (source,) = inspect([str(path)])
    assert (source.account_column, source.examples) == (column, (account,))
    (row,) = rows_of(source)
    assert row["identifier"] == account
    assert not any(secret in repr(row) for secret in ("hunter2", "myPassword"))


def test_an_example_that_was_taken_out_is_not_missed(tmp_path: Path) -> None:
    """What stands below a template's header is left out only where it begins like an example."""
    path = tmp_path / "template.csv"
    path.write_text(f"version:v1.0\nUser name [userPrincipalName] Required\n{UPN}\n{ADMIN}\n", encoding="utf-8")
    assert identifiers_in(path) == [(3, UPN), (4, ADMIN)]
    path.write_text(f"userPrincipalName\nExample: {UPN}\n{ADMIN}\n", encoding="utf-8")
    assert identifiers_in(path) == [(2, "Exa…"), (3, ADMIN)]


LEAK = """\
https://login.contoso.example:8443/adfs?x=1:zoe@contoso.example:hunter2
login.contoso.example/start:yui@contoso.example:hun,ter2;"x|\thunter2:hunter2
android://aGFzaA==@com.contoso.app/:xu@contoso.example:hunter2
  ido@contoso.example:bob@hunter2.example
https://shop.example/:bob:hunter2
bob:hunter2
ola@contoso.example
"""


def test_of_a_leak_only_the_accounts_are_read(tmp_path: Path) -> None:
    """Whatever stands in passwords and URLs; of a line without an account three characters are left, to find it by."""
    path = tmp_path / "dump.txt"
    path.write_text(LEAK, encoding="utf-8")
    (source,) = inspect([str(path)])
    rows = rows_of(source)
    assert [row["identifier"] for row in rows] == [
        *("zoe@contoso.example", "yui@contoso.example", "xu@contoso.example", "ido@contoso.example"),
        *("htt…", "bob…", "ola@contoso.example"),
    ]
    assert [row["reason"] for row in rows] == ["", "", "", "", "invalid_identifier", "invalid_identifier", ""]
    assert "hunter2" not in repr((source, rows))


def test_a_leak_may_have_a_header(tmp_path: Path) -> None:
    """Its known word is the column's name."""
    path = tmp_path / "dump.csv"
    path.write_text(f"url:login:password\n{LEAK}", encoding="utf-8")
    (source,) = inspect([str(path)])
    assert (source.account_column, source.columns) == ("login", ())
    assert rows_of(source)[0]["row"] == 2


def test_a_leak_without_accounts_is_refused_without_its_secrets(tmp_path: Path) -> None:
    """Nor do errors hold any."""
    path = tmp_path / "dump.txt"
    path.write_text("bob:hunter2\nida:hunter2\n", encoding="utf-8")
    assert "hunter2" not in refusal(path)


def test_a_known_word_in_a_list_is_no_header(tmp_path: Path) -> None:
    """Below an account it is a mistake like another: nobody above it is left out."""
    path = tmp_path / "list.txt"
    path.write_text(f"{UPN}\nuser\n{ADMIN}\n", encoding="utf-8")
    assert identifiers_in(path) == [(1, UPN), (2, "use…"), (3, ADMIN)]


def test_merged_and_widened_cells_are_read(tmp_path: Path) -> None:
    """A title merged over the table, no-break spaces in headers and around accounts, numbers written as text."""
    rows: list[list[Any]] = [
        ["Affected users", None, None],
        ["User\u00a0principal\u00a0name", "Ticket", " "],
        [f"\u00a0{UPN}\u00a0", "00047", "x"],
    ]
    (source,) = inspect([str(workbook(tmp_path / "book.xlsx", {"A": rows}))])
    assert (source.account_column, source.columns) == ("User principal name", ("Ticket",))
    assert [(row["identifier"], json.loads(row["cohort"])) for row in rows_of(source)] == [(UPN, {"Ticket": "00047"})]
