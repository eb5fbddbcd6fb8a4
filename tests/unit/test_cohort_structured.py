from __future__ import annotations

import io
import json
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.cohort import inspect
from batchreset.errors import CohortError
from tests.support.cohorts import identifiers_in, refusal, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ID = "6b4b76b0-e179-4773-a6e0-f3c09514b7dd"
ZOE = {"id": ID, "userPrincipalName": "zoe@contoso.example", "displayName": "Zoë"}
YUI = {"userPrincipalName": "yui@contoso.example", "department": None, "accountEnabled": True}
WRITTEN: dict[str, str] = {
    "an array": json.dumps([ZOE, YUI]),
    "Graph's answer": json.dumps({"@odata.context": "https://x.example/$metadata#users", "value": [ZOE, YUI]}),
    "the list first": json.dumps({"value": [ZOE, YUI], "Count": 2}, indent=4),
    "pages": "\n".join(json.dumps({"@odata.nextLink": "x", "value": [each]}) for each in (ZOE, YUI)),
    "Defender's hunting": json.dumps({"schema": [{"name": "AccountUpn", "type": "String"}], "results": [ZOE, YUI]}),
    "one a line": f"{json.dumps(ZOE)}\r\n{json.dumps(YUI)}\r\n",
    "Azure Monitor's logs": json.dumps(
        {
            "tables": [
                {
                    "name": "PrimaryResult",
                    "columns": [
                        *({"name": name, "type": "string"} for name in ZOE),
                        *({"name": name, "type": "string"} for name in ("department", "accountEnabled")),
                    ],
                    "rows": [[*ZOE.values(), None, None], [None, YUI["userPrincipalName"], None, None, True]],
                },
                {"name": "Other", "columns": [{"name": "id"}], "rows": []},
            ],
            "statistics": {"query": {"executionTime": 0.1}},
        }
    ),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_objects_are_rows_however_they_are_listed(tmp_path: Path, text: str, encoding: str) -> None:
    """The first object is row 1; the members are columns, all objects' together, in the order met."""
    path = tmp_path / "users.json"
    path.write_bytes(text.encode(encoding))
    (source,) = inspect([str(path)])
    assert (source.account_column, source.columns, source.records) == (
        "userPrincipalName",
        ("id", "displayName", "department", "accountEnabled"),
        2,
    )
    rows = rows_of(source)
    assert [(row["row"], row["identifier"]) for row in rows] == [(1, "zoe@contoso.example"), (2, "yui@contoso.example")]
    assert json.loads(rows[1]["cohort"]) == {"id": "", "displayName": "", "department": "", "accountEnabled": "true"}


def test_a_single_object_is_one_row(tmp_path: Path) -> None:
    """As ConvertTo-Json writes when there was only one."""
    path = tmp_path / "user.json"
    path.write_text(json.dumps(ZOE, indent=2), encoding="utf-8")
    assert identifiers_in(path) == [(1, "zoe@contoso.example")]


def test_a_list_of_texts_is_a_list_of_accounts(tmp_path: Path) -> None:
    """Null is a blank row, and what is no account is a row with its reason."""
    path = tmp_path / "list.json"
    path.write_text('["zoe@contoso.example", null, "zoe"]', encoding="utf-8")
    (source,) = inspect([str(path)])
    assert [(row["row"], row["reason"]) for row in rows_of(source)] == [
        (1, ""),
        (2, "blank"),
        (3, "invalid_identifier"),
    ]


def test_members_are_carried_as_text(tmp_path: Path) -> None:
    """Numbers to the last digit, nested values as JSON, none of them with a credential at any depth."""
    nested = {"a": [1, {"password": "hunter2", "b": "ü"}], "authToken": "hunter2"}
    item = {
        "upn": "zoe@contoso.example",
        "n": 12345678901234567890,
        "nested": nested,
        "credentials": [{"x": "hunter2"}],
    }
    path = tmp_path / "users.json"
    path.write_text(json.dumps([item]), encoding="utf-8")
    (source,) = inspect([str(path)])
    (row,) = rows_of(source)
    assert json.loads(row["cohort"]) == {"n": "12345678901234567890", "nested": '{"a": [1, {"b": "ü"}]}'}
    assert "hunter2" not in repr((source, row))


def test_a_password_column_is_sealed_to_the_letter(tmp_path: Path) -> None:
    """Texts and whole numbers; a fraction would be shown otherwise than it was written, and is refused."""
    path = tmp_path / "users.json"
    path.write_text('[{"upn": "a@b.example", "pw": "\\u00fc"}, {"upn": "c@d.example", "pw": 12345678}]', "utf-8")
    (source,) = inspect([str(path)], password_column="pw")
    assert [row["sealed"] for row in rows_of(source, seal=str.encode)] == ["ü".encode(), b"12345678"]
    path.write_text('[{"upn": "a@b.example", "pw": 1.50}]', encoding="utf-8")
    (source,) = inspect([str(path)], password_column="pw")
    with pytest.raises(CohortError, match="row 1: the password is a date, or a number of too many digits"):
        rows_of(source, seal=str.encode)


def test_the_domain_search_of_have_i_been_pwned_is_read(tmp_path: Path) -> None:
    """Its two members name the account together; pastes are not accounts of their own."""
    found = {
        "Alias": "zoe",
        "DomainName": "contoso.example",
        "Breaches": [{"Name": "Canvas", "DataClasses": ["Emails"]}],
    }
    path = tmp_path / "breach.json"
    path.write_text(json.dumps({"BreachSearchResults": [found], "PasteSearchResults": [{"Alias": "x"}]}), "utf-8")
    assert identifiers_in(path) == [(1, "zoe@contoso.example")]


def test_aliases_without_their_domain_are_refused(tmp_path: Path) -> None:
    """As the API of Have I Been Pwned lists the breaches of a domain: nobody knows of which."""
    path = tmp_path / "breached.json"
    path.write_text(json.dumps({"zoe": ["Adobe"], "yui.ito": ["Adobe", "Canvas"]}), encoding="utf-8")
    sentence = refusal(path)
    assert sentence.startswith("breached.json has aliases without their domain")
    assert "alias@domain in each line" in sentence


def test_a_file_is_what_it_holds_and_not_what_it_is_called(tmp_path: Path) -> None:
    """JSON saved as .txt or .csv, and a table saved as .json."""
    for ending in (".txt", ".csv", ".tsv"):
        path = tmp_path / f"users{ending}"
        path.write_text(WRITTEN["Graph's answer"], encoding="utf-8")
        assert identifiers_in(path) == [(1, "zoe@contoso.example"), (2, "yui@contoso.example")]
    for ending in (".json", ".jsonl"):
        path = tmp_path / f"table{ending}"
        path.write_text('"UPN","Name"\n"zoe@contoso.example","Zoe"\n', encoding="utf-8")
        assert identifiers_in(path) == [(2, "zoe@contoso.example")]


def test_an_audit_log_names_its_target(tmp_path: Path) -> None:
    """The user it was done to; neither who did it nor a group."""
    actor = {"user": {"id": ID, "userPrincipalName": "admin@contoso.example"}}
    target = {"id": ID, "type": "User", "userPrincipalName": "zoe@contoso.example"}
    group = {"id": ID, "type": "Group", "userPrincipalName": None}
    logged = [
        {"id": f"Directory_{n}", "initiatedBy": actor, "targetResources": each}
        for n, each in enumerate([[target], [group]])
    ]
    path = tmp_path / "audit.json"
    path.write_text(json.dumps({"value": logged}), encoding="utf-8")
    assert identifiers_in(path) == [(1, "zoe@contoso.example"), (2, "")]


def test_a_sign_in_log_names_its_user(tmp_path: Path) -> None:
    """Where only ids were exported, the user's and not the entry's."""
    path = tmp_path / "signins.json"
    path.write_text(json.dumps([{"id": ID[::-1].replace("-", "a"), "userId": ID}]), encoding="utf-8")
    assert identifiers_in(path) == [(1, ID)]


def test_json_is_told_by_its_beginning_on_standard_input() -> None:
    """It has no ending there; a list of object ids in braces is none."""
    (source,) = inspect(["-"], stdin=io.BytesIO(WRITTEN["Graph's answer"].encode()))
    assert source.account_column == "userPrincipalName"
    (source,) = inspect(["-"], stdin=io.BytesIO(f"{{{ID}}}\n".encode()))
    assert source.account_column == "account"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "users.json is empty"),
        ("[]", "users.json is empty"),
        ('{"value": []}', "users.json is empty"),
        ('[{"upn": "zoe@contoso.example"}, {"upn": "hunter2', "item 2: not well-formed JSON"),
        ('[{"upn": "zoe@contoso.example"} {"upn": "hunter2"}]', "item 2: not well-formed JSON"),
        ("[" * 100_000, "item 1: not well-formed JSON"),
        ('{"a" "hunter2"}', "item 1: not well-formed JSON"),
        ("[1]", "item 1: neither an object nor a text"),
        ('{"tables": [{"rows": [["hunter2@contoso.example"]], "columns": []}]}', "item 1: not well-formed JSON"),
        ('{"tables": [{"columns": [{"name": "upn"}], "rows": ["hunter2"]}]}', "item 1: not well-formed JSON"),
        ('{"tables": [{"columns": ["upn"], "rows": []}]}', "item 1: not well-formed JSON"),
        ('[{"upn": "\\ud800"}]', "item 1: a NUL or half a character"),
        ('[{"upn": "a\\u0000"}]', "item 1: a NUL or half a character"),
        ('[{"Name": "Zoe", "Office": "Lagos"}]', "no account column: none holds user principal names"),
        (json.dumps({f"c{n}": n for n in range(16_385)}), "its objects have more than 16,384 members"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """In one sentence that names the file and the object, and quotes nothing of it."""
    path = tmp_path / "users.json"
    path.write_text(text, encoding="utf-8")
    sentence = refusal(path)
    assert said in sentence
    assert "hunter2" not in sentence


LARGE: dict[str, Callable[[], Any]] = {
    "a text": lambda: '[{"upn": "' + "x" * (40 << 20) + '"}]',
    "members": lambda: "{" + ",".join(f'"c{n % 9}": "{"x" * 1000}"' for n in range(40_000)) + "}",
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE)
def test_no_more_is_held_than_one_object_takes(tmp_path: Path, make: Callable[[], str]) -> None:
    """An object of 40 MB is refused soon, and in less memory than it has."""
    path = tmp_path / "users.json"
    path.write_text(make(), encoding="utf-8")
    tracemalloc.start()
    try:
        start = time.process_time()
        assert "item 1: not well-formed JSON, or larger than 4,194,304 characters" in refusal(path)
        assert time.process_time() - start < 3
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 << 20
