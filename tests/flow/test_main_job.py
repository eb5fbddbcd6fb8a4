"""From a cohort file to a reconciliation that accounts for every row."""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.auth.token import GivenToken
from batchreset.engine.plan import Inputs, make
from batchreset.engine.result import exit_status
from batchreset.engine.runner import Means, carry_out
from batchreset.errors import (
    BatchResetError,
    CohortError,
    DirectoryError,
    KeyMissingError,
    SettingsError,
    SignInError,
    UsageError,
)
from batchreset.model import PasswordPolicy, PasswordSource, RunState
from batchreset.rehearsal.behaviour import Behaviour, Fault, Outage, Route
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR, OPERATOR
from batchreset.rehearsal.tenant import What
from batchreset.secret import Secret
from batchreset.settings import Cloud, Settings
from tests.support.clock import run_virtual
from tests.support.desk import STEADY, Run, at_desk, happened, object_id, upn, user, users

if TYPE_CHECKING:
    from pathlib import Path

    from batchreset.engine.progress import Snapshot

ACCOUNTS = [
    user("ana"),
    user("bea"),
    user("cem", synchronised=True),
    user("dora", Fault.OPERATION_FAILS),
    user("boss", roles=(GLOBAL_ADMINISTRATOR,)),
    user("breakglass"),
    user("sean.o'brien"),
]
#: Each line of the cohort, and what is to become of it.
COHORT = [
    (upn("ana"), "succeeded", ""),
    (upn("ANA").upper(), "excluded", "duplicate"),
    (object_id("ana"), "excluded", "duplicate"),
    ('""', "excluded", "blank"),
    ("no account at all", "excluded", "invalid_identifier"),
    (object_id("bea"), "succeeded", ""),
    (upn("bea"), "excluded", "duplicate"),
    (upn("cem"), "succeeded", ""),
    (upn("dora"), "failed", "operation_failed"),
    (upn("nobody"), "excluded", "not_found"),
    (upn("boss"), "excluded", "privileged"),
    (upn("breakglass"), "excluded", "protected"),
    (OPERATOR.user_principal_name, "excluded", "self"),
    (upn("sean.o'brien"), "succeeded", ""),
]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Run:
    async def go() -> Run:
        out = tmp_path_factory.mktemp("job")
        async with at_desk(out, ACCOUNTS, protect=(upn("BreakGlass"),)) as desk:
            return await desk.run(*(line for line, _, _ in COHORT))

    return run_virtual(go())


def test_every_row_is_accounted_for(job: Run) -> None:
    """One line per input line, in their order, with its number as Excel shows it, and the outcome it deserves."""
    told = [(row["row"], row["outcome"], row["reason"]) for row in job.rows]
    assert told == [(str(number), outcome, reason) for number, (_, outcome, reason) in enumerate(COHORT, start=2)]
    assert job.counts == {"succeeded": 4, "failed": 1, "excluded": 9}
    assert sum(job.summary.counts.values()) == job.summary.rows == len(COHORT)


def test_who_is_left_out_receives_no_write(job: Run) -> None:
    """By the tenant's own record; who is reset receives one."""
    assert not happened(job.tenant, "boss")
    assert not happened(job.tenant, "breakglass")
    assert not job.tenant.events_of(OPERATOR.id)
    assert happened(job.tenant, "ana") == [What.RECEIVED, What.ACCEPTED, What.APPLIED]
    assert happened(job.tenant, "bea").count(What.RECEIVED) == 1


def test_what_is_sent_is_keyed_by_object_id(job: Run) -> None:
    """However the cohort named the account."""
    audit = [json.loads(line) for line in (job.folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    paths = [event["path"] for event in audit if event.get("route") == "write"]
    assert sorted(path.split("/")[3] for path in paths) == sorted(
        object_id(name) for name in ("ana", "bea", "cem", "dora", "sean.o'brien")
    )


def test_every_password_opens_its_account(job: Run) -> None:
    """Those who were reset have a sure one, each its own; nobody else has any."""
    assert {each.object_id for each in job.passwords} == {
        object_id(name) for name in ("ana", "bea", "cem", "sean.o'brien")
    }
    assert {each.certainty for each in job.passwords} == {"sure"}
    assert len({each.password.reveal() for each in job.passwords}) == 4
    assert not job.disagreements()


def test_no_file_of_the_run_holds_a_password_or_the_token(job: Run) -> None:
    """Neither the table nor its log nor the report; the workbook, which is zipped, is looked into."""
    secrets = [each.password.reveal().encode() for each in job.passwords] + [job.tenant.token.encode()]
    files = [path for path in job.folder.iterdir() if path.is_file()]
    assert {"status.sqlite", "reconciliation.csv", "reconciliation.xlsx", "audit.jsonl", "report.html"} <= {
        path.name for path in files
    }
    for path in files:
        for content in contents(path):
            assert not [secret for secret in secrets if secret in content], path


def contents(path: Path) -> list[bytes]:
    if path.suffix != ".xlsx":
        return [path.read_bytes()]
    with zipfile.ZipFile(path) as book:
        return [book.read(name) for name in book.namelist()]


def test_a_finished_run_that_is_resumed_sends_nothing(tmp_path: Path) -> None:
    """It is accounted for as before."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, users(3)) as desk:
            first = await desk.run()
            return first, await desk.resume(first.folder)

    first, again = run_virtual(go())
    assert again.counts == {"succeeded": 3}
    assert again.rows == first.rows
    assert happened(again.tenant, "user000").count(What.RECEIVED) == 1
    assert again.summary.started_at == first.summary.started_at


def test_the_service_may_make_the_passwords(tmp_path: Path) -> None:
    """Those it told are sealed and open the account; synchronised accounts, which it makes none for, are left out."""

    async def go() -> Run:
        accounts = [user("ana"), user("bea", Fault.THROTTLED), user("cem", synchronised=True)]
        async with at_desk(tmp_path, accounts, password_source=PasswordSource.SYSTEM) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 2, "excluded": 1}
    assert run.row("cem")["reason"] == "synchronised"
    assert [each.certainty for each in run.passwords] == ["sure", "sure"]
    assert not run.disagreements()


def test_a_password_nobody_was_told_leaves_the_next_one_unsure(tmp_path: Path) -> None:
    """The answer with the service's password is lost; the one it made next is handed out as a candidate."""

    async def go() -> Run:
        async with at_desk(tmp_path, [user("ana", Fault.LOST_AFTER)], password_source=PasswordSource.SYSTEM) as desk:
            return await desk.run()

    run = run_virtual(go())
    assert run.counts == {"succeeded": 1}
    assert [(each.certainty, each.password.reveal()) for each in run.passwords] == [
        ("candidate", run.tenant.password_of(object_id("ana")))
    ]


def test_passwords_may_come_with_the_cohort(tmp_path: Path) -> None:
    """They are sent to the letter; a row without one, and one that the service refuses, say so."""
    given = {"ana": "Copper-8-harbour", "bea": " Quartz 7 meadow ", "cem": "", "dora": "short"}

    async def go() -> Run:
        settings: dict[str, Any] = {"password_source": PasswordSource.COLUMN, "password_column": "New password"}
        settings["password_policy"] = PasswordPolicy.NONE
        async with at_desk(tmp_path, [user(name) for name in given], **settings) as desk:
            lines = [f"{upn(name)},{password}" for name, password in given.items()]
            return await desk.run(*lines, header="userPrincipalName,New password")

    run = run_virtual(go())
    assert [(row["outcome"], row["reason"]) for row in run.rows] == [
        ("succeeded", ""),
        ("succeeded", ""),
        ("excluded", "password_missing"),
        ("failed", "password_rejected"),
    ]
    assert [each.password.reveal() for each in run.passwords] == [given["ana"], given["bea"]]
    assert not run.disagreements()
    text = (run.folder / "reconciliation.csv").read_text(encoding="utf-8-sig")
    assert "Copper" not in text
    assert "Quartz" not in text


def test_passwords_that_came_with_the_cohort_need_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else, who cannot open them, is told so before anything is sent."""

    async def go() -> None:
        settings: dict[str, Any] = {"password_source": PasswordSource.COLUMN, "password_column": "password"}
        async with at_desk(tmp_path, [user("ana")], **settings) as desk:
            plan = await desk.plan(f"{upn('ana')},Copper-8-harbour", header="userPrincipalName,password")
            monkeypatch.setenv("BATCHRESET_IDENTITY", str(tmp_path / "another.txt"))
            with pytest.raises(KeyMissingError):
                await carry_out(plan.folder, desk.settings, Means(desk.tokens, None))
            assert not happened(desk.tenant, "ana")

    run_virtual(go())


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    """From the first moment, when all are left, to the last, when all are done."""
    told: list[Snapshot] = []

    async def go() -> None:
        async with at_desk(tmp_path, users(5)) as desk:
            await desk.carry_out(await desk.plan(), told.append)

    run_virtual(go())
    assert (told[0].left, told[0].done) == (5, 0)
    assert (told[-1].left, told[-1].in_flight, told[-1].done) == (0, 0, 5)


def test_a_run_goes_on_when_nobody_can_be_told(tmp_path: Path) -> None:
    """The terminal has gone: everybody is reset, and the audit trail says that progress was not told."""

    async def go() -> Run:
        async with at_desk(tmp_path, users(5)) as desk:
            return await desk.carry_out(await desk.plan(), gone)

    def gone(_: Snapshot) -> None:
        raise OSError("the terminal has gone")

    run = run_virtual(go())
    assert run.counts == {"succeeded": 5}
    assert "the terminal has gone" in (run.folder / "audit.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("state", "counts", "reasons", "status"),
    [
        (RunState.FINISHED, {"succeeded": 5}, {}, 0),
        (RunState.FINISHED, {"succeeded": 5, "excluded": 3}, {"duplicate": 1, "blank": 1, "protected": 1}, 0),
        (RunState.FINISHED, {"succeeded": 5, "excluded": 2}, {"duplicate": 1, "guest": 1}, 0),
        (RunState.FINISHED, {"succeeded": 5, "excluded": 1}, {"not_found": 1}, 6),
        (RunState.FINISHED, {"succeeded": 5, "failed": 1}, {"forbidden": 1}, 3),
        (RunState.FINISHED, {"succeeded": 5, "unresolved": 1, "excluded": 1}, {"answer_lost": 1, "not_found": 1}, 3),
        (RunState.HALTED, {"succeeded": 5, "failed": 5, "not_attempted": 9}, {"forbidden": 5, "halted": 9}, 4),
        (RunState.INTERRUPTED, {"succeeded": 5, "not_attempted": 9}, {"interrupted": 9}, 130),
    ],
)
def test_the_exit_status_says_how_it_ended(
    job: Run, state: RunState, counts: dict[str, int], reasons: dict[str, int], status: int
) -> None:
    """As promised to scripts; here `guest` is a reason for leaving out that is as intended."""
    summary = replace(job.summary, state=state, counts=dict.fromkeys(job.summary.counts, 0) | counts, reasons=reasons)
    assert exit_status(summary, ("guest",)) == status


REFUSALS: list[tuple[str, Behaviour, dict[str, Any], type[BatchResetError], str]] = [
    ("accounts", replace(STEADY, forbidden=frozenset({Route.USERS})), {}, DirectoryError, "User.Read.All"),
    ("operator", replace(STEADY, forbidden=frozenset({Route.ME})), {}, DirectoryError, "Who is signed in"),
    ("away", replace(STEADY, outages=(Outage(0, math.inf),)), {}, DirectoryError, "could not be read"),
    ("recipient", STEADY, {"recipient": ("age1nobody",)}, UsageError, "age1nobody"),
    ("column", STEADY, {"column": "e-mail"}, CohortError, "e-mail"),
]


@pytest.mark.parametrize(
    ("behaviour", "settings", "kind", "sentence"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_a_plan_that_cannot_be_made_leaves_nothing_behind(
    tmp_path: Path, behaviour: Behaviour, settings: dict[str, Any], kind: type[BatchResetError], sentence: str
) -> None:
    """One sentence, of its own kind and not in a group, and no run folder."""

    async def go() -> None:
        async with at_desk(tmp_path, users(700), behaviour, **settings) as desk:
            with pytest.raises(kind, match=sentence):
                await desk.plan()

    run_virtual(go())
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_sign_in_that_is_lost_while_looking_up_is_told_as_such(tmp_path: Path) -> None:
    """The token expires between two batches: the refusal says to sign in again, and no folder is left."""

    async def go() -> None:
        async with at_desk(tmp_path, users(2000)) as desk:

            def lose(told: str) -> None:
                if "looked up" in told:
                    desk.lose_sign_in()

            with pytest.raises(SignInError, match="sign in again"):
                await desk.plan(progress=lose)

    run_virtual(go())
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_the_cloud_without_resetpassword_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    """Every row would fail there; the cohort, which does not even exist, is not looked at."""
    inputs = Inputs([str(tmp_path / "nowhere.csv")], GivenToken(Secret("token")))
    with pytest.raises(SettingsError, match="no resetPassword in this cloud"):
        run_virtual(make(inputs, Settings(cloud=Cloud.CHINA, out=tmp_path)))
    assert not list(tmp_path.iterdir())
