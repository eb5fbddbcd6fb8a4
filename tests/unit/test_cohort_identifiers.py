from __future__ import annotations

import pytest

from batchreset.cohort.identifiers import Identifier, Naming, parse, plain

GUID = "6b4b76b0-e179-4773-a6e0-f3c09514b7dd"


@pytest.mark.parametrize(
    "text",
    [
        "ayse.celik@contoso.example",
        "sean.o'brien@contoso.example",
        "zoe_fabrikam.example#EXT#@contoso.onmicrosoft.example",
        "jürgen@müller.example",
        "a+b@contoso.example",
        "1@sub-domain.contoso.example",
    ],
)
def test_user_principal_names_as_entra_has_them_are_accounts(text: str) -> None:
    """Apostrophes, guests' #EXT# and letters beyond ASCII are taken; they may be those of mailboxes, or may not."""
    assert parse(text, Naming.UPN) == Identifier(text, text.lower())
    assert parse(text) == parse(text, Naming.LOGON) == Identifier(text, f"smtp:{text.lower()}")


def test_user_principal_names_compare_without_regard_to_case() -> None:
    """The key is folded, the text stays as it was written."""
    assert parse("Zoë@Contoso.EXAMPLE", Naming.UPN) == Identifier("Zoë@Contoso.EXAMPLE", "zoë@contoso.example")


@pytest.mark.parametrize("text", [GUID, GUID.upper(), f"{{{GUID}}}"])
def test_object_ids_are_recognised_as_guids(text: str) -> None:
    """With or without braces, in either case, an object id has one key."""
    assert {parse(text, naming) for naming in Naming} == {Identifier(text, GUID)}


@pytest.mark.parametrize(
    "cell",
    [
        " zoe@contoso.example\t",
        "\u00a0zoe@contoso.example\u202f",
        "mailto:zoe@contoso.example",
        " MailTo: zoe@contoso.example ",
        "SMTP:zoe@contoso.example",
    ],
)
def test_what_copying_leaves_around_an_account_is_taken_off(cell: str) -> None:
    """White space, no-break spaces, `mailto:` and the prefix of proxy addresses are trimmed."""
    assert parse(cell, Naming.UPN) == Identifier("zoe@contoso.example", "zoe@contoso.example")


@pytest.mark.parametrize(
    "text", ["CONTOSO\\zoe", "contoso.example\\Zoë.Xu", "CORP-1\\o'brien", "corp\\zoe xu", "EMEA_2\\00047"]
)
def test_a_domain_and_a_user_are_a_logon_name(text: str) -> None:
    """By their form, wherever a user principal name is not asked for; the domain by its NetBIOS or its DNS name."""
    assert parse(text) == parse(text, Naming.LOGON) == Identifier(text, text.lower())
    assert parse(text, Naming.UPN).reason == "invalid_identifier"


@pytest.mark.parametrize("text", ["zoe", "Zoë.Xu", "00047", "o'brien", "svc_backup", "zoe xu"])
def test_a_logon_name_alone_counts_under_its_header(text: str) -> None:
    """Nowhere else: any word looks like one."""
    assert parse(text, Naming.LOGON) == Identifier(text, f"\\{text.lower()}")
    assert (parse(text).key, parse(text, Naming.UPN).key) == ("", "")


@pytest.mark.parametrize(
    "text",
    [
        *("PC-7$", "CORP\\PC-7$", "CORP\\gmsa-sql$", "NT AUTHORITY\\SYSTEM", "BUILTIN\\Administrators"),
        *("NT SERVICE\\MSSQLSERVER", "Font Driver Host\\UMFD-0", "AzureAD\\ZoeXu", ".\\zoe", "\\zoe", "CORP\\"),
        *(
            "CORP\\a\\b",
            "C:\\Users\\zoe",
            "\\\\server\\share",
            "CORP\\zoe@contoso.example",
            "zoe@",
            "zoe@contoso",
            "zoe.",
        ),
        *("CORP/zoe", "a,b", "zoe;yui", "zoe:hunter2", "zoe|x", "x" * 65, "zoe\u202e", "zoe\u00a0xu", "*"),
    ],
)
def test_computers_authorities_and_paths_name_nobody(text: str) -> None:
    """Whatever the header says; of each three characters are shown."""
    for naming in Naming:
        found = parse(text, naming)
        assert (found.key, found.reason) == ("", "invalid_identifier")
        assert found.text == (text if len(text) <= 3 else f"{text[:3]}…")


@pytest.mark.parametrize("start", ["=", "+", "-"])
def test_the_apostrophe_of_our_own_reports_is_taken_off(start: str) -> None:
    """What a report wrote as text before a formula's sign comes back as it was."""
    assert plain(f"'{start}zoe@contoso.example") == f"{start}zoe@contoso.example"
    assert parse("'+zoe@contoso.example").text == "+zoe@contoso.example"
    assert parse("'zoe@contoso.example").text == "'zoe@contoso.example"


@pytest.mark.parametrize("cell", ["", " ", "\u00a0", "\t\r\n", "mailto:"])
def test_a_cell_without_text_is_blank(cell: str) -> None:
    """White space names nobody, and is not a mistake."""
    assert (parse(cell).key, parse(cell).reason) == ("", "blank")


@pytest.mark.parametrize(
    "cell",
    [
        "zoe",
        "@contoso.example",
        "zoe@",
        "zoe@contoso",
        "zoe@contoso..example",
        "zoe@-contoso.example",
        "zoe@contoso.example.",
        "zoe@con_toso.example",
        "zoe@@contoso.example",
        "zoe smith@contoso.example",
        "zoe@contoso.example;yui@contoso.example",
        "Zoe <zoe@contoso.example>",
        "zoe@contoso.example/etc",
        "zoe\u202e@contoso.example",
        "zoe\u200b@contoso.example",
        "zoe\0@contoso.example",
        "zoe@contoso.example\nyui@contoso.example",
        "a" * 320 + "@contoso.example",
        GUID[:-1],
        f"{GUID}0",
        GUID.replace("-", ""),
    ],
)
def test_what_cannot_be_an_account_is_invalid(cell: str) -> None:
    """Malformed cells are recognised by their form alone, so that they become rows with a reason."""
    assert (parse(cell).key, parse(cell).reason) == ("", "invalid_identifier")
