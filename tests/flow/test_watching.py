"""status, status --watch and runs, on a terminal and in a pipe, while a run goes on."""

from __future__ import annotations

import gc
import json
import os
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.cli import reports
from batchreset.clock import timestamp
from batchreset.engine import folder as folders
from batchreset.engine.glance import Glance
from batchreset.model import RunState, State
from batchreset.status import record, rows, schema
from tests.support import runs
from tests.support.program import at_home, call, posix_only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Call, Ended

#: With how many lines three runs take up then.
COLUMNS = [(40, 9), (60, 6), (104, 6), (132, 4)]
ROWS: list[dict[str, Any]] = [
    *[{"state": "succeeded"}] * 6,
    *[{"state": "failed", "reason": "forbidden"}] * 2,
    {"state": "unresolved", "reason": "answer_lost"},
    {"state": "excluded", "reason": "privileged"},
    {"state": "excluded", "reason": "duplicate"},
    {"state": "accepted"},
    *[{"state": "ready"}] * 8,
]


class Watched:
    """A run that is worked on, and goes on by a step whenever somebody who watches it pauses."""

    def __init__(self, folder: Path) -> None:
        now = timestamp()
        facts: dict[str, Any] = {
            "state": RunState.RUNNING,
            "started_at": now,
            "finished_at": None,
            "ticket": "INC-4711",
        }
        self.engine = runs.make_run(folder, ROWS, halted_because=None, **facts)
        refused = runs.send(12, 9, status=429, verdict="throttled")
        runs.put(self.engine, schema.sends, [*(runs.send(row, intent_at=now) for row in range(1, 9)), refused])
        runs.put(self.engine, schema.audit, [runs.request(1, event="quota learned", fields='{"rate": 19.84}')])
        self.work = ExitStack()
        self.work.enter_context(folders.locked(folder))
        self.steps = 0

    def pause(self) -> None:
        """Do nothing, send all, end; then nothing is left to be watched."""
        self.steps += 1
        if self.steps == 2:
            rows.move_all(self.engine, State.READY, State.SENDING)
        elif self.steps == 3:
            rows.move_all(self.engine, State.SENDING, State.ACCEPTED)
            rows.move_all(self.engine, State.ACCEPTED, State.SUCCEEDED)
            record.note(self.engine, state=RunState.FINISHED, seconds=75.0)
            self.work.close()
        assert self.steps <= 3


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    at_home(tmp_path, monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "50")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    run = Watched(tmp_path / "reports" / runs.RUN_ID)
    monkeypatch.setattr(reports, "_pause", run.pause)
    yield run
    run.work.close()
    run.engine.dispose()


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Call:
    return lambda *arguments: call(capsys, *arguments)


@pytest.fixture
def seen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call a command whose standard output is a terminal."""

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        return call(capsys, *arguments)

    return run


def screen(shown: str) -> list[str]:
    """Return the lines that a terminal shows in the end: with what was drawn over gone, and without colours."""
    lines, at = [""], 0
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\n|\r)", shown):
        if part == "\n":
            at += 1
            lines += [""] * (at == len(lines))
        elif part == "\x1b[1A":
            at -= 1
        elif part == "\x1b[2K":
            lines[at] = ""
        elif not part.startswith(("\x1b", "\r")):
            lines[at] += part
    return [line.rstrip() for line in lines]


def test_watching_draws_in_place_until_the_run_ends(watched: Watched, seen: Call) -> None:
    """One view in colours, each in the place of the one before; the last one is of the end, in full."""
    ended = seen("status", "--watch")
    assert (ended.status, ended.err, watched.steps) == (0, "", 3)
    assert "\x1b[2J" not in ended.out
    assert ended.out.count("sending ") == 2
    assert ended.out.count("all are sent; 9 are followed to their end") == 1
    assert "\x1b[32m" in ended.out
    last = screen(ended.out)
    assert last[0] == f"{runs.RUN_ID}  finished"
    assert last[1] == f"cohort.csv, Contoso, INC-4711, {watched_at(ended)} UTC, took 1 min 15 s"
    told = "\n".join(last)
    assert told.count(runs.RUN_ID + "  ") == 1
    assert re.search(r"█ 15 succeeded +75\.0%\n█  2 failed +10\.0%\n█  1 unresolved +5\.0%\n█  2 excluded", told)
    assert "2 Not permitted (failed, forbidden)" in told
    assert "1 Answer lost (unresolved, answer_lost)" in told
    assert "duplicate" not in told
    assert "Quota  19.8 writes a second; 1 refused for it" in told
    assert "--retry-failed" in told
    assert "Ctrl-C" not in told


def watched_at(ended: Ended) -> str:
    (at,) = set(re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d) UTC", ended.out))
    return str(at)


@pytest.mark.usefixtures("watched")
def test_ctrl_c_leaves_the_last_view(seen: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the watching with 0: the run goes on, which a scheduler must not take for one that was stopped."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reports, "_pause", interrupt)
    ended = seen("status", "--watch")
    assert (ended.status, ended.err) == (0, "")
    told = "\n".join(screen(ended.out))
    assert told.startswith(f"{runs.RUN_ID}  running\n")
    assert re.search(r"█ +1 in flight", told)
    assert re.search(r"─ +8 waiting +40\.0%", told)
    assert re.search(r"Now +sending \d+\.\d resets a second", told)
    assert re.search(r"Left +about \d+ s until all are sent", told)
    assert f"{runs.RUN_ID} --watch" in told


@pytest.mark.usefixtures("watched")
def test_a_pipe_gets_a_line_for_each_change(here: Call) -> None:
    """Plain lines, nothing of a terminal in them, and none twice; JSON is of the end alone."""
    ended = here("status", "--watch")
    assert [line.removeprefix(f"{runs.RUN_ID}  ") for line in ended.out.splitlines()] == [
        "running  20 rows: 6 succeeded, 2 failed, 1 unresolved, 2 excluded, 8 not attempted, 1 in flight",
        "running  20 rows: 6 succeeded, 2 failed, 1 unresolved, 2 excluded, 9 in flight",
        "finished  20 rows: 15 succeeded, 2 failed, 1 unresolved, 2 excluded",
    ]
    told = json.loads(here("status", "--watch", "--json").out)
    assert (told["state"], told["rows"], told["counts"]["succeeded"], told["in_flight"]) == ("finished", 20, 15, 0)
    assert told["reasons"] == {"answer_lost": 1, "duplicate": 1, "forbidden": 2, "privileged": 1}
    assert (told["quota"], told["throttled"], told["rate"], told["seconds_left"]) == (19.84, 1, 0.0, None)


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_be_drawn_on_gets_lines(term: str, seen: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an editor's is."""
    monkeypatch.setenv("TERM", term)
    ended = seen("status", "--watch")
    assert len(ended.out.splitlines()) == 3
    assert "\x1b" not in ended.out + seen("runs").out


def test_it_has_not_ended_until_its_report_is_there(
    watched: Watched, here: Call, seen: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after `status --watch` in a script finds this end's report, and nobody is sent to read an older."""
    record.note(watched.engine, started_at=timestamp())

    def pause() -> None:
        if record.load(watched.engine).state is RunState.RUNNING:
            record.note(watched.engine, state=RunState.HALTED, finished_at=timestamp())
        else:
            watched.work.close()

    monkeypatch.setattr(reports, "_pause", pause)
    ended = seen("status", "--watch")
    assert "it has ended; its report is being written" in ended.out
    assert screen(ended.out)[0].endswith("  halted")
    assert json.loads(here("status", "--json").out)["state"] == "halted"


@pytest.mark.usefixtures("watched")
def test_json_keeps_no_look_but_the_latest(here: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watching for days takes no more memory than for a minute; Ctrl-C ends it with what is known by then."""
    kept: list[int] = []

    def pause() -> None:
        kept.append(sum(isinstance(each, Glance) for each in gc.get_objects()))
        if len(kept) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(reports, "_pause", pause)
    ended = here("status", "--watch", "--json")
    assert (ended.status, json.loads(ended.out)["state"]) == (0, "running")
    assert max(kept) <= 2


@pytest.mark.usefixtures("watched")
def test_a_reader_that_has_gone_ends_the_watching(here: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """`status --watch | head -1` does not wait for the run's end."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        monkeypatch.setattr(reports, "_pause", lambda: pytest.fail("it goes on"))
        assert here("status", "--watch").status == 0


@posix_only
def test_a_folder_that_was_moved_is_told_of(watched: Watched, here: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run may go on elsewhere: it is not called interrupted, and no folder is left where it was."""
    folder = Path(str(watched.engine.url.database)).parent
    monkeypatch.setattr(reports, "_pause", lambda: folder.rename(folder.with_name("elsewhere")))
    ended = here("status", "--watch")
    assert (ended.status, len(ended.out.splitlines())) == (5, 1)
    assert "is not here any more" in ended.err
    assert not folder.exists()


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(("columns", "needed"), COLUMNS)
def test_runs_are_listed_newest_first_with_whole_names(
    columns: int, needed: int, tmp_path: Path, seen: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any width, in colours or without: a table where it fits, else lines of its own for each; nothing is cut."""
    names = ["20261120T091500Z-incident-2026-11-0b2c", "20261119T081500Z-nightly-ab12"]
    for name in names:
        facts = {"run_id": name, "rehearsal": 1, "started_at": f"2026-11-{name[6:8]}T08:16:00.000Z"}
        runs.make_run(tmp_path / "reports" / name, [{}, {"state": "failed", "reason": "forbidden"}], **facts).dispose()
    monkeypatch.setenv("COLUMNS", str(columns))
    coloured = seen("runs").out
    monkeypatch.setenv("NO_COLOR", "1")
    shown = seen("runs").out
    assert "\x1b[32m" in coloured
    assert not re.findall(r"\x1b\[[0-9;]*3\dm", shown)
    lines = screen(shown)[:-1]
    assert [line for line in lines if len(line) > columns] == []
    assert re.findall(r"2026\d{4}T\S+", "\n".join(lines)) == [runs.RUN_ID, *names]
    assert sum("finished (rehearsal)" in line for line in lines) == 2
    assert all(part in lines[-1] for part in ("2026-11-19 08:16", "▚"))
    assert len(lines) == needed
    assert sum("3 min 20 s" in line for line in lines) == (3 if columns == 132 else 0)
    view = screen(seen("status").out)
    assert [line for line in view if len(line) > columns] == []
    assert {"▓", "▚", "▒", "░"} <= set("".join(view))


def test_nothing_in_a_run_moves_the_cursor(watched: Watched, seen: Call) -> None:
    """What a service said, or a file is called, is text."""
    record.note(watched.engine, state=RunState.HALTED, halted_because="x\x1b[2Jy [red]z[/red]", ticket="\x1b]0;t\x07")
    record.note(watched.engine, run_id="a\x1b[2Jb")
    watched.work.close()
    told = seen("status").out + seen("runs").out
    assert "Because x[2Jy [red]z[/red]" in told
    assert "\x1b[2J" not in told
    assert "\x1b]" not in told


@pytest.mark.usefixtures("watched")
def test_a_view_is_plain_where_the_terminal_is_ascii_only(tmp_path: Path) -> None:
    """Each part has a sign of its own."""
    from rich.console import Console  # noqa: PLC0415  as the program does

    from batchreset.cli.panels import view_of  # noqa: PLC0415
    from batchreset.engine.glance import looking  # noqa: PLC0415

    path = tmp_path / "screen"
    with path.open("w", encoding="ascii") as file, looking(tmp_path / "reports" / runs.RUN_ID, in_detail=True) as look:
        console = Console(file=file, width=40, force_terminal=True)
        console.print(view_of(look(), console))
    told = path.read_text("ascii")
    assert re.search(r"#{12,}.*x.*\?.*\+.*-.*\.{12,}", told)
