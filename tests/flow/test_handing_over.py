"""Handing passwords over to a program: a real run, real programs, and nothing that leaks on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from batchreset.engine import folder as folders
from batchreset.engine.executables import Executable
from batchreset.engine.handing_over import Wanted, hand_over, prepare
from batchreset.engine.keys import key_needed
from batchreset.model import PasswordSource
from batchreset.rehearsal.behaviour import Fault
from batchreset.status import database
from batchreset.status.schema import candidates, resets
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, object_id, upn, user, users
from tests.support.program import Ended, at_home, on_terminal, posix_only, run, started, wait_until
from tests.support.searching import leaks, written_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Call

SAMPLE = Path(__file__).parents[2] / "sample_inputs" / "hand-over-one-time-link.py"
#: Each account's contact; those of the last ones are no way to its owner.
READY = ["ana", "gus", "hal", "ida", "jan", "kim"]
CONTACTS = {
    **dict.fromkeys(READY, upn("boss")),
    "kim": upn("ana"),
    "bea": f"Bea <{upn('BEA')}>",
    "cem": "mailto:cem+new@old.contoso.example",
    "dora": "dora@mail.contoso.example",
    "eli": " ",
    "flo": upn("boss"),
}
ACCOUNTS = [
    *(user(name) for name in (*READY, "bea", "eli")),
    user("cem", aliases=("cem@old.contoso.example",)),
    user("dora", mail="Dora@mail.contoso.example"),
    # Its first password was applied, and nobody was told which.
    user("flo", Fault.LOST_AFTER),
]
#: Writes down what it is told and all that others could see of it; then does what its arguments say for the account.
CHILD = """
import json, os, pathlib, sys, time
folder, does = pathlib.Path(sys.argv[1]), dict(each.split("=") for each in sys.argv[2:])
told = sys.stdin.buffer.read()
seen = pathlib.Path("/proc/self/cmdline")
line = {
    "told": told.decode(), "arguments": sys.orig_argv, "environment": dict(os.environ), "pid": os.getpid(),
    "seen": seen.read_text() if seen.exists() else "",
}
told = json.loads(told)
with open(folder / "told.jsonl", "a") as file:
    file.write(json.dumps(line) + "\\n")
print("out", told)
what = does.get(told["account"].partition("@")[0], does.get("all", "well"))
while what == "wait" and not (folder / "go").exists():
    time.sleep(0.01)
if what == "fail":
    sys.exit("no ticket for " + json.dumps(told))
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Run:
    async def go() -> Run:
        out = tmp_path_factory.mktemp("job")
        async with at_desk(out, ACCOUNTS, password_source=PasswordSource.SYSTEM) as desk:
            lines = [f"{upn(name)},{contact}" for name, contact in CONTACTS.items()]
            return await desk.run(*lines, header="userPrincipalName,Manager")

    return run_virtual(go())


@pytest.fixture
def folder(job: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be at home with a copy of the run, and the key that opens it."""
    at_home(tmp_path, monkeypatch)
    shutil.copy(job.folder.parent / "identity.txt", tmp_path)
    (tmp_path / "child.py").write_text(CHILD, encoding="ascii")
    (tmp_path / "seen").mkdir()
    return Path(shutil.copytree(job.folder, tmp_path / "reports" / job.folder.name))


def child(*does: str) -> str:
    return f'"{sys.executable}" child.py seen {" ".join(does)}'


def hand(here: Call, folder: Path, *does: str, more: tuple[str, ...] = ("--yes",)) -> Ended:
    return here("passwords", folder.name, "--hand-over", child(*does), *more)


def seen() -> list[dict[str, Any]]:
    """Return what the children wrote down, in order; a line that is being written does not count yet."""
    path = Path("seen", "told.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def told() -> list[str]:
    """Return whom the children were told of."""
    return [json.loads(line["told"])["account"].partition("@")[0] for line in seen()]


def noted(folder: Path) -> dict[str, str]:
    """Return when passwords were handed over, by account."""
    engine = database.connect(folder)
    try:
        with engine.connect() as connection:
            query = select(resets.c.user, candidates.c.handed_over_at).join(candidates)
            found = list(connection.execute(query.where(candidates.c.handed_over_at.is_not(None))))
    finally:
        engine.dispose()
    return {line.user.partition("@")[0]: line.handed_over_at for line in found}


def trail(here: Call, folder: Path, event: str) -> list[dict[str, Any]]:
    """Return those events of the audit trail, as the report has it."""
    assert here("report", folder.name).status == 0
    lines = (folder / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == event]


def secrets(job: Run) -> set[str]:
    return {each.password.reveal() for each in job.passwords}


def test_each_account_is_handed_over_once(job: Run, folder: Path, here: Call) -> None:
    """One JSON object a program, with all that a ticket needs; the trail says who did what, when and by way of whom."""
    ended = hand(here, folder)
    assert ended.status == 6, ended.err
    assert "6 of 6 passwords were handed over to " in ended.out
    lines = [line["told"] for line in seen()]
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    (ana,) = (line for line in map(json.loads, lines) if line["account"] == upn("ana"))
    assert ana == {
        "account": upn("ana"),
        "object_id": object_id("ana"),
        "display_name": "Ana",
        "contact": upn("boss"),
        "password": job.tenant.password_of(object_id("ana")),
        "source": "cohort.csv",
        "row": 2,
        "run_id": folder.name,
    }
    assert sorted(told()) == READY
    assert sorted(noted(folder)) == READY
    events = {line["user"]: line for line in trail(here, folder, "handed over")}
    assert sorted(events) == [upn(name) for name in READY]
    gus = events[upn("gus")]
    child = folder.parents[1] / "child.py"
    assert (gus["row"], gus["contact"], gus["command"]) == (3, upn("boss"), f"{sys.executable} {child}")
    assert gus["by"]
    assert str(folder.parents[1] / "seen") not in json.dumps(events)
    again = hand(here, folder)
    assert (again.status, len(told())) == (6, 6)
    assert "Nothing is left to be handed over." in again.out


def test_no_way_through_the_account_itself_is_taken(folder: Path, here: Call) -> None:
    """Its own UPN, mail or proxy address; without a contact, or without a sure password, nothing is done either."""
    ended = hand(here, folder)
    assert "3 accounts left out: its contact is the account's own mailbox" in ended.err
    assert "1 account left out: it has no contact" in ended.err
    assert "1 account left out: nobody knows for sure which password is in force" in ended.err
    assert f"batchreset passwords {folder.name} --user ACCOUNT" in ended.err
    alone = hand(here, folder, more=("--yes", "--user", upn("eli")))
    assert alone.status == 5
    assert "it has no contact" in alone.err
    for name, row in (("bea", 8), ("cem", 9), ("dora", 10), ("eli", 11), ("flo", 12)):
        assert f"  {upn(name)}, row {row} of cohort.csv\n" in ended.err
        assert name not in told()


def test_a_password_is_on_standard_input_and_nowhere_else(
    job: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call
) -> None:
    """Not among arguments, as the system shows them, nor in the environment, the files, the trail or on the terminal.

    Although the program quotes it on standard output and standard error; nor are our own secrets in its environment.
    """
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", "do not tell")
    ended = hand(here, folder, "hal=fail", "kim=fail")
    assert ended.status == 3
    assert ended.out.count("it ended with status 1: no ticket for ***") + ended.out.count('"password": "***"') == 2
    assert len(trail(here, folder, "handed over")) == 4
    (opening,) = trail(here, folder, "passwords opened")
    assert (opening["count"], opening["rows"]) == (6, {"cohort.csv": "2-7"})
    for line in seen():
        assert not leaks({"seen": json.dumps([line["arguments"], line["seen"]]).encode()}, secrets(job))
        assert not leaks({"environment": json.dumps(line["environment"]).encode()}, secrets(job))
        assert not [name for name in line["environment"] if name.startswith("BATCHRESET_")]
        assert "PATH" in line["environment"]
    written = written_in(tmp_path, but=[tmp_path / "seen" / "told.jsonl"])
    assert leaks({"out": ended.out.encode(), "err": ended.err.encode(), **written}, secrets(job)) == []


def test_only_those_that_failed_are_repeated(folder: Path, here: Call) -> None:
    """With --again all are, and of those the ones that fail then can be repeated alone."""
    ended = hand(here, folder, "gus=fail", "jan=fail")
    assert (ended.status, sorted(noted(folder))) == (3, ["ana", "hal", "ida", "kim"])
    assert f"  {upn('gus')}, row 3 of cohort.csv: it ended with status 1: " in ended.out
    assert f"  {upn('jan')}, row 6 of cohort.csv: it ended with status 1: " in ended.out
    assert hand(here, folder).status == 6
    assert (sorted(told()[6:]), sorted(noted(folder))) == (["gus", "jan"], READY)
    assert hand(here, folder, "ida=fail", more=("--yes", "--again")).status == 3
    assert (sorted(told()[8:]), sorted(noted(folder))) == (READY, ["ana", "gus", "hal", "jan", "kim"])
    assert hand(here, folder, more=("--yes", "--user", upn("IDA"))).status == 0
    assert told()[14:] == ["ida"]


def test_a_command_that_does_not_work_burns_three_rows(folder: Path, here: Call) -> None:
    """And no more: nothing else is told a password."""
    ended = hand(here, folder, "all=fail")
    assert (ended.status, told(), noted(folder)) == (4, READY[:3], {})
    assert "Given up, since it failed 3 times in a row." in ended.out


@posix_only
def test_a_service_that_goes_away_ends_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 25 failures in a row, and those in hand; without a contact column there is none to tell."""
    at_home(tmp_path, monkeypatch)

    async def go() -> Run:
        async with at_desk(tmp_path, users(40)) as desk:
            return await desk.run()

    folder = run_virtual(go()).folder
    engine = database.connect(folder)
    try:
        ready = prepare(engine, key_needed(folder), Wanted()).ready
        assert {json.loads(each.line)["contact"] for each in ready} == {None}
        works = 'read -r line; case "$line" in *user000*) ;; *) exit 1;; esac'
        result = hand_over(engine, ready, Executable(Path("/bin/sh"), ("-c", works)))
    finally:
        engine.dispose()
    assert (len(ready), result.done) == (40, 1)
    assert 25 <= len(result.failed) <= 28
    assert result.halted_because


def test_what_is_refused_is_refused_before_anything_is_handed_over(folder: Path, here: Call) -> None:
    """No such command, no such column, nobody to ask, no such account, a run that somebody works on."""
    name = folder.name
    ended = here("passwords", name, "--hand-over", "child.py seen", "--yes")
    assert (ended.status, "--hand-over: there is no program 'child.py'" in ended.err) == (2, True)
    ended = hand(here, folder, more=("--yes", "--contact", "phone"))
    assert (ended.status, "--contact phone: the cohort has no such column" in ended.err) == (5, True)
    ended = hand(here, folder, more=())
    assert (ended.status, "no terminal to ask on, and --yes was not given" in ended.err) == (5, True)
    assert hand(here, folder, more=("--yes", "--user", upn("nobody"))).status == 5
    assert hand(here, folder, more=("--yes", "--user", upn("bea"))).status == 5
    with folders.locked(folder):
        ended = hand(here, folder)
    assert (ended.status, "is working on this run" in ended.err) == (5, True)
    assert (told(), noted(folder)) == ([], {})


@posix_only
@pytest.mark.parametrize(("answer", "status", "number"), [("yes\n", 6, 6), ("no\n", 5, 0)])
def test_it_asks_once_and_says_before_what_it_will_do(folder: Path, answer: str, status: int, number: int) -> None:
    """How many, by way of which column, to what program, and who is left out for which reason."""
    ended = on_terminal("passwords", folder.name, "--hand-over", child(), answer=answer)
    before, _, after = ended.screen.partition("Type yes to go on")
    assert ended.status == status, ended.screen
    assert "Hand over the passwords of 6 accounts to " in before
    assert "Their contacts: column 'Manager'." in before
    assert "Contacts that are accounts of this run themselves: 1." in before
    assert f"{upn('bea')}, row 8 of cohort.csv" in before
    assert "anything else to leave it" in after
    assert len(told()) == number


@posix_only
def test_a_kill_repeats_at_most_those_in_hand(folder: Path) -> None:
    """Whatever was noted stays noted; the same command again goes on with the rest."""
    waiting = ("gus", "hal", "ida", "jan")
    with started("passwords", folder.name, "--hand-over", child(*(f"{name}=wait" for name in waiting)), "--yes") as one:
        wait_until(lambda: len(told()) == 5)
        wait_until(lambda: "ana" in noted(folder))
        one.kill()
        one.communicate()
    assert sorted(noted(folder)) == ["ana"]
    Path("seen", "go").touch()
    ended = run("passwords", folder.name, "--hand-over", child(), "--yes")
    assert ended.status == 6, ended.err
    assert sorted(told()[5:]) == READY[1:]
    assert sorted(noted(folder)) == READY


@posix_only
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_lets_those_in_hand_end(folder: Path, presses: int) -> None:
    """The signal is none for them. Pressed again, it stops them too; how many were handed over is said either way."""
    waiting = ("gus", "hal", "ida", "jan")
    with started("passwords", folder.name, "--hand-over", child(*(f"{name}=wait" for name in waiting)), "--yes") as one:
        wait_until(lambda: len(told()) == 5)
        one.send_signal(signal.SIGINT)
        assert one.stderr is not None
        while "Stopping when those in hand have ended" not in (line := one.stderr.readline()):
            assert line, "it never said so"
        if presses == 2:
            one.send_signal(signal.SIGINT)
        else:
            Path("seen", "go").touch()
        out, err = one.communicate(timeout=60)
    assert one.returncode == 130, err
    done = 5 if presses == 1 else 1
    assert f"{done} of 6 passwords were handed over" in out
    assert sorted(noted(folder)) == READY[:done]
    assert ("it ended with status -9" in out) == (presses == 2)
    assert "kim" not in told()


def test_what_cannot_be_noted_is_told(folder: Path, here: Call) -> None:
    """The table takes it no more: nothing further is handed over, and the one that was is named."""
    engine = database.connect(folder)
    with engine.begin() as connection:
        refuse = "BEFORE UPDATE OF handed_over_at ON candidates BEGIN SELECT RAISE(ABORT, 'no'); END"
        connection.execute(text(f"CREATE TRIGGER refuse {refuse}"))
    engine.dispose()
    ended = hand(here, folder)
    assert ended.status == 4
    assert f"do not hand these over again ({upn('ana')}, row 2 of cohort.csv)" in ended.err
    assert told() == ["ana"]


@pytest.mark.skipif(os.name == "nt", reason="file modes")
def test_the_worked_example_makes_a_link_that_opens_once(job: Run, folder: Path, here: Call) -> None:
    """Neither of its two folders holds a password; the link in the ticket gives it, and then nothing any more."""
    ended = here("passwords", folder.name, "--hand-over", f'"{sys.executable}" "{SAMPLE}" desk', "--yes")
    assert ended.status == 6, ended.out
    tickets = {path.read_text(encoding="utf-8") for path in Path("desk", "tickets").iterdir()}
    assert len(tickets) == 6
    (ticket,) = (each for each in tickets if f"The password of {upn('ana')} was reset" in each)
    assert ticket.startswith(f"To: {upn('boss')}\nSubject: New password for Ana\n")
    assert leaks(written_in(Path("desk")), secrets(job)) == []
    assert {path.stat().st_mode & 0o077 for path in Path("desk").rglob("*") if path.is_file()} == {0}
    command = [sys.executable, str(SAMPLE), "desk", "--open", ticket.splitlines()[-1]]
    first, second = (subprocess.run(command, capture_output=True, encoding="utf-8", check=False) for _ in range(2))  # noqa: S603  ours
    assert (first.returncode, first.stdout.strip()) == (0, job.tenant.password_of(object_id("ana")))
    assert (second.returncode, second.stdout) == (1, "")


@pytest.fixture(autouse=True)
def _nobody_is_left_waiting() -> Iterator[None]:
    """Let children go that a test left behind."""
    yield
    Path("seen", "go").touch() if Path("seen").is_dir() else None
