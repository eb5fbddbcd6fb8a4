"""The README's page of an incident: each of its commands, word for word, and what it prints."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from batchreset import cohort
from batchreset.cli.rehearse import _simulated
from batchreset.engine.result import FINISHED, WITH_FAILURES
from batchreset.rehearsal.behaviour import UNHINDERED
from tests.support.program import at_home, call, sign_in, tenant_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

ROOT = Path(__file__).parents[2]
COHORT = "sample_inputs/incident-2026-11.xlsx"
_QUESTION = re.compile(r"^(Type \S+ to go on, anything else to leave it:) (\S+)$", re.MULTILINE)
#: What differs from one time to the next: run ids, hashes, and how long things took.
_MASKED = (
    (re.compile(r"\d{8}T\d{6}Z-incident-2026-11-[0-9a-f]{4}"), "RUN"),
    (re.compile(r"[0-9a-f]{64}"), "SHA256"),
    (re.compile(r"^(Time|Quota): .*$", re.MULTILINE), r"\1:"),
    (re.compile(r"http://127.0.0.1:\d+"), "URL"),
    (re.compile(r"\s+"), " "),
)


class Step(NamedTuple):
    """A command of the page, what it prints, and what is typed."""

    command: str
    printed: list[str]
    typed: str | None


def steps() -> Iterator[Step]:
    """Yield the commands of the page. A line of dots stands for lines that are left out."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = readme.partition("\n### An incident, rehearsed\n")[2].partition("\n### ")[0]
    for block in re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            answers = "".join(f"{answer}\n" for _, answer in _QUESTION.findall(printed))
            printed = _QUESTION.sub(r"\1", printed)
            yield Step(command, [line for line in printed.splitlines() if line.strip(" .")], answers or None)


def masked(text: str) -> str:
    for pattern, mask in _MASKED:
        text = pattern.sub(mask, text)
    return text.strip()


def test_the_page_of_an_incident_is_what_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the spreadsheet to the passwords that are handed over: every command works, and prints what it says."""
    at_home(tmp_path, monkeypatch)
    (tmp_path / "sample_inputs").mkdir()
    (tmp_path / COHORT).write_bytes((ROOT / COHORT).read_bytes())
    (source,) = cohort.inspect([COHORT])
    tenant = _simulated((key for chunk in cohort.read(source) for key in chunk["key"]), seed=1)
    tenant.behaviour = replace(UNHINDERED, seed=1)
    seen: list[str] = []
    with tenant_beside(tenant) as url:
        for step in steps():
            seen.append(step.command)
            run, digest = latest(tmp_path)
            words = shlex.split(step.command.replace("SHA256", digest).replace("RUN", run))
            if words[0] == "export":
                for name, _, value in (word.partition("=") for word in words[1:]):
                    # Nobody waits half a minute for the one operation that never ends.
                    monkeypatch.setenv(name, "1s" if re.fullmatch(r"\d+s", value) else value)
                sign_in(monkeypatch, tenant, url)
            elif words[:2] != ["batchreset", "tenant"]:
                ended = call(capsys, *words[1:], types=step.typed)
                assert ended.status in {FINISHED, WITH_FAILURES}, (step.command, ended.err)
                told, place = masked(ended.err + ended.out), 0
                for line in step.printed:
                    found = told.find(masked(line), place)
                    assert found >= 0, (step.command, line, told[place:])
                    place = found + len(masked(line))
    assert len(seen) >= 7


def latest(home: Path) -> tuple[str, str]:
    """Return the latest run, and the digest of its plan."""
    runs = sorted((home / "reports").glob("2*"))
    if not runs:
        return "", ""
    told = (runs[-1] / "plan.json").read_bytes()
    return runs[-1].name, sha256(told).hexdigest()
