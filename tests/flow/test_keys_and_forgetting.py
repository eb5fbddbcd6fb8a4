"""Who can open a run's passwords: keys and passphrases, given to others, and destroyed."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from pyrage import x25519

import batchreset
from batchreset.engine import folder as folders
from batchreset.engine.forgetting import forget
from batchreset.engine.keys import key_needed
from batchreset.engine.passwords import opened
from batchreset.errors import KeyMissingError, LockedError, RefusedError
from batchreset.rehearsal.behaviour import UNHINDERED
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import Tenant
from batchreset.status import database, record, schema
from batchreset.vault import identity
from batchreset.vault.sealing import KEY_FILE, partial_of
from tests.support.conversation import converse
from tests.support.program import at_home, posix_only, signed_in
from tests.support.runs import make_run, put
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Call

PHRASE = "correct horse battery"
#: A key that is at nobody's hand here.
COLLEAGUE = str(x25519.Identity.generate().to_public())


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_home(tmp_path, monkeypatch)


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Tenant]:
    """Be signed in to a tenant of three plain accounts, with a cohort of them."""
    (tmp_path / "cohort.csv").write_text("\n".join(["userPrincipalName", *upns(3)]), encoding="utf-8")
    with signed_in(monkeypatch, Tenant(populate(upns(3), plain=True), UNHINDERED)) as tenant:
        yield tenant


def reset(here: Call, tmp_path: Path, *options: str) -> Path:
    """Run the cohort, and return the run's folder."""
    ended = here("run", "cohort.csv", "--yes", *options)
    assert ended.status in {0, 130}, ended.err
    (folder,) = folders.listed(tmp_path / "reports")
    return folder


def texts(folder: Path) -> dict[str, str]:
    """Open a run's passwords with what is at hand, by UPN."""
    engine = database.connect(folder)
    try:
        return {each.user: each.password.reveal() for each in opened(engine, key_needed(folder))}
    finally:
        engine.dispose()


def recipient_of(folder: Path) -> str:
    engine = database.connect(folder)
    try:
        return record.load(engine).recipient
    finally:
        engine.dispose()


def in_force(tenant: Tenant) -> dict[str, str]:
    """Return the passwords that the tenant was given, by UPN."""
    tenant.settle()
    return {each.user.user_principal_name: each.password for each in tenant.accounts.values() if each.password}


def trail(here: Call, folder: Path, event: str) -> list[dict[str, Any]]:
    """Return the lines of a run's audit trail that have this name, after writing its report again."""
    assert here("report", str(folder)).status == 0
    lines = map(json.loads, (folder / "audit.jsonl").read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["event"] == event]


def test_a_run_is_given_to_others(tenant: Tenant, here: Call, tmp_path: Path) -> None:
    """To exactly those named, as the audit trail says; what is left of the old key is told, and nothing is resealed."""
    folder = reset(here, tmp_path)
    (own,) = identity.load()
    table = (folder / "status.sqlite").stat().st_size

    ended = here("keys", "reseal", folder.name, "--recipient", COLLEAGUE, "--recipient", own.public)
    assert ended.status == 0, ended.err
    assert COLLEAGUE in ended.out
    assert "backups" in ended.err
    assert "Your own key" not in ended.err
    assert texts(folder) == in_force(tenant)

    ended = here("keys", "reseal", folder.name, "--recipient", COLLEAGUE)
    assert "Your own key is not among them" in ended.err
    with pytest.raises(KeyMissingError, match="your key"):
        texts(folder)
    ended = here("keys", "reseal", folder.name, "--recipient", own.public)
    assert (ended.status, ended.err.count("\n")) == (5, 1)
    assert "does not open this run's passwords" in ended.err

    first, second = trail(here, folder, "key resealed")
    assert first["recipients"] == [COLLEAGUE, own.public]
    assert second["recipients"] == [COLLEAGUE]
    assert first["by"]
    assert first["at"] < second["at"]
    assert (folder / "status.sqlite").stat().st_size == table


@pytest.mark.usefixtures("tenant")
def test_a_reseal_names_who_is_to_open_it(here: Call, tmp_path: Path) -> None:
    """Nobody, or both kinds at once, or what is no key: refused, and the key is as it was."""
    folder = reset(here, tmp_path, "--limit", "1")
    before = (folder / KEY_FILE).read_bytes()
    for options in ([], ["--recipient", COLLEAGUE, "--seal-with-passphrase"], ["--recipient", "somebody"]):
        ended = here("keys", "reseal", folder.name, *options)
        assert ended.status == 2
        assert "--recipient" in ended.err
    ended = here("keys", "reseal", folder.name, "--seal-with-passphrase")
    assert ended.status == 5
    assert "BATCHRESET_PASSPHRASE" in ended.err
    with folders.locked(folder):
        ended = here("keys", "reseal", folder.name, "--recipient", COLLEAGUE)
    assert ended.status == 5
    assert "working on this run" in ended.err
    assert (folder / KEY_FILE).read_bytes() == before
    assert len(texts(folder)) == 1


def test_keys_are_made_and_shown(here: Call, tmp_path: Path) -> None:
    """None, one, and one more: the newest first, where they are, and never a private half."""
    assert "no key yet" in here("keys").out
    first = here("keys", "--make").out
    both = here("keys", "--make").out
    assert both == here("keys").out
    newest, oldest = (own.public for own in reversed(identity.load()))
    place, *lines = both.splitlines()
    assert place == f"key:        {tmp_path / 'identity.txt'}"
    assert [line.split()[2] for line in lines] == [newest, oldest]
    assert oldest in first
    assert "AGE-SECRET-KEY" not in both


def test_a_passphrase_opens_a_run_wherever_it_is(
    tenant: Tenant, here: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key is made; whoever knows it opens the passwords and goes on with the run; it is written nowhere."""
    monkeypatch.setenv("BATCHRESET_PASSPHRASE", PHRASE)
    folder = reset(here, tmp_path, "--seal-with-passphrase", "--limit", "2")
    assert identity.load() == ()
    assert texts(folder) == in_force(tenant)
    assert all(PHRASE.encode() not in path.read_bytes() for path in folder.iterdir())

    monkeypatch.setenv("BATCHRESET_PASSPHRASE", "another one, and wrong")
    ended = here("resume", folder.name, "--yes")
    assert (ended.status, ended.err.count("\n")) == (5, 1)
    assert "this passphrase does not open" in ended.err
    assert len(in_force(tenant)) == 2

    monkeypatch.delenv("BATCHRESET_PASSPHRASE")
    assert here("resume", folder.name, "--yes").status == 0
    with pytest.raises(KeyMissingError, match="BATCHRESET_PASSPHRASE"):
        texts(folder)
    monkeypatch.setenv("BATCHRESET_PASSPHRASE", PHRASE)
    assert texts(folder) == in_force(tenant)
    assert len(in_force(tenant)) == 3

    assert here("keys", "--make").status == 0
    assert here("keys", "reseal", folder.name, "--recipient", identity.load()[0].public).status == 0
    monkeypatch.delenv("BATCHRESET_PASSPHRASE")
    assert texts(folder) == in_force(tenant)


@pytest.mark.parametrize("phrase", [None, "too short"])
def test_without_a_passphrase_nothing_is_begun(
    phrase: str | None, tenant: Tenant, here: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody to ask, or one that is too short: a sentence, no run folder, nobody asked anything in the tenant."""
    if phrase:
        monkeypatch.setenv("BATCHRESET_PASSPHRASE", phrase)
    ended = here("plan", "cohort.csv", "--seal-with-passphrase")
    assert (ended.status, ended.err.count("\n")) == (5, 1)
    assert "passphrase" in ended.err
    assert folders.listed(tmp_path / "reports") == []
    assert in_force(tenant) == {}


def test_a_program_gives_its_passphrase_itself(tenant: Tenant, tmp_path: Path) -> None:
    """As a value that shows nothing."""

    async def go() -> batchreset.Settings:
        settings = batchreset.Settings(
            out=tmp_path / "runs", graph_url=os.environ["BATCHRESET_GRAPH_URL"], seal_with_passphrase=True
        )
        plan = await batchreset.plan(tmp_path / "cohort.csv", settings, passphrase=batchreset.Secret(PHRASE))
        assert plan.warnings == ()
        return settings

    (folder,) = folders.listed(asyncio.run(go()).out)
    key = key_needed(folder, lambda: batchreset.Secret(PHRASE))
    assert key.recipient == recipient_of(folder)
    assert in_force(tenant) == {}


@posix_only
def test_a_passphrase_is_typed_twice_and_later_once(tenant: Tenant, here: Call, tmp_path: Path) -> None:
    """Not shown on the terminal; two that differ are refused; nothing typed on resuming goes on without it."""
    asked, again, going = "of at least 12 characters: ", "The same again: ", "anything else to leave it: "
    command = ("run", "cohort.csv", "--seal-with-passphrase", "--limit", "1")
    ended = converse(command, (asked, f"{PHRASE}\n"), (again, "something else\n"))
    assert ended.status == 5
    assert "not the same" in ended.screen
    ended = converse(command, (asked, f"{PHRASE}\n"), (again, f"{PHRASE}\n"), (going, "yes\n"))
    assert ended.status == 130, ended.screen
    assert "takes a moment" in ended.screen
    assert PHRASE not in ended.screen
    (folder,) = folders.listed(tmp_path / "reports")
    ended = converse(("resume", str(folder)), ("go on without it): ", "\n"), (going, "yes\n"))
    assert ended.status == 0, ended.screen
    assert len(in_force(tenant)) == 3
    ended = converse(("passwords", str(folder), "-o", "all.csv"), ("is sealed to: ", f"{PHRASE}\n"))
    assert ended.status == 0, ended.screen
    assert all(text in (tmp_path / "all.csv").read_text(encoding="utf-8-sig") for text in in_force(tenant).values())
    assert len(trail(here, folder, "passwords opened")) == 1


def test_one_key_alone_is_warned_of(here: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above fifty accounts, and no more once a second key is named."""
    (tmp_path / "cohort.csv").write_text("\n".join(["userPrincipalName", *upns(51)]), encoding="utf-8")
    with signed_in(monkeypatch, Tenant(populate(upns(51), plain=True), UNHINDERED)):
        (warning,) = json.loads(here("plan", "cohort.csv", "--json").out)["warnings"]
        second = str(x25519.Identity.generate().to_public())
        both = here("plan", "cohort.csv", "--json", "--recipient", COLLEAGUE, "--recipient", second)
    assert "51 accounts" in warning
    assert json.loads(both.out)["warnings"] == []


def test_passwords_that_are_not_kept_need_no_key(tenant: Tenant, here: Call, tmp_path: Path) -> None:
    """None is made for the run, and none for the user."""
    assert here("plan", "cohort.csv", "--discard-passwords").status == 0
    (folder,) = folders.listed(tmp_path / "reports")
    assert not (folder / KEY_FILE).exists()
    assert identity.load() == ()
    assert in_force(tenant) == {}
    with pytest.raises(KeyMissingError, match="not kept"):
        key_needed(folder)


@posix_only
@pytest.mark.usefixtures("tenant")
def test_a_run_is_its_owners_only(here: Call, tmp_path: Path) -> None:
    """Whatever the umask: the folder, the run's key before and after it was given to others, and the user's."""
    before = os.umask(0)
    try:
        folder = reset(here, tmp_path)
        modes = [path.stat().st_mode & 0o777 for path in (folder, folder / KEY_FILE, identity.path())]
        assert here("keys", "reseal", folder.name, "--recipient", COLLEAGUE).status == 0
    finally:
        os.umask(before)
    assert modes == [0o700, 0o600, 0o600]
    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_finished_run_is_forgotten(tenant: Tenant, here: Call, tmp_path: Path) -> None:
    """Its key and whatever is left of one are gone, the trail says who did it, and so does opening."""
    folder = reset(here, tmp_path)
    assert here("passwords", folder.name, "-o", "all.csv").status == 0
    partial_of(folder / KEY_FILE).write_bytes((folder / KEY_FILE).read_bytes())
    with folders.locked(folder), pytest.raises(LockedError):
        forget(folder)
    done = forget(folder)
    assert done.passwords == len(in_force(tenant)) == 3
    assert [each.endswith("all.csv") for each in done.openings] == [True]
    assert not list(folder.glob("*key.age*"))
    (noted,) = trail(here, folder, "key forgotten")
    told = f"its key was forgotten on {noted['at'][:10]} .* UTC by {noted['by']}"
    with pytest.raises(KeyMissingError, match=told):
        key_needed(folder)
    with pytest.raises(KeyMissingError, match="forgotten already"):
        forget(folder)
    for command in (("passwords", "-o", "again.csv"), ("keys", "reseal", "--recipient", COLLEAGUE)):
        *words, option, value = command
        ended = here(*words, folder.name, option, value)
        assert ended.status == 5
        assert "its key was forgotten" in ended.err


def test_a_run_with_open_rows_is_forgotten_only_anyway(tenant: Tenant, here: Call, tmp_path: Path) -> None:
    """Nothing more is sent of it then: nobody could open the passwords."""
    folder = reset(here, tmp_path, "--limit", "1")
    with pytest.raises(RefusedError, match="2 rows are still open"):
        forget(folder)
    assert len(texts(folder)) == 1
    assert forget(folder, anyway=True).passwords == 1
    assert here("resume", folder.name, "--yes").status == 5
    assert len(in_force(tenant)) == 1


def test_a_process_killed_between_noting_and_removing_can_be_repeated(tmp_path: Path) -> None:
    """A key that is gone without a note is noted when forgetting is asked for again."""
    make_run(tmp_path / "run").dispose()
    assert forget(tmp_path / "run").passwords == 0
    with pytest.raises(KeyMissingError, match="its key was forgotten on"):
        key_needed(tmp_path / "run")


@pytest.mark.parametrize(
    ("facts", "fate", "has_key", "since", "is_pointed_out"),
    [
        ({}, "in_force", True, "2026-01-02T12:03:20.000Z", True),
        ({"finished_at": None}, "possible", True, "2026-01-02T12:00:00.000Z", True),
        ({"finished_at": "2999-01-02T12:03:20.000Z"}, "in_force", True, "2999-01-02T12:03:20.000Z", False),
        ({}, "refused", True, None, False),
        ({}, "in_force", False, None, False),
        ({"rehearsal": 1}, "in_force", True, None, False),
    ],
    ids=["finished", "cut off", "of late", "nothing in force", "forgotten", "a rehearsal"],
)
def test_passwords_sealed_for_long_are_pointed_out(  # noqa: PLR0913  a table's columns
    facts: dict[str, Any],
    fate: str,
    since: str | None,
    here: Call,
    tmp_path: Path,
    *,
    has_key: bool,
    is_pointed_out: bool,
) -> None:
    """Those that may be in force and whose key is still there, a week after the run; with what to do."""
    run_id = "20260102T120000Z-leak-cohort-7f3a"
    times = {"started_at": "2026-01-02T12:00:00.000Z", "finished_at": "2026-01-02T12:03:20.000Z"}
    folder = tmp_path / "reports" / run_id
    engine = make_run(folder, [{}], **{"run_id": run_id, **times, **facts})
    put(
        engine,
        schema.candidates,
        [{"id": 1, "reset_id": 1, "sealed": b"x", "fate": fate, "made_at": times["started_at"]}],
    )
    engine.dispose()
    if has_key:
        (folder / KEY_FILE).touch()
    (told,) = json.loads(here("runs", "--json").out)["runs"]
    assert told["sealed_since"] == since
    assert json.loads(here("status", "--json").out)["sealed_since"] == since
    _, *below = here("runs").out.splitlines()
    assert bool(below) == is_pointed_out
    if below:
        assert "2026-01-02" in below[0]
        assert f"batchreset passwords reports{os.sep}{run_id} --forget" in below[0]
