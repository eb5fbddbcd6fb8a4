from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from openpyxl import load_workbook

from batchreset import report
from batchreset.model import State, outcome_of
from batchreset.report import record
from batchreset.report.findings import NAMES_SHOWN
from batchreset.report.reconciliation import reconcile
from batchreset.report.steps import taken
from batchreset.status import schema
from batchreset.status.record import read
from tests.support import runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AFTER = {"revoke_sessions": "after"}
BOTH = {"revoke_sessions": "both"}
BLOCKING = {"disable": True, "enable": True}
DENIED = "HTTP 403 Authorization_RequestDenied: Insufficient privileges"
LOST = {"verdict": None, "status": None, "answered_at": None}
THROTTLED = {"verdict": "throttled", "status": 429}
REFUSED = {"verdict": "refused", "status": 403, "detail": DENIED}
AWAY = {"verdict": "transient", "status": 503, "detail": "HTTP 503"}
RESUME = f"`batchreset resume {runs.RUN_ID}` does it"


def second(number: int) -> str:
    return f"2026-11-21T12:00:{number:02}.500Z"


def lines_of(
    folder: Path, rows: Sequence[dict[str, Any]], sends: Sequence[dict[str, Any]] = (), **facts: Any
) -> list[dict[Any, Any]]:
    engine = runs.make_run(folder, rows, **facts)
    runs.put(engine, schema.sends, sends)
    runs.put(engine, schema.excepted, [{"key": "spared", "source": "named by --protect"}])
    with engine.connect() as connection:
        run = read(connection)
        ((resets, theirs),) = record.read_rows(connection)
    engine.dispose()
    return reconcile(resets, theirs, taken(resets, theirs, run), run).to_dict("records")


def written(folder: Path, rows: Sequence[dict[str, Any]], sends: Sequence[dict[str, Any]], **facts: Any) -> str:
    engine = runs.make_run(folder, rows, **facts)
    runs.put(engine, schema.sends, sends)
    report.write(folder, engine)
    engine.dispose()
    return (folder / "report.html").read_text("utf-8")


def test_each_step_has_its_own_time_and_the_reset_keeps_its_figures(tmp_path: Path) -> None:
    """What goes with a reset is neither an attempt of it nor its request: only its times are told, the last of each."""
    reset = runs.send(1, 3, request_id="r3", polls=2)
    sends = [
        runs.send(1, 1, step="disable", status=204),
        runs.send(1, 2, step="revoke-before", status=200),
        reset,
        runs.send(1, 4, step="revoke", **THROTTLED),
        runs.send(1, 5, step="revoke", status=503, verdict="transient", detail="HTTP 503"),
        runs.send(1, 6, step="revoke", status=200),
        runs.send(1, 7, step="enable", status=204, request_id="r7"),
    ]
    (line,) = lines_of(tmp_path, [{"enabled_before": 1}], sends, settings={**BOTH, **BLOCKING})
    assert (line["disabled_at"], line["sessions_revoked_before_at"]) == (second(1), second(2))
    assert (line["sessions_revoked_at"], line["enabled_at"]) == (second(6), second(7))
    assert (line["attempts"], line["polls"], line["submitted_at"]) == (1, 2, "2026-11-21T12:00:03.000Z")
    assert (line["client_request_id"], line["request_id"]) == (reset["client_request_id"], "r3")
    assert (line["outcome"], line["detail"]) == ("succeeded", "")


NO_BLOCK, MAYBE = "sign-in could not be blocked", "sign-in may be blocked: the answer was lost"
NOT_OPEN = f"sign-in is not open again yet; {RESUME}"
#: A row, the sends beside its reset in their order, and what its detail is to say of them.
NOT_DONE: list[tuple[dict[str, Any], list[tuple[str, dict[str, Any]]], str]] = [
    ({}, [], f"sessions are not revoked yet; {RESUME}"),
    ({"state": "failed", "detail": "no"}, [], "no"),
    ({}, [("revoke", THROTTLED)], f"sessions are not revoked yet; {RESUME}"),
    ({}, [("revoke", LOST)], "sessions may not have been revoked: the answer was lost"),
    ({}, [("revoke", REFUSED)], f"sessions could not be revoked: {DENIED}"),
    (
        {},
        [("revoke", LOST), ("revoke", REFUSED)],
        f"sessions could not be revoked: {DENIED}; sessions may not have been revoked: the answer was lost",
    ),
    ({}, [("revoke", {}), ("revoke", LOST)], ""),
    (
        {},
        [("revoke-before", REFUSED), ("revoke", {})],
        f"sessions could not be revoked before the reset: {DENIED}",
    ),
    (
        {"state": "failed", "detail": "HTTP 400"},
        [("disable", REFUSED)],
        f"HTTP 400; sign-in could not be blocked: {DENIED}",
    ),
    ({"state": "failed"}, [("disable", LOST)], "sign-in may be blocked: the answer was lost"),
    ({}, [("disable", {}), ("revoke", {})], f"sign-in is not open again yet; {RESUME}"),
    (
        {},
        [("disable", {}), ("revoke", {}), ("enable", REFUSED)],
        f"sign-in could not be opened again: {DENIED}",
    ),
    # What the service did not take is left, also where it refused it once.
    ({}, [("revoke", REFUSED), ("revoke", AWAY)], f"sessions are not revoked yet: HTTP 503; {RESUME}"),
    (
        {},
        [("disable", {}), ("revoke", {}), ("enable", {**AWAY, "verdict": "signedout"})],
        f"sign-in is not open again yet: HTTP 503; {RESUME}",
    ),
    # What was not done before the reset cannot be made up for.
    (
        {},
        [("disable", AWAY), ("reset", {}), ("revoke", {})],
        "sign-in was not blocked before the reset: HTTP 503; sessions were not revoked before the reset",
    ),
    (
        {"enabled_before": 0},
        [("revoke-before", REFUSED), ("reset", {}), ("revoke", {})],
        f"sessions were not revoked before the reset: {DENIED}",
    ),
    ({}, [("disable", LOST), ("revoke-before", {}), ("reset", {}), ("revoke", {})], f"{MAYBE}; {NOT_OPEN}"),
    ({"state": "ready", "detail": "later"}, [("disable", AWAY), ("reset", THROTTLED)], f"later; {NO_BLOCK}: HTTP 503"),
    ({"object_id": "SPARED"}, [("disable", {})], "left as it is: protected by now"),
    ({"object_id": "SPARED"}, [("disable", {}), ("revoke", {}), ("enable", {})], ""),
]


def test_a_step_that_is_not_done_shows_beside_the_rest(tmp_path: Path) -> None:
    """What failed or is still to be done is said in plain words; the outcome and its reason stay as they are."""
    rows = [{"enabled_before": 1, **row} for row, _, _ in NOT_DONE]
    sends = [
        runs.send(row, number, step=step, **facts)
        for row, (_, steps, _) in enumerate(NOT_DONE, start=1)
        for number, (step, facts) in enumerate(steps, start=1)
    ]
    lines = lines_of(tmp_path, rows, sends, settings={**BOTH, **BLOCKING})
    assert [line["detail"] for line in lines] == [says for _, _, says in NOT_DONE]
    assert [line["outcome"] for line in lines] == [outcome_of(State(row.get("state", "succeeded"))) for row in rows]
    assert {line["reason"] for line in lines} == {""}


def test_a_row_held_back_for_writeback_says_so(tmp_path: Path) -> None:
    """It waits for its domain, not for the run: that is its reason however the run ended."""
    rows: list[dict[str, Any]] = [
        {"state": "ready", "reason": "writeback"},
        {"state": "ready", "reason": "writeback", "detail": "corp.contoso.example does not answer"},
        {"state": "ready", "reason": "password_rejected"},
    ]
    lines = lines_of(tmp_path, rows, state="interrupted")
    assert [line["reason"] for line in lines] == ["writeback", "writeback", "interrupted"]
    assert "writeback failed for the first account of its on-premises domain" in lines[0]["detail"]
    assert lines[1]["detail"] == "corp.contoso.example does not answer"


def test_the_page_opens_with_the_accounts_left_blocked_and_lists_the_sessions_that_go_on(tmp_path: Path) -> None:
    """Nobody has to look for what is still to be done: who cannot sign in, who stays signed in, and how to go on."""
    rows: list[dict[str, Any]] = [
        {"user": "ana@x.example", "enabled_before": 1, "kind": "cloud", "marks": '["privileged"]'},
        {"user": "bea@x.example", "enabled_before": 1, "kind": "synchronised"},
        {"user": "cem@x.example", "enabled_before": 0, "kind": "cloud", "marks": '["disabled"]'},
        {"user": "dan@x.example", "enabled_before": 1, "state": "ready"},
        {"user": "eva@x.example", "enabled_before": 1, "kind": "cloud", "marks": '["likely service account"]'},
        {"user": "fay@x.example", "enabled_before": 1, "kind": "cloud"},
    ]
    sends = [
        runs.send(1, 1, step="disable"),
        runs.send(1, 5, step="revoke"),
        runs.send(1, 6, step="enable", **REFUSED),
        runs.send(2, 2, step="disable", **LOST),
        runs.send(2, 9, step="revoke", **REFUSED),
        runs.send(3, 3, step="disable"),
        runs.send(3, 7, step="revoke"),
        runs.send(4, 4, step="disable"),
        runs.send(5, 5, step="disable"),
        runs.send(5, 6, step="enable"),
        runs.send(6, 1, step="disable", status=503, verdict="transient", detail="HTTP 503"),
    ]
    rows[5]["cohort"] = {"riskState": "atRisk"}
    rows[0]["cohort"] = {"riskState": "remediated"}
    html = written(tmp_path, rows, sends, state="halted", settings={**AFTER, **BLOCKING}, cohort_columns=["riskState"])
    sentence = (
        "1 of 6 accounts is not reset: go on with the 1 not attempted; "
        "sessions of 3 not revoked; 3 left with sign-in blocked."
    )
    top, rest = html.split("</header>")[1].split("</section>", 1)
    assert f"<h1>{sentence}</h1>" in html
    assert re.findall(r"<bdi>(\w+)@", top) == ["ana", "bea", "dan"]
    assert f"batchreset resume {runs.RUN_ID} --enable</code>" in top
    assert "1 of them synchronised: disable it in Active Directory too" in top
    assert "2 revoked from 2026-11-21 12:00:05 to 12:00:07 UTC" in rest
    assert "1 could not be revoked; 2 not revoked yet" in rest
    unrevoked = rest.split("Sessions that were not revoked</h2>")[1].split("</section>")[0]
    assert re.findall(r"<bdi>(\w+)@", unrevoked) == ["bea", "eva", "fay"]
    assert f"sessions could not be revoked: {DENIED}" in unrevoked
    for told in (
        "Synchronised accounts (1): reset them a second time on-premises",
        "Holders of a directory role (1)",
        "Likely service accounts (1)",
        "Blocked already before this run (1)",
        "app passwords",
        "inbox rules and forwarding",
        "consents",
        "up to an hour",
        "Users at risk (1)",
    ):
        assert told in rest
    summary = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert (summary["sessions"], summary["blocked"]) == ({"revoked": 2, "failed": 1, "left": 2}, 3)
    book = load_workbook(tmp_path / "reconciliation.xlsx")
    facts = {row[0].value: row[1].value for row in book["Summary"].iter_rows(max_col=2)}
    assert facts["Sessions failed"] == 1
    assert facts["Left with sign-in blocked"] == 3
    sheet = book["Reconciliation"]
    assert [cell.value for cell in sheet[1]][22:25] == ["sessions_revoked_before_at", "disabled_at", "enabled_at"]
    assert sheet.cell(2, 24).value == datetime.fromisoformat(second(1)).replace(tzinfo=None)


def test_next_steps_are_told_only_where_they_apply(tmp_path: Path) -> None:
    """A run of plain cloud accounts that left sessions alone says that they go on, and nothing of other kinds."""
    html = written(tmp_path, [{"kind": "cloud"}], [], settings={"revoke_sessions": "never"})
    assert "whoever is signed in stays so" in html
    assert "<code>--revoke-sessions never</code> left them alone" in html
    for absent in ("Synchronised", "directory role", "service accounts", "an hour", "at risk", 'class="blocked"'):
        assert absent not in html.split("</style>")[1]
    assert '<header class="good">' in html


def test_many_blocked_accounts_are_capped_and_the_page_says_so(tmp_path: Path) -> None:
    """The page names as many as fit, and tells where the others are; all well but for that is only fair."""
    rows = [{"enabled_before": 1}] * (NAMES_SHOWN + 1)
    sends = [runs.send(number, 1, step="disable") for number in range(1, len(rows) + 1)]
    html = written(tmp_path, rows, sends, settings={"disable": True})
    assert "201 accounts were left with sign-in blocked by this run" in html
    assert "The first 200 of 201 are shown" in html
    assert "<details><summary>200 by name</summary>" in html  # folded away: the outcomes come after them
    assert html.split("</section>", 1)[0].count("<li><bdi>") == NAMES_SHOWN
    assert '<header class="fair">' in html


def test_evidence_is_a_line_for_each_row_and_moment_in_input_order(tmp_path: Path) -> None:
    """Before, then after, the last of each; an account that is gone is null. The plan is vouched for where it lies."""
    engine = runs.make_run(tmp_path, [{"user": "ana@x.example", "object_id": "1"}, {}])
    lines = [
        {"reset_id": 2, "moment": "after", "at": second(9), "said": "null"},
        {"reset_id": 1, "moment": "after", "at": second(5), "said": '{"accountEnabled": false}'},
        {"reset_id": 1, "moment": "before", "at": second(1), "said": '{"accountEnabled": true}'},
        {"reset_id": 1, "moment": "after", "at": second(8), "said": '{"displayName": "Ana Żółć"}'},
    ]
    runs.put(engine, schema.evidence, lines)
    (tmp_path / "plan.json").write_text("{}")
    (tmp_path / "plan.html").write_text("a page")
    report.write(tmp_path, engine)
    engine.dispose()
    found = [json.loads(line) for line in (tmp_path / "evidence.jsonl").read_text("utf-8").splitlines()]
    assert [(line["row"], line["moment"], line["at"]) for line in found] == [
        (2, "before", second(1)),
        (2, "after", second(8)),
        (3, "after", second(9)),
    ]
    assert found[1] == {
        "row": 2,
        "source": "cohort.csv",
        "user": "ana@x.example",
        "object_id": "1",
        "moment": "after",
        "at": second(8),
        "said": {"displayName": "Ana Żółć"},
    }
    assert found[2]["said"] is None
    files = json.loads((tmp_path / "manifest.json").read_text("utf-8"))["files"]
    assert {"evidence.jsonl", "plan.json", "plan.html"} <= set(files)
    assert files["plan.html"]["bytes"] == 6
    assert (tmp_path / "plan.html").read_text() == "a page"
