"""What bad input gets: one sentence, the right exit status, nothing sent, no half-made run folder."""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from batchreset.cli import asynchronous
from batchreset.rehearsal.behaviour import UNHINDERED
from batchreset.rehearsal.population import User
from batchreset.rehearsal.tenant import Tenant
from batchreset.status import database, record
from tests.support.clock import VirtualLoop
from tests.support.program import Ended, at_home, call, sign_in, tenant_beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANN = User(id="6f1c9f6e-3c58-4d0e-9a53-52d3c0a1b6f4", user_principal_name="ann@contoso.example", display_name="Ann")
GOOD = "userPrincipalName\nann@contoso.example\n"


class Desk:
    """A user in a folder of their own, signed in to a simulated tenant, without a terminal."""

    def __init__(self, folder: Path, tenant: Tenant, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.tenant = tenant
        self._capture = capture

    def write(self, name: str, content: str | bytes) -> str:
        data = content if isinstance(content, bytes) else content.encode()
        (self.folder / name).write_bytes(data)
        return name

    def call(self, *arguments: str) -> Ended:
        """Run a command in this process, as the program does."""
        return call(self._capture, *arguments)

    def refused(self, status: int, *arguments: str) -> str:
        """Run a command that is to be refused; return the one sentence that says why."""
        before = self.tenant.requests.total()
        ended = self.call(*arguments)
        assert ended.status == status, ended
        assert ended.out == ""
        (line,) = ended.err.splitlines()
        assert line.startswith("batchreset: ")
        assert line.endswith((".", ")"))
        assert self.tenant.requests.total() == before, "something was sent"
        assert not self.runs(), "a run folder was left behind"
        return line

    def runs(self) -> list[Path]:
        """Return everything that was made where run folders go."""
        out = self.folder / "reports"
        return list(out.iterdir()) if out.is_dir() else []


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Tenant, str]]:
    tenant = Tenant([ANN], UNHINDERED)
    with tenant_beside(tenant) as url:
        yield tenant, url


@pytest.fixture
def desk(
    tmp_path: Path,
    served: tuple[Tenant, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    tenant, url = served
    at_home(tmp_path, monkeypatch)
    sign_in(monkeypatch, tenant, url)
    return Desk(tmp_path, tenant, capsys)


@pytest.mark.parametrize("command", ["run", "plan", "rehearse"])
def test_a_missing_file_is_named(desk: Desk, command: str) -> None:
    """A cohort that does not exist is refused by its name, by every command that takes one."""
    assert "leaver.csv does not exist" in desk.refused(5, command, "leaver.csv")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", "is empty"),
        ("empty.xlsx", b"", "empty.xlsx"),
        ("header.csv", "userPrincipalName,displayName\n", "has a header but no rows"),
        ("binary.csv", bytes(range(256)) * 8, "binary data"),
        ("binary.xlsx", bytes(range(256)) * 8, "binary.xlsx"),
        ("books.csv", "title,author\nEmma,Jane Austen\nIvanhoe,Walter Scott\n", "no account column"),
        (
            "two.csv",
            "UPN,user principal name\nann@contoso.example,bob@contoso.example\n",
            "could both name the account; choose with --column",
        ),
        ("cohort.docx", GOOD, ".csv, .tsv, .txt, .xlsx, .xls, .ods, .json or .jsonl"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(desk: Desk, name: str, content: str | bytes, said: str) -> None:
    """What is wrong with a file is said with its name, before anything is asked of the tenant."""
    sentence = desk.refused(5, "plan", desk.write(name, content))
    assert name in sentence
    assert said in sentence


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="who may read everything is refused nothing")
def test_a_file_that_may_not_be_read_is_named(desk: Desk) -> None:
    """A locked file is a sentence, not a traceback."""
    desk.write("locked.csv", GOOD)
    (desk.folder / "locked.csv").chmod(0)
    assert "locked.csv cannot be opened" in desk.refused(5, "plan", "locked.csv")


def test_an_empty_standard_input_is_said_to_be_empty(desk: Desk) -> None:
    """A pipe that brought nothing is refused like an empty file."""
    assert "standard input is empty" in desk.refused(5, "plan", "-")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--graph-url", "http://graph.microsoft.com"], "http:// is for a loopback host only"),
        (["--graph-url", "graph.microsoft.com"], "--graph-url"),
        (["--cloud", "mars"], "--cloud mars: give global | usgov | dod | china"),
        (["--method", "magic"], "--method magic: give auto | reset-password | password-profile"),
        (["--workers", "0"], "--workers 0"),
        (["--rate", "-1"], "--rate -1"),
        (["--max-failures", "some"], "--max-failures some"),
        (["--deadline", "soon"], "--deadline soon"),
        (["--directory-lag", "5 fortnights"], "--directory-lag 5 fortnights"),
        (["--password-source", "column"], "--password-column NAME"),
        (["--password-column", "new"], "--password-source column"),
        (["--recipient", "somebody"], "--recipient somebody: this is no age public key"),
        (["--header", "Authorization=Bearer x"], "--header Authorization"),
        (["--header", "novalue"], "--header novalue"),
        (["--body-property", "newPassword=x"], "--body-property newPassword"),
    ],
)
def test_a_wrong_value_is_named_with_its_option(desk: Desk, arguments: list[str], said: str) -> None:
    """A value that cannot be meant is a wrong command line, and the sentence names the option."""
    assert said in desk.refused(2, "run", desk.write("good.csv", GOOD), "--yes", *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "good.csv", "--nope"], "No such option: --nope"),
        (["plan", "good.csv", "--workers", "many"], "Invalid value for '--workers'"),
        (["rehearse"], "Missing argument 'COHORT'"),
        (["status", "--yes"], "No such option: --yes"),
        (["tenant", "--port", "70000"], "Invalid value for '--port'"),
        (["nope"], "No such command 'nope'"),
    ],
)
def test_a_wrong_command_line_points_to_the_help(desk: Desk, arguments: list[str], said: str) -> None:
    """What no command knows gets the status 2, a sentence, and the way to the help."""
    ended = desk.call(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
    assert "-h' for help" in ended.err
    assert "Traceback" not in ended.err


def test_a_wrong_variable_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value from the environment is refused under the name it has there."""
    monkeypatch.setenv("BATCHRESET_WORKERS", "many")
    assert "BATCHRESET_WORKERS many" in desk.refused(2, "plan", desk.write("good.csv", GOOD))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("workers = ", "cannot be read"),
        ("yes = true", "yes is no setting, or one that only a flag may set"),
        ("include-privileged = true", "only a flag may set"),
        ("colour = 'blue'", "colour is no setting"),
    ],
)
def test_a_wrong_config_file_is_named(desk: Desk, config: str, said: str) -> None:
    """A config file with a mistake, or with what only a flag may say, refuses the command."""
    sentence = desk.refused(5, "plan", desk.write("good.csv", GOOD), "--config", desk.write("own.toml", config))
    assert "own.toml" in sentence
    assert said in sentence


def test_a_config_file_in_the_current_folder_is_not_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the user's own file counts, or one that is named: a folder from somebody else must not set anything."""
    monkeypatch.delenv("BATCHRESET_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(desk.folder / "elsewhere"))
    desk.write("config.toml", "workers = 'this would be refused'")
    desk.write("batchreset.toml", "workers = 'this would be refused'")
    assert desk.call("runs").status == 0


@pytest.mark.parametrize("out", ["taken", "taken/below"])
def test_an_out_that_is_no_folder_is_named(desk: Desk, out: str) -> None:
    """Where run folders cannot be made, nothing is begun."""
    desk.write("taken", "a file")
    assert f"--out {out}" in desk.refused(5, "plan", desk.write("good.csv", GOOD), "--out", out).replace("\\", "/")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="who may write everywhere is refused nothing")
def test_an_out_that_may_not_be_written_to_is_named(desk: Desk) -> None:
    """Where nothing may be written, nothing is begun."""
    (desk.folder / "reports").mkdir(mode=0o500)
    assert "--out reports" in desk.refused(5, "plan", desk.write("good.csv", GOOD))


def test_without_a_token_the_variable_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not signed in learns where the token goes."""
    monkeypatch.delenv("BATCHRESET_ACCESS_TOKEN")
    assert "BATCHRESET_ACCESS_TOKEN" in desk.refused(5, "run", desk.write("good.csv", GOOD), "--yes")


def test_a_token_that_is_not_accepted_leaves_nothing_behind(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in that the tenant refuses is said so; no run folder is made, and the token is not repeated."""
    monkeypatch.setenv("BATCHRESET_ACCESS_TOKEN", "eyJ-stale")
    ended = desk.call("run", desk.write("good.csv", GOOD), "--yes")
    assert ended.status == 5
    assert "sign-in was not accepted" in ended.err
    assert "eyJ-stale" not in ended.err
    assert not desk.runs()


def test_a_service_that_cannot_be_reached_leaves_nothing_behind(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant that does not answer refuses the plan, in one sentence."""
    monkeypatch.setattr(asynchronous, "_loop_factory", lambda: VirtualLoop)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        sentence = desk.refused(5, "plan", desk.write("good.csv", GOOD), "--graph-url", url)
    assert "could not be read" in sentence


def test_without_a_terminal_the_answer_is_no_and_the_plan_is_kept(desk: Desk) -> None:
    """A scheduler that forgot --yes resets nobody, and is told how to carry the plan out."""
    ended = desk.call("run", desk.write("good.csv", GOOD))
    assert (ended.status, ended.out) == (5, "")
    (folder,) = desk.runs()
    assert "no terminal to ask on" in ended.err.splitlines()[-1]
    assert f"batchreset resume {folder.relative_to(desk.folder)}" in ended.err.splitlines()[-1]
    assert desk.tenant.password_of(ANN.id) is None


def test_nothing_left_to_reset_is_refused(desk: Desk) -> None:
    """A cohort of strangers ends with the status 5, and the plan is there to be looked at."""
    ended = desk.call("run", desk.write("strangers.csv", "upn\nnobody@contoso.example\n"), "--yes")
    assert ended.status == 5
    assert "Nothing is left to reset" in ended.err.splitlines()[-1]


def test_a_run_folder_does_not_lead_a_token_away(
    desk: Desk, served: tuple[Tenant, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody wrote another host into a plan, wherever it stands: no token goes there. A flag says it is meant."""
    assert desk.call("plan", desk.write("good.csv", GOOD)).status == 0
    (folder,) = desk.runs()
    engine = database.connect(folder)
    settings = record.load(engine).settings
    try:
        for place in ("https://evil.example", served[1]):
            record.note(engine, graph_url=place, settings=json.dumps({**settings, "graph_url": place}))
            monkeypatch.setenv("BATCHRESET_GRAPH_URL", "https://graph.example")
            before = desk.tenant.requests.total()
            refused = desk.call("resume", folder.name, "--yes")
            assert (refused.status, refused.out) == (5, "")
            assert refused.err.endswith(f"if that place is right, add --graph-url {place}.\n")
            assert desk.tenant.requests.total() == before
        record.note(engine, graph_url="https://evil.example")
    finally:
        engine.dispose()
    monkeypatch.delenv("BATCHRESET_GRAPH_URL")
    ended = desk.call("resume", folder.name, "--yes", "--graph-url", served[1])
    assert ended.status == 0, ended.err
    assert desk.tenant.password_of(ANN.id) is not None


@pytest.mark.parametrize("command", ["status", "report", "resume", "passwords"])
def test_an_unknown_run_is_named(desk: Desk, command: str) -> None:
    """A run that does not exist is refused by every command that takes one."""
    more = ["-o", "-"] if command == "passwords" else []
    assert "20990101T000000Z-none-0000: no such run" in desk.refused(5, command, "20990101T000000Z-none-0000", *more)


def test_where_there_are_no_runs_the_latest_is_refused_and_the_list_is_empty(desk: Desk) -> None:
    """A fresh folder has no latest run, and listing it is no error."""
    assert "There is no run in reports" in desk.refused(5, "status")
    assert desk.call("runs") == Ended(0, "There are no runs in reports.\n")
    assert desk.call("runs", "--json") == Ended(0, '{\n  "runs": []\n}\n')


def test_one_run_that_cannot_be_read_hides_no_other(desk: Desk) -> None:
    """A listing goes on past a folder that holds another version's table, or none that can be read."""
    assert desk.call("plan", desk.write("good.csv", GOOD)).status == 0
    (good,) = desk.runs()
    torn = good.with_name("20990101T000000Z-torn-0000")
    torn.mkdir()
    (torn / database.FILE_NAME).write_bytes(b"no database" * 100)
    ended = desk.call("runs")
    assert ended.status == 0
    assert ended.out.startswith(good.name)
    assert len(ended.out.splitlines()) == 1
    assert torn.name in ended.err


@pytest.mark.parametrize("target", ["passwords.txt", "passwords"])
def test_passwords_go_to_files_of_known_endings(desk: Desk, target: str) -> None:
    """A name that is no .csv and no .xlsx is a wrong command line."""
    assert f"-o {target}" in desk.refused(2, "passwords", "any", "-o", target)


def test_passwords_are_not_poured_into_a_pipe_by_accident(desk: Desk) -> None:
    """Without -o they go to a terminal only."""
    assert "-o -" in desk.refused(2, "passwords", "any")


def test_passwords_replace_no_file_and_need_the_right_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that exists is left alone; a key that opens nothing is named."""
    assert desk.call("plan", desk.write("good.csv", GOOD)).status == 0
    (run,) = desk.runs()
    desk.write("mine.csv", "precious")
    ended = desk.call("passwords", run.name, "-o", "mine.csv")
    assert (ended.status, ended.err) == (
        5,
        "batchreset: -o mine.csv: this file exists already; it was left as it is.\n",
    )
    assert (desk.folder / "mine.csv").read_text(encoding="utf-8") == "precious"

    monkeypatch.setenv("BATCHRESET_IDENTITY", str(desk.folder / "other.txt"))
    assert desk.call("keys", "--make").status == 0
    ended = desk.call("passwords", run.name, "-o", "new.csv")
    assert ended.status == 5
    assert "does not open this run's passwords" in ended.err
    assert not (desk.folder / "new.csv").exists()


def test_a_port_that_is_taken_is_named(desk: Desk) -> None:
    """Two simulated tenants do not share a port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"--port {port}: this port cannot be used" in desk.refused(5, "tenant", "--port", str(port))
