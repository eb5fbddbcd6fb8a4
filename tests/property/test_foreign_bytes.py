"""Everything that reads what others wrote: never an exception but our own, and never a wrong success."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from batchreset.auth import bearer
from batchreset.auth.token import GivenToken
from batchreset.cohort import inspect
from batchreset.errors import BatchResetError, CohortError
from batchreset.gather import gather, restore
from batchreset.graph.answers import accounts, children, values_in
from batchreset.graph.challenge import claims_in
from batchreset.graph.resets import operation_url
from batchreset.graph.session import GraphSession
from batchreset.policy.verdict import Accepted, Answer, Ended, changed_at, has_changed, judge, judge_look, user_in
from batchreset.policy.waits import LONGEST_RETRY_AFTER, distrusted_in, wait_in
from batchreset.secret import Secret
from batchreset.settings import Settings
from batchreset.status import record
from batchreset.status.schema import run as runs
from tests.support.clock import run_virtual
from tests.support.cohorts import rows_of, workbook
from tests.support.runs import make_run
from tests.support.scripted import TOKEN, saying, talking_to

if TYPE_CHECKING:
    from sqlalchemy import Engine

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
ROOT = "https://graph.microsoft.com"
MINE = "0b7e7a5c-64a1-4a0e-8f55-6f6a3c1f2d11"

words = st.sampled_from(
    [
        "id",
        "value",
        "status",
        "responses",
        "body",
        "headers",
        "userPrincipalName",
        "succeeded",
        "0",
        MINE,
        "a@b.example",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
times = st.sampled_from(
    ["2026-11-21T12:00:00Z", "2026-11-21T12:00:00.0000001Z", "2025-01-01T00:00:00+14:00", "2026-11-21"]
)
segments = st.sampled_from(
    ["users", "v1.0", MINE, MINE.upper(), "..", ".", "%2e%2e", "%2F", "@evil.example", "", "operations"]
)
hosts = st.sampled_from(
    ["", ROOT, "http://graph.microsoft.com", "//evil.example", "https://graph.microsoft.com@evil.example"]
)
urls = st.text(max_size=40) | st.builds(
    lambda host, path: "/".join([host, *path]), hosts, st.lists(segments, max_size=7)
)


@given(values, st.sets(st.integers(0, 19)))
def test_a_batch_answers_what_was_asked_once(body: Any, pending: set[int]) -> None:
    """Each answer is to a pending request, and has a status that there is."""
    found = children(Answer(200, {}, body), pending)
    assert {number for number, _ in found} <= pending
    assert len({number for number, _ in found}) == len(found)
    for _, answer in found:
        judge(answer, NOW)
        assert 100 <= answer.status < 600


@given(
    values
    | st.fixed_dictionaries(
        {"value": st.lists(values | st.fixed_dictionaries({"id": values, "userPrincipalName": values}))}
    )
)
def test_accounts_can_be_addressed(body: Any) -> None:
    """They have names, and ids that fit into a path; and a page is a page of objects."""
    for account in accounts(body) or []:
        assert account.user
        assert account.object_id.replace("-", "").isalnum()
        assert account.object_id.isascii()
    assert all(isinstance(value, dict) for value in values_in(body) or [])


@example(body={"status": "succeeded", "resourceLocation": "USERS/"}, age=0.0)
@given(values | st.fixed_dictionaries({"status": values | words, "resourceLocation": values | urls}), st.floats(0, 1e6))
def test_an_operation_succeeds_by_its_own_word_only(body: Any, age: float) -> None:
    """The status says so, and nothing says that it is another account's."""
    look = judge_look(Answer(200, {}, body), MINE, age, NOW)
    if isinstance(look, Ended) and look.succeeded:
        assert body["status"].casefold() in {"succeeded", "completed"}
        other = user_in(body.get("resourceLocation"))
        assert other is None or other == MINE or "@" in other


@given(
    values | st.fixed_dictionaries({"id": st.just(MINE) | values, "lastPasswordChangeDateTime": times | values}),
    times | st.text(),
)
def test_a_change_is_proven_by_a_later_time_only(body: Any, before: str) -> None:
    """Of this account, after a time that was known; nothing is its own successor."""
    now = changed_at(Answer(200, {}, body), MINE)
    if has_changed(before, now):
        assert str(body["id"]).lower() == MINE
        assert now is not None
        assert datetime.fromisoformat(now) > datetime.fromisoformat(before)
        assert not has_changed(now, before)
    assert not has_changed(before, before)


@given(urls)
def test_a_link_stays_at_home_and_an_operation_with_its_account(url: str) -> None:
    """Whatever is followed is at the configured root, and whatever is an operation is of the account asked for."""
    graph = GraphSession(ROOT, GivenToken(Secret(TOKEN)), connections=1)
    resolved = graph.resolve(url)
    assert resolved is None or f"{resolved.lower()}/".startswith((f"{ROOT}/", f"{ROOT}:443/", f"{ROOT}?"))
    followed = operation_url(graph, url, MINE)
    assert followed is None or (followed == resolved and user_in(followed) == MINE)


@given(st.dictionaries(st.sampled_from(["Retry-After", "Date"]), st.text(max_size=40) | st.floats().map(str)))
def test_a_wait_is_bounded(headers: dict[str, str]) -> None:
    """And what is no wait is named."""
    wait = wait_in(headers, NOW)
    assert wait is None or 0 <= wait <= LONGEST_RETRY_AFTER
    assert (wait is None and "Retry-After" in headers) <= (distrusted_in(headers, NOW) is not None)


@given(st.text() | st.binary().map(bytes.hex), st.text(max_size=60))
def test_headers_and_tokens_are_read_or_not(header: str, token: str) -> None:
    """A challenge and a token may hold anything."""
    claims = claims_in(f'Bearer error="insufficient_claims", claims="{header}"')
    assert claims is None or isinstance(json.loads(claims), dict)
    bearer.read(Secret(f"{token}.{header}.x"))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 202 A\r\nLocation: "]))
def test_any_bytes_of_a_server_are_a_result(content: bytes, start: bytes) -> None:
    """An answer, or none; and what is no JSON is accepted by nobody without a Location."""

    async def go() -> None:
        async with saying(start + content) as (address, _), talking_to(f"http://{address}") as graph:
            exchange = await graph.send("POST", "/thing", body={})
            verdict = judge(exchange.result, NOW)
            json.dumps([exchange.request_id, exchange.path]).encode("utf-8", "strict")
            if isinstance(verdict, Accepted) and isinstance(exchange.result, Answer):
                assert exchange.result.readable or verdict.location
                json.dumps(exchange.result.body, ensure_ascii=False).encode()

    run_virtual(go())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60)
    | st.builds(
        lambda name, value: f"{name} = {value}\n".encode(),
        st.sampled_from([*Settings.__dataclass_fields__, "recipients"]),
        st.text(max_size=9)
        | st.sampled_from(
            ["1", "-1", "''", "[]", "[1]", "{}", "nan", "inf", "1e999", "1979-05-27", '"\\u0000"', "true"]
        ),
    )
)
def test_any_config_file_is_settings_or_a_refusal(tmp_path: Path, content: bytes) -> None:
    """Whatever was typed into it."""
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with suppress(BatchResetError):
        assert isinstance(gather({}, path), Settings)


JSON_COLUMNS = ["operator", "tenant", "settings", "sources", "cohort_columns", "unchecked"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return make_run(tmp_path_factory.mktemp("run"), [{}])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(JSON_COLUMNS), values.map(json.dumps) | st.text(max_size=20))
def test_a_damaged_record_is_said(engine: Engine, column: str, content: str) -> None:
    """Whoever opens a run whose record was tampered with is told, in one sentence."""
    content = content.encode("utf-8", "replace").decode()
    with engine.connect() as connection:
        usual = connection.execute(text(f"SELECT {column} FROM run")).scalar()  # noqa: S608  our own words
    with engine.begin() as connection:
        connection.execute(update(runs).values({column: content}))
    try:
        with suppress(BatchResetError):
            assert isinstance(restore(record.load(engine).settings), Settings)
    finally:
        with engine.begin() as connection:
            connection.execute(update(runs).values({column: usual}))


@cache
def parts() -> dict[str, bytes]:
    """Return the parts of a small workbook."""
    with TemporaryDirectory() as folder:
        path = workbook(Path(folder) / "a.xlsx", {"A": [["UPN"], ["zoe@contoso.example"], [1.5]]})
        with zipfile.ZipFile(path) as package:
            return {part.filename: package.read(part) for part in package.infolist()}


NAMES = [
    "xl/worksheets/sheet1.xml",
    "xl/workbook.xml",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    "xl/_rels/workbook.xml.rels",
]


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.integers(0, 10**6),
    st.integers(0, 12),
    st.binary(max_size=6) | st.sampled_from([b"9" * 12, b"-1", b'r="', b"<c/>", b"<row>", b"&#0;"]),
)
def test_a_workbook_that_was_tampered_with_is_rows_or_a_refusal(name: str, place: int, cut: int, put: bytes) -> None:
    """In whichever part, at whichever byte."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as package:
        for part, content in parts().items():
            at = place % (len(content) + 1)
            package.writestr(part, content if part != name else content[:at] + put + content[at + cut :])
    try:
        (source,) = inspect(["-"], stdin=io.BytesIO(packed.getvalue()))
    except CohortError:
        return
    assert len(rows_of(source)) == source.records
