"""The log of a run: one event a decision, for machines and for people, and no secret in it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import batchreset
from batchreset.engine.keys import key_needed
from batchreset.engine.passwords import opened
from batchreset.rehearsal.behaviour import UNHINDERED, Fault, Spread
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import Tenant
from batchreset.status import database
from tests.support.clock import run_virtual
from tests.support.desk import at_desk, user, users
from tests.support.program import (
    at_home,
    on_terminal,
    posix_only,
    run,
    sign_in,
    signed_in,
    started,
    tenant_beside,
    wait_until,
)
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchreset.rehearsal.population import User
    from tests.support.program import Call


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path, monkeypatch)


@contextmanager
def tenant_of(monkeypatch: pytest.MonkeyPatch, accounts: list[User], **behaviour: Any) -> Iterator[Tenant]:
    """Be signed in to a tenant of these accounts, with a cohort of them all."""
    tenant = Tenant(accounts, replace(UNHINDERED, **behaviour))
    names = [account.user_principal_name for account in accounts]
    Path("cohort.csv").write_text("\n".join(["userPrincipalName", *names]), encoding="utf-8")
    with signed_in(monkeypatch, tenant):
        yield tenant


def plain(number: int) -> list[User]:
    return populate(upns(number), plain=True)


def lines(text: str) -> list[dict[str, Any]]:
    """Read a log of JSON lines: each has its time, its level and its event."""
    found = [json.loads(line) for line in text.splitlines()]
    for each in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["at"])
        assert each["level"] in {"info", "warning", "error"}
    return found


def is_told(file: Path, event: str) -> bool:
    return file.exists() and f'"event": "{event}"' in file.read_text(encoding="utf-8")


def of_row(log: list[dict[str, Any]], row: int) -> list[str]:
    return [each["event"] for each in log if each.get("row") == row]


def test_json_lines_on_standard_error_are_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line is an object, what is said otherwise among them; the result on standard output is as ever."""
    first, second = plain(2)
    with tenant_of(monkeypatch, [first, replace(second, faults=(Fault.REJECTED,))]):
        ended = run("run", "cohort.csv", "--yes", "--json", "--log-format", "json")
    assert ended.status == 3
    result, log = json.loads(ended.out), lines(ended.err)
    events = [each["event"] for each in log]
    assert {"said", "planned", "started"} <= set(events)
    assert of_row(log, 2) == ["sending", "accepted", "succeeded"]
    assert of_row(log, 3) == ["sending", "ready again", "sending", "ready again", "sending", "failed"]
    sending, accepted, succeeded = (each for each in log if each.get("row") == 2)
    assert sending["source"] == "cohort.csv"
    assert (sending["user"], sending["object_id"]) == (first.user_principal_name, first.id)
    assert sending["client_request_id"] == accepted["client_request_id"] == succeeded["client_request_id"]
    assert [each["reason"] for each in log if each["event"] == "failed"] == ["password_rejected"]
    ended_event, exited = log[-2:]
    assert (ended_event["event"], ended_event["run"], ended_event["state"]) == ("ended", result["run_id"], "finished")
    assert ended_event["counts"] == result["counts"]
    assert (exited["event"], exited["status"]) == ("exit", 3)


def test_an_error_is_a_line_too(tmp_path: Path, here: Call) -> None:
    """What ends a command in one sentence is an event with its text, on standard error once and in a file too."""
    ended = here("run", "missing.csv", "--log-format", "json")
    error, exited = lines(ended.err)
    assert (error["event"], error["level"]) == ("error", "error")
    assert "missing.csv does not exist" in error["text"]
    assert (exited["event"], exited["status"]) == ("exit", 5)

    ended = here("run", "missing.csv", "--log-file", "batchreset.log")
    assert ended.err.startswith("batchreset: missing.csv does not exist")
    assert "missing.csv does not exist" in (tmp_path / "batchreset.log").read_text(encoding="utf-8")


def test_a_log_file_is_for_people_or_for_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """Readable lines or JSON, appended; standard error stays as it was, and only its owner reads a file made here."""
    with tenant_of(monkeypatch, plain(1)):
        without = here("plan", "cohort.csv")
        text = here("plan", "cohort.csv", "--log-file", "own.log")
        assert here("run", "cohort.csv", "--yes", "--log-file", "own.log").status == 0
        assert here("plan", "cohort.csv", "--log-file", "own.json", "--log-format", "json").status == 0
    assert (without.err, text.err) == ("Your key" + without.err.partition("Your key")[2], "")
    written = (tmp_path / "own.log").read_text(encoding="utf-8").splitlines()
    assert [line.split()[2] for line in written] == [
        *("planned", "exit"),
        *("planned", "started", "sending", "accepted", "succeeded", "step", "ended", "exit"),
    ]
    assert re.fullmatch(
        r"20\S+Z info sending source=cohort\.csv row=2 user=\S+ object_id=\S+ client_request_id=\S+", written[4]
    )
    assert re.fullmatch(
        r"20\S+Z info step answered step=revoke verdict=accepted user=\S+ object_id=\S+ client_request_id=\S+",
        written[7],
    )
    assert [each["event"] for each in lines((tmp_path / "own.json").read_text(encoding="utf-8"))] == ["planned", "exit"]
    if sys.platform != "win32":
        assert (tmp_path / "own.log").stat().st_mode & 0o777 == 0o600


def test_without_a_word_of_it_nothing_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command says what it always said, and a program that uses the library hears nothing."""
    with tenant_of(monkeypatch, plain(1)) as tenant:
        ended = run("run", "cohort.csv", "--yes", "--log-format", "text")
        assert [line for line in ended.err.splitlines() if "sending" in line or "exit" in line] == []
        assert not [path for path in tmp_path.iterdir() if path.suffix == ".log"]
        assert not logging.getLogger("batchreset.run").isEnabledFor(logging.INFO)
        assert tenant.password_of(plain(1)[0].id)


@pytest.mark.parametrize("place", ["missing/own.log", "."])
def test_a_log_file_that_cannot_be_written_is_refused_first(here: Call, place: str) -> None:
    """Before the cohort is read."""
    ended = here("run", "missing.csv", "--log-file", place)
    assert ended.status == 5
    assert ended.err.startswith(f"batchreset: --log-file {Path(place)}: this file cannot be written (")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no disk that is always full")
def test_a_log_that_takes_no_more_stops_no_run(monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """It is said once, and the resets go on."""
    with tenant_of(monkeypatch, plain(3)):
        ended = here("run", "cohort.csv", "--yes", "--log-file", "/dev/full")
    assert ended.status == 0
    assert ended.err.count("--log-file /dev/full is written no longer ([Errno 28] No space left on device).") == 1
    assert "Traceback" not in ended.err


def test_a_file_without_encoding_troubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """Names of accounts in any script, and of files with blanks in them, stay one line each."""
    with tenant_of(monkeypatch, [user("jürgen.łukasz")]):
        Path("cohort.csv").rename("leaked accounts.csv")
        assert here("run", "leaked accounts.csv", "--yes", "--log-file", "own.log").status == 0
    written = (tmp_path / "own.log").read_text(encoding="utf-8")
    assert 'source="leaked accounts.csv" row=2 user=jürgen.łukasz@' in written


@posix_only
def test_a_question_and_its_answer_are_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the log sees that somebody said yes, and to how many accounts."""
    with tenant_of(monkeypatch, plain(2)):
        ended = on_terminal("run", "cohort.csv", "--log-file", "own.log", "--log-format", "json", answer="no\n")
    assert ended.status == 5
    log = lines((tmp_path / "own.log").read_text(encoding="utf-8"))
    assert [each["event"] for each in log] == ["planned", "asked", "answered", "error", "exit"]
    assert (log[1]["accounts"], log[2]["answer"]) == (2, "no")


@posix_only
def test_an_interruption_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment of Ctrl-C, and how the run ended."""
    with (
        tenant_of(monkeypatch, plain(2), cloud_operation=Spread(3600)),
        started("run", "cohort.csv", "--yes", "--log-file", "own.log", "--log-format", "json") as process,
    ):
        file = tmp_path / "own.log"
        for event in ("accepted", "interrupted"):
            wait_until(partial(is_told, file, event))
            process.send_signal(signal.SIGINT)
        process.communicate()
    log = lines(file.read_text(encoding="utf-8"))
    moment = next(each for each in log if each["event"] == "interrupted")
    assert moment["level"] == "warning"
    assert [each["state"] for each in log if each["event"] == "ended"] == ["interrupted"]
    assert log[-1]["status"] == 130


def test_waits_retries_and_halts_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A program that uses the library hears of each by Python's own logging, as values and as a line."""
    caplog.set_level(logging.INFO, logger="batchreset")

    async def go() -> None:
        accounts = [user("slow", Fault.THROTTLED), user("away", Fault.UNAVAILABLE), *users(5, Fault.REJECTED)]
        async with at_desk(tmp_path, accounts, workers=1, max_failures="3") as desk:
            await desk.run()

    run_virtual(go())
    told = [(record.event, record.fields) for record in caplog.records]  # type: ignore[attr-defined]  # what we add
    events = [event for event, _ in told]
    assert next(fields for event, fields in told if event == "throttled")["wait"] > 0
    assert [event for event, fields in told if fields.get("row") == 3] == [
        *("sending", "ready again", "sending", "ready again", "sending", "accepted", "succeeded")
    ]
    assert events.count("failed") == 4
    assert events.index("halted") == len(events) - 1 - events[::-1].index("failed") + 1
    assert [record.levelname for record in caplog.records if record.message.startswith("halted ")] == ["WARNING"]
    assert {record.name for record in caplog.records} == {"batchreset.run"}


def test_a_renewed_sign_in_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A token that Graph takes no more in mid-run, and another that it takes."""
    caplog.set_level(logging.INFO, logger="batchreset")

    class Renewing:
        """Has one other token."""

        def __init__(self, first: Any, second: Any) -> None:
            self.now, self._second = first, second

        async def token(self) -> Any:
            return self.now

        async def renew(self, rejected: Any, claims: str | None) -> bool:  # noqa: ARG002
            self.now = self._second
            return rejected is not self._second

    async def go() -> dict[str, int]:
        async with at_desk(tmp_path, users(3), workers=1) as desk:
            plan = await desk.plan()
            first = desk.tokens
            desk.lose_sign_in()
            desk.sign_in_again()
            desk.tokens = Renewing(await first.token(), await desk.tokens.token())  # type: ignore[assignment]  # one of its kind
            return (await desk.carry_out(plan)).counts

    assert run_virtual(go()) == {"succeeded": 3}
    renewals = [record for record in caplog.records if record.message.startswith("sign-in renewed ")]
    assert len(renewals) == 1


@pytest.mark.parametrize("source", ["generated", "system"])
def test_a_log_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call, source: str) -> None:
    """Neither a password nor the token, however a reset goes."""
    awkward = (Fault.REJECTED, Fault.OPERATION_FAILS, Fault.LOST_AFTER, Fault.HTML_PAGE, Fault.NO_LOCATION)
    first, *others = plain(len(awkward) + 1)
    accounts = [first, *(replace(each, faults=(fault,)) for each, fault in zip(others, awkward, strict=True))]
    patience = ["--directory-lag", "1s", "--deadline", "2s", "--max-failures", "100%", "--password-source", source]
    with tenant_of(monkeypatch, accounts) as tenant:
        ended = here("run", "cohort.csv", "--yes", "--log-format", "json", "--log-file", "own.log", *patience)
    assert ended.status == 3
    log = (tmp_path / "own.log").read_text(encoding="utf-8")
    assert {"accepted", "failed", "doubtful"} <= {each["event"] for each in lines(log)}
    (folder,) = (tmp_path / "reports").iterdir()
    engine = database.connect(folder)
    try:
        passwords = {each.password.reveal() for each in opened(engine, key_needed(folder))}
    finally:
        engine.dispose()
    secrets = {tenant.token, *passwords, *(operation.password for operation in tenant.operations.values())}
    assert len(secrets) > 3
    assert [secret for secret in secrets if secret in log + ended.err + ended.out] == []


def test_the_library_leaves_logging_to_its_user(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its records reach whoever has set logging up, from `plan` and from `run`."""
    caplog.set_level(logging.INFO)
    tenant = Tenant(plain(1), UNHINDERED)
    (tmp_path / "cohort.csv").write_text(upns(1)[0], encoding="utf-8")

    async def work(url: str) -> None:
        settings = batchreset.Settings(graph_url=url, out=tmp_path / "runs")
        await batchreset.run(await batchreset.plan("cohort.csv", settings), settings)

    with tenant_beside(tenant) as url, pytest.MonkeyPatch.context() as patch:
        sign_in(patch, tenant, url)
        asyncio.run(work(url))
    ours = [record.message.split()[0] for record in caplog.records if record.name.startswith("batchreset")]
    assert ours == ["planned", "started", "sending", "accepted", "succeeded", "step", "ended"]
