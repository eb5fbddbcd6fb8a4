"""Opening the passwords of a run: on the terminal, into files, encrypted, split; and noting who did, first of all."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msoffcrypto
import pytest
from python_calamine import CalamineWorkbook

from batchreset.model import PasswordSource
from batchreset.rehearsal.behaviour import UNHINDERED, Fault
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import Tenant
from tests.support.clock import run_virtual
from tests.support.conversation import converse
from tests.support.desk import Run, at_desk, object_id, upn, user
from tests.support.program import at_home, on_terminal, posix_only, signed_in
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.program import Call

#: Each account's password and manager, as the cohort names them.
GIVEN = {
    "ana": ("=1+1-Copper", "Lee, Ann"),
    "bea": (" Quartz 7 meadow ", "lee, ann"),
    "cem": ('"Said" & <done>1', "../con"),
    "dora": ("short", ""),
    "eli": ("@SUM(A1);Maple", ""),
    "fay": ("Unsure-7-lake", "Lee, Ann"),
}
OPENED = [name for name in GIVEN if name != "dora"]
MANAGERS = {"Lee, Ann": ["ana", "fay"], "lee, ann": ["bea"], "../con": ["cem"], "": ["eli"]}
FILES = {"Lee, Ann.xlsx": "Lee, Ann", "lee, ann (2).xlsx": "lee, ann", "_con.xlsx": "../con", "(none).xlsx": ""}
PASSPHRASE = "correct horse battery"
#: A terminal's second screen, from when it is entered to when it is left empty.
SECOND_SCREEN = re.compile(r"\x1b\[\?1049h.*?\x1b\[H\x1b\[J\x1b\[\?1049l", re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Make a run of six: four succeeded, one was refused its password, and of one nobody knows."""
    faults = {"fay": (Fault.LOST_BEFORE, Fault.REJECTED)}
    accounts = [user(name, *faults.get(name, ())) for name in GIVEN]
    settings: dict[str, Any] = {"password_source": PasswordSource.COLUMN, "password_column": "New password"}
    told = io.StringIO()
    csv.writer(told, lineterminator="\n").writerows([upn(name), *values] for name, values in GIVEN.items())

    async def go(out: Path) -> Run:
        async with at_desk(out, accounts, **settings) as desk:
            return await desk.run(*told.getvalue().splitlines(), header="userPrincipalName,New password,Manager")

    settings["password_policy"] = "none"
    return run_virtual(go(tmp_path_factory.mktemp("made")))


@pytest.fixture
def run(made: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a user with a copy of that run's folder, and the key that opens it."""
    at_home(tmp_path, monkeypatch)
    monkeypatch.setenv("BATCHRESET_IDENTITY", str(made.folder.parent / "identity.txt"))
    return shutil.copytree(made.folder, tmp_path / "reports" / made.folder.name)


def users(lines: Sequence[dict[str, str]]) -> list[str]:
    return [line["user"].partition("@")[0] for line in lines]


def from_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def from_workbook(content: bytes) -> list[dict[str, str]]:
    header, *lines = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    return [dict(zip(map(str, header), map(str, line), strict=True)) for line in lines]


def decrypted(path: Path, passphrase: str = PASSPHRASE) -> list[dict[str, str]]:
    opened = io.BytesIO()
    with path.open("rb") as sealed:
        file = msoffcrypto.OfficeFile(sealed)
        file.load_key(password=passphrase, verify_password=True)
        file.decrypt(opened, verify_integrity=True)
    return from_workbook(opened.getvalue())


def openings(run: Path) -> list[dict[str, Any]]:
    """Return what the audit trail says of passwords that were opened."""
    with closing(sqlite3.connect(run / "status.sqlite")) as table:
        query = "SELECT fields FROM audit WHERE event = 'passwords opened' ORDER BY id"
        return [json.loads(fields) for (fields,) in table.execute(query)]


def test_what_is_opened_is_what_the_tenant_has(made: Run, run: Path, here: Call) -> None:
    """As CSV on standard output, as a CSV file and as a workbook: every password to the letter, and how sure it is."""
    told = from_csv(here("passwords", run.name, "-o", "-").out)
    assert users(told) == OPENED
    assert [line["password"] for line in told] == [GIVEN[name][0] for name in OPENED]
    assert [",".join((line["certainty"], line["outcome"])) for line in told] == [
        *["sure,succeeded"] * 4,
        "candidate,unresolved",
    ]
    in_force = {line["object_id"]: made.tenant.password_of(line["object_id"]) for line in told[:4]}
    assert in_force == {line["object_id"]: line["password"] for line in told[:4]}
    for name in ("all.csv", "all.xlsx"):
        ended = here("passwords", run.name, "-o", name)
        assert ended.status == 0
        assert "5 passwords in clear are now in" in ended.err
    assert from_csv(Path("all.csv").read_text(encoding="utf-8-sig")) == told
    assert from_workbook(Path("all.xlsx").read_bytes()) == told
    assert next(csv.reader(io.StringIO(here("passwords", run.name, "-o", "-").out))) == [
        *("source", "row", "user", "object_id", "password", "certainty", "outcome"),
    ]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--only", "succeeded"], ["ana", "bea", "cem", "eli"]),
        (["--only", "unresolved"], ["fay"]),
        (["--user", upn("CEM").upper()], ["cem"]),
        (["--user", object_id("fay"), "--only", "unresolved"], ["fay"]),
    ],
)
def test_some_of_them_can_be_opened(run: Path, here: Call, options: list[str], names: list[str]) -> None:
    """By outcome, and by account; the audit trail has those and no others."""
    assert users(from_csv(here("passwords", run.name, "-o", "-", *options).out)) == names
    (opening,) = openings(run)
    assert opening["count"] == len(names)
    assert opening["to"] == "standard output"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--user", "nobody@contoso.example"], "this run has no such account"),
        (["--user", upn("dora")], "row 5 of cohort.csv is excluded (password_rejected)."),
        (["--user", upn("ana"), "--only", "unresolved"], "is succeeded, and --only asks for unresolved."),
        (["--split-by", "boss", "--encrypt"], "no such column; it has Manager."),
    ],
)
def test_what_cannot_be_opened_is_told_why(run: Path, here: Call, options: list[str], said: str) -> None:
    """One sentence, and neither a file nor an opening in the audit trail."""
    ended = here("passwords", run.name, "-o", "new" if "--split-by" in options else "new.csv", *options)
    assert (ended.status, ended.out) == (5, "")
    (line,) = ended.err.splitlines()
    assert said in line
    assert not list(Path().glob("new*"))
    assert openings(run) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--forget -o a.csv", "--forget and -o cannot be given together."),
        ("--forget --user a", "--forget and --user"),
        ("--forget --hand-over x", "--forget and --hand-over"),
        ("--hand-over x -o a.csv", "--hand-over and -o"),
        ("--hand-over x --encrypt", "--hand-over and --encrypt"),
        ("--contact mail -o a.csv", "--contact is for use with --hand-over only."),
        ("--again -o a.csv", "--again is for use with --hand-over"),
        ("--anyway -o a.csv", "--anyway is for use with --forget"),
        ("--yes -o a.csv", "--yes is for use with --forget or --hand-over only."),
        ("--split-by manager -o a", "--split-by is for use with --encrypt"),
        ("--encrypt", "--encrypt is for use with -o"),
        ("--encrypt -o -", "give -o FILE.xlsx"),
        ("--encrypt -o a.csv", "only workbooks are encrypted"),
        ("--encrypt --split-by manager -o -", "give -o FILE.xlsx"),
        ("--encrypt --split-by manager -o a.xlsx", "the name of a new folder"),
    ],
)
def test_contradictions_are_told(run: Path, here: Call, options: str, said: str) -> None:
    """Options that mean nothing together are a wrong command line, and nothing is opened."""
    ended = here("passwords", run.name, *options.split())
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
    assert openings(run) == []


def test_an_encrypted_workbook_holds_them_all(run: Path, here: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the passphrase of the environment; it stands in no file, and another does not open it."""
    monkeypatch.setenv("BATCHRESET_WORKBOOK_PASSPHRASE", PASSPHRASE)
    told = from_csv(here("passwords", run.name, "-o", "-").out)
    ended = here("passwords", run.name, "-o", "all.xlsx", "--encrypt")
    assert ended.status == 0
    assert "encrypted" in ended.err
    assert decrypted(Path("all.xlsx")) == told
    with pytest.raises(msoffcrypto.exceptions.InvalidKeyError):
        decrypted(Path("all.xlsx"), "another passphrase")
    assert openings(run)[-1]["to"] == f"{Path('all.xlsx').absolute()}, encrypted"
    written = b"".join(path.read_bytes() for path in Path().rglob("*") if path.is_file())
    assert not [text for text in (PASSPHRASE, *(line["password"] for line in told)) if text.encode() in written]
    before = Path("all.xlsx").read_bytes()
    assert here("passwords", run.name, "-o", "all.xlsx", "--encrypt").status == 5
    assert Path("all.xlsx").read_bytes() == before
    assert len(openings(run)) == 2


def test_each_manager_gets_a_workbook(run: Path, here: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every password is in exactly one file, named after the value of the column, which stands in it to the letter."""
    monkeypatch.setenv("BATCHRESET_WORKBOOK_PASSPHRASE", PASSPHRASE)
    ended = here("passwords", run.name, "-o", "for managers", "--encrypt", "--split-by", "manager")
    assert ended.status == 0, ended.err
    books = {path.name: decrypted(path) for path in Path("for managers").iterdir()}
    assert {name: users(lines) for name, lines in books.items()} == {
        name: MANAGERS[manager] for name, manager in FILES.items()
    }
    for name, lines in books.items():
        assert {line["cohort.Manager"] for line in lines} == {FILES[name]}
        assert [line["password"] for line in lines] == [GIVEN[each][0] for each in MANAGERS[FILES[name]]]
    again = here("passwords", run.name, "-o", "for managers", "--encrypt", "--split-by", "manager")
    assert again.status == 5
    assert "this folder exists already" in again.err
    assert [path.name for path in Path().iterdir() if path.name.startswith(".passwords")] == []


@pytest.mark.parametrize(("passphrase", "said"), [(None, "no terminal"), ("too short", "at least 12 characters")])
def test_without_a_fit_passphrase_nothing_is_written(
    run: Path, here: Call, monkeypatch: pytest.MonkeyPatch, passphrase: str | None, said: str
) -> None:
    """Nobody is there to be asked, or what the environment gives is too short."""
    if passphrase:
        monkeypatch.setenv("BATCHRESET_WORKBOOK_PASSPHRASE", passphrase)
    ended = here("passwords", run.name, "-o", "all.xlsx", "--encrypt")
    assert ended.status == 5
    assert said in ended.err
    assert not Path("all.xlsx").exists()
    assert openings(run) == []


def test_every_opening_is_in_the_report(run: Path, here: Call) -> None:
    """Who, where to and which rows, so that each can be told; `report` writes it into audit.jsonl."""
    here("passwords", run.name, "-o", "some.csv", "--only", "succeeded")
    assert here("report", run.name).status == 0
    lines = map(json.loads, (run / "audit.jsonl").read_text(encoding="utf-8").splitlines())
    (opening,) = (line for line in lines if line["event"] == "passwords opened")
    assert opening["to"] == str(Path("some.csv").absolute())
    assert opening["by"]
    assert opening["rows"] == {"cohort.csv": "2-4,6"}
    assert opening["count"] == 4


@pytest.mark.parametrize("place", ["-", "all.csv", "all.xlsx"])
def test_what_cannot_be_written_down_is_not_opened(run: Path, here: Call, place: str) -> None:
    """Where the audit trail cannot be written to, no password leaves."""
    with closing(sqlite3.connect(run / "status.sqlite")) as table:
        table.execute("ALTER TABLE audit RENAME TO elsewhere")
    ended = here("passwords", run.name, "-o", place)
    assert (ended.status, ended.out) == (4, "")
    assert "audit" in ended.err
    assert not Path(place).exists()


@posix_only
def test_on_a_terminal_each_is_shown_alone_and_erased(run: Path) -> None:
    """Those shown are the ones the audit trail has; nothing of them is left on the screen, or above it."""
    ended = converse(
        ["passwords", run.name],
        ("1 of 5: ana@", ""),
        ("Enter shows the password, q ends: ", "\n"),
        ("Enter takes it off the screen, q ends as well: ", "\n"),
        ("2 of 5: bea@", ""),
        ("Enter shows the password, q ends: ", "\n"),
        ("Enter takes it off the screen, q ends as well: ", "\n"),
        ("3 of 5: cem@", ""),
        ("Enter shows the password, q ends: ", "q\n"),
    )
    assert ended.status == 0
    shown = SECOND_SCREEN.findall(ended.screen)
    assert len(shown) == 2
    assert f"\r\n{GIVEN['ana'][0]}\r\n" in shown[0]
    assert f"\r\n{GIVEN['bea'][0]}\r\n" in shown[1]
    left = SECOND_SCREEN.sub("", ended.screen)
    assert "ana@" in left
    assert not [name for name, (password, _) in GIVEN.items() if password in left]
    assert [(each["to"], each["rows"]) for each in openings(run)] == [
        ("the screen", {"cohort.csv": "2"}),
        ("the screen", {"cohort.csv": "3"}),
    ]


@posix_only
@pytest.mark.parametrize("ending", ["q\n", "\x04", "\x03"], ids=["q", "Ctrl-D", "Ctrl-C"])
def test_a_password_is_erased_however_it_ends(run: Path, ending: str) -> None:
    """One account, one question; also when it is broken off while the password is to be seen."""
    ended = converse(
        ["passwords", run.name, "--user", upn("eli")],
        ("1 of 1: eli@", ""),
        ("Enter shows the password, q ends: ", "\n"),
        ("Enter takes it off the screen, q ends as well: ", ending),
    )
    assert ended.status == (130 if ending == "\x03" else 0)
    assert "Traceback" not in ended.screen
    (shown,) = SECOND_SCREEN.findall(ended.screen)
    assert GIVEN["eli"][0] in shown
    assert GIVEN["eli"][0] not in SECOND_SCREEN.sub("", ended.screen)
    assert len(openings(run)) == 1


@posix_only
def test_a_terminal_that_cannot_erase_is_shown_none(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would stay on the screen is not put there."""
    monkeypatch.setenv("TERM", "dumb")
    ended = converse(["passwords", run.name])
    assert ended.status == 2
    assert "one that can clear its screen" in " ".join(ended.screen.split())
    assert openings(run) == []


@posix_only
def test_a_passphrase_is_made_and_shown_once(run: Path) -> None:
    """Where nothing is typed; it opens the workbook, and stands nowhere but on the screen that was left."""
    ended = converse(
        ["passwords", run.name, "-o", "all.xlsx", "--encrypt"],
        ("nothing to have one made): ", "\n"),
        ("Enter takes it off the screen, q ends as well: ", "\n"),
    )
    assert ended.status == 0, ended.screen
    (shown,) = SECOND_SCREEN.findall(ended.screen)
    (passphrase,) = re.findall(r"\r\n\r\n(\S+)\r\n\r\n", shown)
    assert users(decrypted(Path("all.xlsx"), passphrase)) == OPENED
    assert passphrase not in SECOND_SCREEN.sub("", ended.screen)
    assert not [path for path in Path().rglob("*") if path.is_file() and passphrase.encode() in path.read_bytes()]


@posix_only
@pytest.mark.parametrize("second", [PASSPHRASE, "something else"])
def test_a_passphrase_is_typed_twice_and_not_shown(run: Path, second: str) -> None:
    """The same twice encrypts; anything else writes nothing."""
    ended = converse(
        ["passwords", run.name, "-o", "all.xlsx", "--encrypt"],
        ("nothing to have one made): ", f"{PASSPHRASE}\n"),
        ("The same again: ", f"{second}\n"),
    )
    assert PASSPHRASE not in ended.screen
    if second == PASSPHRASE:
        assert ended.status == 0
        assert users(decrypted(Path("all.xlsx"))) == OPENED
    else:
        assert ended.status == 5
        assert not Path("all.xlsx").exists()
        assert openings(run) == []


def test_what_was_forgotten_opens_no_more(run: Path, here: Call) -> None:
    """It is asked for first, and says what survives; the key is gone, and where passwords went before is listed."""
    here("passwords", run.name, "-o", "all.csv")
    asked = here("passwords", run.name, "--forget")
    assert (asked.status, asked.out) == (5, "")
    assert "no terminal to ask on" in asked.err
    done = here("passwords", run.name, "--forget", "--yes")
    assert done.status == 0, done.err
    assert "5 sealed passwords open no more" in done.out
    assert "Backups and copies" in done.out
    assert str(Path("all.csv").absolute()) in done.out
    assert not (run / "key.age").exists()
    ended = here("passwords", run.name, "-o", "-")
    assert (ended.status, ended.out) == (5, "")
    assert "forgotten" in ended.err


@posix_only
@pytest.mark.parametrize(("answer", "status"), [("yes\n", 0), ("no\n", 5)])
def test_forgetting_is_asked_for_on_a_terminal(run: Path, answer: str, status: int) -> None:
    """Only a yes destroys the key."""
    ended = on_terminal("passwords", run.name, "--forget", answer=answer)
    assert ended.status == status
    assert "What survives: backups" in ended.screen
    assert (run / "key.age").exists() == (answer == "no\n")


def test_a_run_that_kept_none_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Call) -> None:
    """Nobody was to know them."""
    at_home(tmp_path, monkeypatch)
    Path("cohort.csv").write_text(f"upn\n{upns(1)[0]}\n", encoding="utf-8")
    with signed_in(monkeypatch, Tenant(populate(upns(1), plain=True), UNHINDERED)):
        done = json.loads(here("run", "cohort.csv", "--yes", "--json", "--discard-passwords").out)
    ended = here("passwords", done["run_id"], "-o", "-")
    assert (ended.status, ended.out) == (5, "")
    (line,) = ended.err.splitlines()
    assert "--discard-passwords" in line
