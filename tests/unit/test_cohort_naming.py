"""By what names the rows of a file are looked up, as its header and its content say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchreset.cohort import inspect
from tests.support.cohorts import refusal, rows_of

if TYPE_CHECKING:
    from pathlib import Path

GUID = "6b4b76b0-e179-4773-a6e0-f3c09514b7dd"
FILES: dict[str, tuple[str, str, list[str]]] = {
    "user principal names, and nothing else": (
        f"mail,userPrincipalName\nzoe@contoso.example,Z1@contoso.example\n,{GUID}\n,CORP\\zoe\n,zoe\n",
        "userPrincipalName",
        ["z1@contoso.example", GUID, "", ""],
    ),
    "mail alone": (
        f"Name,E-Mail\nZoë,Zoe@contoso.example\nYui,{GUID}\nXu,CORP\\xu\nIdo,ido\n",
        "E-Mail",
        ["smtp:zoe@contoso.example", GUID, "corp\\xu", ""],
    ),
    "Exchange": (
        "Identity,PrimarySmtpAddress\nZoë Xu,zoe@contoso.example\n",
        "PrimarySmtpAddress",
        ["smtp:zoe@contoso.example"],
    ),
    "a list": (
        f"zoe@contoso.example\nCORP\\Yui\n{GUID}\nCORP\\PC-7$\n",
        "account",
        ["smtp:zoe@contoso.example", "corp\\yui", GUID, ""],
    ),
    "a list of logon names": ("CORP\\zoe\ncontoso.example\\yui\n", "account", ["corp\\zoe", "contoso.example\\yui"]),
    "a leak": ("zoe@contoso.example:hunter2\n", "account", ["smtp:zoe@contoso.example"]),
    "headers of another language": (
        "Kennung,Ort\nCORP\\zoe,Ulm\nCORP\\yui,Bonn\n",
        "Kennung",
        ["corp\\zoe", "corp\\yui"],
    ),
    "Get-ADUser without its user principal names": (
        (
            '"DistinguishedName","ObjectGUID","SamAccountName","Surname"\n'
            f'"CN=Zoe,DC=contoso","{GUID}","Zoe","Xu"\n"x","{GUID}","CORP\\yui","Ito"\n"x","{GUID}","PC-7$","x"\n'
        ),
        "SamAccountName",
        ["\\zoe", "corp\\yui", ""],
    ),
    "a list of logon names under their header": (
        "sAMAccountName\n00047\nzxu\n",
        "sAMAccountName",
        ["\\00047", "\\zxu"],
    ),
    "Defender, hunting": (
        (
            "DeviceName,AccountDomain,AccountName,AccountSid\nPC-7,Corp,Zoe,S-1\nPC-7,nt authority,system,S-1\n"
            "PC-7,,Yui,S-1\nPC-7,corp,xu@contoso.example,S-1\nPC-7,corp,EMEA\\ido,S-1\nPC-7,corp,,S-1\n"
        ),
        "AccountName",
        ["corp\\zoe", "", "\\yui", "smtp:xu@contoso.example", "emea\\ido", ""],
    ),
}


@pytest.mark.parametrize(("text", "column", "keys"), FILES.values(), ids=FILES)
def test_names_are_what_header_and_content_say(tmp_path: Path, text: str, column: str, keys: list[str]) -> None:
    """Each row's key tells as what it is looked up; nothing of what names nobody is kept but three characters."""
    path = tmp_path / "cohort.csv"
    path.write_text(text, encoding="utf-8")
    (source,) = inspect([str(path)])
    rows = rows_of(source)
    assert (source.account_column, [row["key"] for row in rows]) == (column, keys)
    assert all(row["key"] or len(row["identifier"]) <= 4 for row in rows)
    assert len(source.examples) == min(3, sum(map(bool, keys)))


@pytest.mark.parametrize(
    ("column", "key"), [("mail", "smtp:zoe@contoso.example"), ("samaccountname", "\\zxu"), ("Note", "corp\\zoe")]
)
def test_a_column_that_is_named_is_read_by_its_header_too(tmp_path: Path, column: str, key: str) -> None:
    """Whichever would have been chosen."""
    path = tmp_path / "cohort.csv"
    path.write_text("UPN,mail,SamAccountName,Note\nz@x.example,zoe@contoso.example,zxu,CORP\\zoe\n", encoding="utf-8")
    (source,) = inspect([str(path)], column=column)
    assert [row["key"] for row in rows_of(source)] == [key]


def test_whoever_only_another_column_names_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    """A row that is blank but for a mail address means somebody, unless the user named the column that is blank."""
    path = tmp_path / "cohort.csv"
    rows = ["z@x.example,,Ulm", ",yui@x.example,Ulm", ",n/a,Ulm", ",,", "x@x.example,,"]
    path.write_text("\n".join(["UPN,mail,Town", *rows]), encoding="utf-8")
    found, named = (rows_of(inspect([str(path)], column=column)[0]) for column in (None, "UPN"))
    assert [row["reason"] for row in found] == ["", "invalid_identifier", "blank", "blank", ""]
    assert [row["reason"] for row in named] == ["", "blank", "blank", "blank", ""]
    assert found[1]["identifier"] == "(empty)"


def test_two_columns_of_logon_names_are_a_tie(tmp_path: Path) -> None:
    """The choice is the user's."""
    path = tmp_path / "cohort.csv"
    path.write_text("Konto,Kennung\nCORP\\a,CORP\\b\n", encoding="utf-8")
    assert "columns 'Konto' and 'Kennung' could both name the account" in refusal(path)


def test_the_identifier_of_a_composed_name_can_be_fed_back(tmp_path: Path) -> None:
    """Domain and name of two columns are one identifier, which says it all."""
    path = tmp_path / "cohort.csv"
    path.write_text("AccountName,AccountDomain\nZoe,Corp\n", encoding="utf-8")
    (row,) = rows_of(inspect([str(path)])[0])
    again: dict[str, Any] = {}
    path.write_text(f"identifier\n{row['identifier']}\n", encoding="utf-8")
    (again,) = rows_of(inspect([str(path)])[0])
    assert (row["identifier"], row["key"]) == (again["identifier"], again["key"]) == ("Corp\\Zoe", "corp\\zoe")
