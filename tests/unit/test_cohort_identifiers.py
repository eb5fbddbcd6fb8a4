from __future__ import annotations

import pytest

from batchreset.cohort.identifiers import Identifier, parse

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
    """Apostrophes, guests' #EXT# and letters beyond ASCII are taken."""
    assert parse(text) == Identifier(text, text.lower())


def test_user_principal_names_compare_without_regard_to_case() -> None:
    """The key is folded, the text stays as it was written."""
    assert parse("Zoë@Contoso.EXAMPLE") == Identifier("Zoë@Contoso.EXAMPLE", "zoë@contoso.example")


@pytest.mark.parametrize("text", [GUID, GUID.upper(), f"{{{GUID}}}"])
def test_object_ids_are_recognised_as_guids(text: str) -> None:
    """With or without braces, in either case, an object id has one key."""
    assert parse(text) == Identifier(text, GUID, is_object_id=True)


@pytest.mark.parametrize(
    "cell",
    [
        " zoe@contoso.example\t",
        "\u00a0zoe@contoso.example\u202f",
        "mailto:zoe@contoso.example",
        " MailTo: zoe@contoso.example ",
    ],
)
def test_what_copying_leaves_around_an_account_is_taken_off(cell: str) -> None:
    """White space, no-break spaces and `mailto:` are trimmed."""
    assert parse(cell) == Identifier("zoe@contoso.example", "zoe@contoso.example")


@pytest.mark.parametrize("start", ["=", "+", "-"])
def test_the_apostrophe_of_our_own_reports_is_taken_off(start: str) -> None:
    """What a report wrote as text before a formula's sign comes back as it was."""
    assert parse(f"'{start}zoe@contoso.example").text == f"{start}zoe@contoso.example"
    assert parse("'zoe@contoso.example").text == "'zoe@contoso.example"


@pytest.mark.parametrize("cell", ["", " ", "\u00a0", "\t\r\n", "mailto:"])
def test_a_cell_without_text_is_blank(cell: str) -> None:
    """White space names nobody, and is not a mistake."""
    assert (parse(cell).key, parse(cell).reason) == ("", "blank")


@pytest.mark.parametrize(
    "cell",
    [
        "zoe",
        "CONTOSO\\zoe",
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
