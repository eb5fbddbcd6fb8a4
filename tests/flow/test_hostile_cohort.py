"""A cohort and a directory that somebody wrote in order to do harm: no path, no formula and no markup of theirs."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import unquote

import openpyxl
import pytest

from batchreset.cohort import inspect
from batchreset.graph.directory import Directory, ask_about
from batchreset.graph.resets import PASSWORD_METHOD_ID, Form, ResetRequest, send_reset
from batchreset.graph.turnstile import Turnstile
from batchreset.model import Method
from batchreset.policy.pace import Pacer
from batchreset.rehearsal.behaviour import Fault, Route
from batchreset.secret import Secret
from tests.support.clock import run_virtual
from tests.support.cohorts import rows_of
from tests.support.desk import Run, at_desk, user
from tests.support.scripted import answering, as_json, talking_to

if TYPE_CHECKING:
    from aiohttp import web

#: What may name an account, and would be something else in a path, a filter or a query.
ODD = ("..", ".", "a%2f..%2fme", "a%00b", "staff_x#hr#", "o'brien", "a&$top", "a+b", "é", "''", "$batch", "%")
#: What names somebody whose home is elsewhere.
GUEST = "guest_x#ext#"
#: What names nobody.
TRICKS = (
    *(
        "../me@contoso.example",
        "ana@contoso.example/../me",
        "ana@contoso.example?$expand=manager",
        "a/b@contoso.example",
    ),
    *("a\\b@contoso.example", "ana@contoso.example#", "ana@contoso.example\x01", "an\u202ea@contoso.example"),
    *(
        "an\u200fa@contoso.example",
        "ana\u200b@contoso.example",
        "ana\ufeffa@contoso.example",
        "ana\ud7a4\u2066@x.example",
    ),
    *(f"{'a' * 10_000}@contoso.example", "@", "@contoso.example", "ana@", "..", "../..", "me", "00000000-0000-0000"),
    *("ana@contoso.example') or true or ('", "ana bo@contoso.example", "a@b@contoso.example", "ana@.example"),
)
FORMULAS = (
    *("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\uff1d1+1", '=HYPERLINK("http://evil.example")'),
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "{{ 7*7 }}", "javascript:alert(1)", "]]>"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of all of them, in a directory whose display names are no better."""

    async def go() -> Run:
        odd = [user(name, display_name=FORMULAS[number % len(FORMULAS)]) for number, name in enumerate(ODD)]
        failing = [
            user(f"bad{number}", Fault.OPERATION_FAILS, display_name=text) for number, text in enumerate(FORMULAS)
        ]
        named = [*odd, *failing, user(GUEST)]
        lines = [*(each.user_principal_name for each in named), *TRICKS]
        quoted = [line.replace('"', '""') for line in lines]
        cells = [FORMULAS[number % len(FORMULAS)].replace('"', '""') for number in range(len(lines))]
        rows = [f'"{line}","{cell}"' for line, cell in zip(quoted, cells, strict=True)]
        async with at_desk(tmp_path_factory.mktemp("hostile"), named, max_failures="100%") as desk:
            return await desk.run(*rows, header='userPrincipalName,"=1+1<b>"')

    return run_virtual(go())


def test_tricks_name_nobody_and_odd_names_somebody(run: Run) -> None:
    """Each row is accounted for; nothing but the routes that there are was ever asked for."""
    reasons = Counter(row["reason"] for row in run.rows if row["outcome"] == "excluded")
    assert reasons == {"invalid_identifier": len(TRICKS), "guest": 1}
    assert run.row(GUEST)["reason"] == "guest"
    assert run.counts == {"succeeded": len(ODD), "failed": len(FORMULAS), "excluded": len(TRICKS) + 1}
    assert not [status for route, status in run.tenant.requests if route is Route.UNKNOWN]
    assert not run.disagreements()


def test_no_cell_of_the_report_is_a_formula(run: Run) -> None:
    """Neither in CSV nor in a workbook, in whichever column it came; and what was read comes out of the guard again."""
    for name in ("reconciliation.csv", "retry.csv"):
        with (run.folder / name).open(encoding="utf-8-sig", newline="") as file:
            cells = [cell for record in csv.reader(file) for cell in record]
        assert not [cell for cell in cells if re.match(r"\s*[=+\-@\uff1d]", cell)]
        assert any(cell.startswith("'=cmd") for cell in cells)
    book = openpyxl.load_workbook(run.folder / "reconciliation.xlsx")
    written = [cell for sheet in book.worksheets for record in sheet.iter_rows() for cell in record]
    assert not [cell.coordinate for cell in written if cell.data_type == "f" or cell.hyperlink]
    (source,) = inspect([str(run.folder / "retry.csv")])
    told = {text for row in rows_of(source) for text in json.loads(row["cohort"]).values()}
    assert {*FORMULAS} <= {text.removeprefix("'") for text in told} | {text.strip() for text in told} | told


def test_the_page_holds_no_markup_of_theirs(run: Run) -> None:
    """Texts are texts, and the page still needs no network."""
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert 'href="javascript:' not in page


@pytest.mark.parametrize("object_id", ["../../me", "a/b", "a?b=c", "a#b", "a\0b", "a%2fb", "\u202ea", "x" * 10_000])
def test_whatever_is_an_id_stays_one_segment(object_id: str) -> None:
    """Up to the URL that the server really sees: it is escaped, and nothing after it moves."""
    seen: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request.raw_path)
        return as_json({}, 404)

    async def ask() -> None:
        request = ResetRequest(object_id, "1", Secret("Quartz-7-meadow"), Form(Method.RESET_PASSWORD, {}, {}))
        profile = ResetRequest(object_id, "1", Secret("Quartz-7-meadow"), Form(Method.PASSWORD_PROFILE, {}, {}))
        async with answering(handle) as root, talking_to(root) as graph:
            await send_reset(graph, request)
            await send_reset(graph, profile)
            await ask_about(graph, object_id)

    run_virtual(ask())
    if len(object_id) < 1000:  # a longer line no server reads
        rests = (
            f"/authentication/methods/{PASSWORD_METHOD_ID}/resetPassword",
            "",
            "?$select=id,lastPasswordChangeDateTime",
        )
        for path, rest in zip(seen, rests, strict=True):
            segment = path.removeprefix("/v1.0/users/").removesuffix(rest)
            assert not set("/?#\0") & set(segment)
            assert unquote(segment) == object_id


def test_a_name_stays_one_value_of_the_filter() -> None:
    """Up to the batch that the server really sees, quotes doubled and all else escaped."""
    seen: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        children = (await request.json())["requests"]
        seen.extend(child["url"] for child in children)
        return as_json({"responses": [{"id": child["id"], "status": 200, "body": {"value": []}} for child in children]})

    async def ask() -> None:
        async with answering(handle) as root, talking_to(root) as graph:
            await Directory(graph, Turnstile(Pacer()), lambda _: None).find([f"{name}@contoso.example" for name in ODD])

    run_virtual(ask())
    (url,) = seen
    path, _, query = url.partition("?")
    (asked, select) = query.split("&")
    assert (path, select.partition("=")[0]) == ("/users", "$select")
    values = unquote(asked.removeprefix("$filter=userPrincipalName%20in%20%28")).removesuffix(")")
    assert values == ",".join("'" + name.replace("'", "''") + "@contoso.example'" for name in ODD)
