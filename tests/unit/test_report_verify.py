"""Whether a report is as its manifest tells, from a folder that anybody may have had in hands."""

from __future__ import annotations

import itertools
import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from batchreset import report
from batchreset.errors import RefusedError
from batchreset.report.verify import Finding, verify
from tests.support import runs
from tests.support.program import Call, at_home, call

A_HASH = "ab" * 32
A_FILE = json.dumps({"bytes": 1, "sha256": A_HASH}).encode()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Write a report, and return its files."""
    folder = tmp_path_factory.mktemp("report")
    engine = runs.make_run(folder, [{}, {"state": "failed", "reason": "forbidden"}])
    report.write(folder, engine)
    engine.dispose()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(template: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a run's folder of one's own."""
    at_home(tmp_path, monkeypatch)
    folder = tmp_path / "reports" / runs.RUN_ID
    folder.mkdir(parents=True)
    for name, content in template.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call a command in this process."""
    return lambda *arguments: call(capsys, *arguments)


def findings(folder: Path) -> dict[str, Finding]:
    return {file.name: file.finding for file in verify(folder).files if file.finding is not Finding.UNCHANGED}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_report_that_nobody_touched_is_as_it_was(folder: Path, here: Call) -> None:
    """Exit status 0; the hash to compare with the ticket, what that is good for, and what is not covered are told."""
    before, kept = contents(folder), sha256((folder / "manifest.json").read_bytes()).hexdigest()
    ended = here("report", runs.RUN_ID, "--verify")
    assert (ended.status, ended.err) == (0, "")
    assert f"7 of 7 files are as the manifest of run {runs.RUN_ID} tells.\nManifest: sha256 {kept}\n" in ended.out
    assert "can write a manifest that fits them" in ended.out
    assert "Not covered, some of it changing as a run goes on: status.sqlite" in ended.out
    again = here("report", runs.RUN_ID, "--verify", "--manifest-sha256", kept.upper())
    assert again.status == 0
    assert "It is the one whose hash was kept" in again.out
    assert contents(folder) == before
    assert json.loads(here("report", runs.RUN_ID, "--json").out)["rows"] == 2
    # A copy without the status table will do.
    (folder / "status.sqlite").unlink()
    told = json.loads(here("report", str(folder), "--verify", "--json").out)
    assert (told["run_id"], told["as_it_was"], told["manifest_sha256"]) == (runs.RUN_ID, True, kept)
    assert (told["manifest_as_kept"], told["not_covered"]) == (None, ["run.lock"])
    assert {file["finding"] for file in told["files"]} == {"unchanged"}


def test_what_is_not_as_it_was_is_named_in_a_line_each(folder: Path, here: Call) -> None:
    """Changed by a byte, taken away, put there: exit status 3, with lengths and hashes; the rest is still compared."""
    table = folder / "reconciliation.csv"
    table.write_bytes(table.read_bytes().replace(b"forbidden", b"forgotten"))
    (folder / "retry.csv").unlink()
    (folder / "plan.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    ended = here("report", runs.RUN_ID, "--verify")
    assert ended.status == 3
    changed, missing, added = sorted(ended.out.splitlines()[:3], key=lambda line: "cmra".index(line[0]))[:3]
    assert changed.startswith("changed    reconciliation.csv  ")
    assert sha256(table.read_bytes()).hexdigest() in changed
    assert (missing, added) == (
        "missing    retry.csv           not in the folder",
        "added      plan.json           not in the manifest",
    )
    assert ended.out.splitlines()[3].endswith(f"5 of 8 files are as the manifest of run {runs.RUN_ID} tells, 3 not.")
    assert "notes.txt, status.sqlite" in ended.out


@pytest.mark.skipif(sys.platform != "linux", reason="has no such names")
def test_what_a_file_is_called_says_nothing_of_its_own(folder: Path, here: Call) -> None:
    """A name with a line in it, or one that is no text, is shown as Python writes it."""
    (folder / "x\nall is well").touch()
    Path(os.fsdecode(bytes(folder / "y") + b"\xff")).touch()
    ended = here("report", runs.RUN_ID, "--verify")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith("status.sqlite, 'x\\nall is well', 'y\\udcff'.\n")


def test_the_report_of_another_run_is_not_that_of_this_one(folder: Path, here: Call) -> None:
    """However well it fits its own manifest; a copy may be called anything but like a run."""
    other, copy = folder.with_name("20261122T175502Z-leak-cohort-7f3b"), folder.with_name("INC-4711")
    folder.rename(other)
    ended = here("report", other.name, "--verify")
    assert (ended.status, ended.out) == (5, "")
    assert f"its manifest is that of another run, {runs.RUN_ID};" in ended.err
    other.rename(copy)
    assert here("report", str(copy), "--verify").status == 0


def test_a_forged_manifest_is_found_by_the_hash_that_was_kept_only(folder: Path, here: Call) -> None:
    """Files and manifest that fit each other are well by themselves, and are not those of the ticket."""
    path = folder / "manifest.json"
    kept = sha256(path.read_bytes()).hexdigest()
    (folder / "summary.json").write_text("{}")
    forged = json.loads(path.read_bytes())
    forged["files"]["summary.json"] = {"bytes": 2, "sha256": sha256(b"{}").hexdigest()}
    path.write_text(json.dumps(forged))
    assert here("report", runs.RUN_ID, "--verify").status == 0
    ended = here("report", runs.RUN_ID, "--verify", "--manifest-sha256", kept)
    assert ended.status == 3
    assert f"not the one whose hash was kept ({kept})" in ended.out
    assert (
        json.loads(here("report", runs.RUN_ID, "--verify", "--manifest-sha256", kept, "--json").out)["manifest_as_kept"]
        is False
    )


@pytest.mark.parametrize(
    "name",
    [
        "../status.sqlite",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/b",
        "a\\b",
        "C:x",
        "x\x00",
        "x\nall is well",
        "manifest.json",
        "\u202ecsv",
    ],
)
def test_no_name_leads_out_of_the_folder(name: str, folder: Path) -> None:
    """A manifest with any other name than a plain one of a file beside it is refused whole, in one sentence."""
    write_manifest(folder, {name: {"bytes": 1, "sha256": A_HASH}})
    with pytest.raises(RefusedError, match=r"manifest\.json: this manifest is damaged"):
        verify(folder)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b" " * (1 << 20) + b"{}"),
        *(b'{"run_id": "x", "files": {}}', b'{"run_id": "x", "files": []}'),
        *(b'{"run_id": ' + name + b', "files": {"a": ' + A_FILE + b"}}" for name in (b"1", b'"x\\n"')),
        *(b'{"run_id": "x", "run_id": "y", "files": {}}', b'{"run_id": "x", "files": {}, "n": ' + b"9" * 5000 + b"}"),
        *(
            b'{"run_id": "x", "files": {"a": ' + told + b"}}"
            for told in (
                *(b"null", b"{}", b'{"bytes": 1, "sha256": "short"}', b'{"bytes": 1, "sha256": null}'),
                b'{"bytes": true, "sha256": "' + A_HASH.encode() + b'"}',
            )
        ),
    ],
    ids=itertools.count(),
)
def test_a_manifest_that_is_none_vouches_for_nothing(content: bytes, folder: Path, here: Call) -> None:
    """Damaged, foreign, hostile or huge: exit status 5 and one sentence."""
    (folder / "manifest.json").write_bytes(content)
    ended = here("report", runs.RUN_ID, "--verify")
    assert (ended.status, ended.out) == (5, "")
    assert "manifest.json: this" in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="neither links nor pipes are for everybody there")
def test_what_is_no_file_is_not_read(folder: Path) -> None:
    """A link may lead out of the folder, and a pipe never end."""
    outside = folder.parent / "outside.csv"
    (folder / "reconciliation.csv").rename(outside)
    (folder / "reconciliation.csv").symlink_to(outside)
    (folder / "report.html").unlink()
    os.mkfifo(folder / "report.html")
    assert findings(folder) == {"reconciliation.csv": Finding.CHANGED, "report.html": Finding.CHANGED}
    (folder / "manifest.json").rename(folder / "elsewhere")
    (folder / "manifest.json").symlink_to(folder / "elsewhere")
    with pytest.raises(RefusedError, match="no manifest of batchreset"):
        verify(folder)


def test_where_there_is_no_manifest_the_reason_is_told(folder: Path, here: Call) -> None:
    """A plan has none before its first report; and one that was taken away is missed."""
    (folder / "manifest.json").unlink()
    assert "though reconciliation.csv, reconciliation.xlsx" in here("report", runs.RUN_ID, "--verify").err
    for path in folder.iterdir():
        if path.name != "status.sqlite":
            path.unlink()
    ended = here("report", runs.RUN_ID, "--verify")
    assert (ended.status, ended.out) == (5, "")
    assert "whose report was not written yet" in ended.err
    assert {path.name for path in folder.iterdir()} == {"status.sqlite"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--manifest-sha256", A_HASH], "goes with --verify"),
        (["--verify", "--manifest-sha256", "abc"], "64 hexadecimal"),
    ],
)
def test_a_hash_is_given_whole_and_with_verify(arguments: list[str], said: str, folder: Path, here: Call) -> None:
    """Anything else is a wrong command line."""
    ended = here("report", folder.name, *arguments)
    assert (ended.status, said in ended.err) == (2, True)


def write_manifest(folder: Path, files: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps({"run_id": runs.RUN_ID, "files": files}), encoding="utf-8")
