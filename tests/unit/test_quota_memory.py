from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchreset.engine.lock import of_tenant
from batchreset.engine.memory import known_of, recall, remember
from batchreset.model import Method, Operator
from batchreset.policy.evidence import Learned
from batchreset.status.record import RunRecord

if TYPE_CHECKING:
    from pathlib import Path

RUN = RunRecord(
    run_id="20261121T175502Z-cohort-7f3a",
    operator=Operator("1", "ana@contoso.example", "6f1c0d2e-0000-4000-8000-000000000000", "Contoso"),
    graph_url="https://graph.microsoft.com",
    method=Method.RESET_PASSWORD,
    settings={},
    sources=(),
    cohort_columns=(),
)
LEARNED = Learned(rate=5.0, allowance=10, trust=40.0)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the state folder is moved by XDG_STATE_HOME")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_what_is_remembered_is_recalled() -> None:
    """For the same tenant and route, whoever asks; hardly faded within a minute."""
    remember(RUN, LEARNED)
    found = recall(replace(RUN, run_id="another", graph_url="https://GRAPH.microsoft.com"))
    assert found is not None
    assert (found.rate, found.allowance) == (5.0, 10)
    assert found.trust == pytest.approx(40.0, rel=0.01)


def test_each_tenant_and_route_has_its_own() -> None:
    """What one may says nothing of another; a rehearsal's tenant is new each time."""
    remember(RUN, LEARNED)
    assert recall(replace(RUN, method=Method.PASSWORD_PROFILE)) is None
    assert recall(replace(RUN, operator=replace(RUN.operator, tenant_id="other"))) is None
    assert recall(replace(RUN, rehearsal=True)) is None


def test_nothing_learned_and_rehearsals_leave_nothing(state: Path) -> None:
    """No file where there is nothing to say."""
    remember(RUN, None)
    remember(replace(RUN, rehearsal=True), LEARNED)
    assert list(state.rglob("*")) == []


def test_trust_fades_with_age(state: Path) -> None:
    """After years nothing of it is left; the figures stay, and how long ago that was is known."""
    remember(RUN, LEARNED)
    (file,) = state.rglob("*.json")
    told = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**told, "at": "2020-01-01T00:00:00.000Z"}), encoding="utf-8")
    found = recall(RUN)
    assert found is not None
    assert found.trust == pytest.approx(0.0, abs=1e-6)
    known = known_of(RUN)
    assert known is not None
    assert known.days > 2000


def test_what_is_known_already_keeps_its_date(state: Path) -> None:
    """A run that learned nothing new makes nothing younger; one that did, does."""
    remember(RUN, LEARNED)
    (file,) = state.rglob("*.json")
    told = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**told, "at": "2026-01-03T12:00:00.000Z"}), encoding="utf-8")
    before = file.read_bytes()
    remember(RUN, recall(RUN))
    assert file.read_bytes() == before
    remember(RUN, replace(LEARNED, rate=6.0))
    known = known_of(RUN)
    assert known is not None
    assert (known.learned.rate, known.days) == (6.0, 0)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", "?", "null", '"text"'),
        '{"rate": 0, "allowance": 1, "trust": 1, "at": "2026-11-21T00:00:00.000Z"}',
        '{"rate": Infinity, "allowance": 1, "trust": 1, "at": "2026-11-21T00:00:00.000Z"}',
        '{"rate": 1, "allowance": Infinity, "trust": 1, "at": "2026-11-21T00:00:00.000Z"}',
        '{"rate": 1, "allowance": 1, "trust": NaN, "at": "2026-11-21T00:00:00.000Z"}',
        '{"rate": 1, "allowance": "many", "trust": 1, "at": "2026-11-21T00:00:00.000Z"}',
        '{"rate": 1, "allowance": 1, "trust": 1, "at": "yesterday"}',
        '{"rate": 1, "allowance": 1, "trust": 1, "at": "2026-11-21T00:00:00"}',
    ],
)
def test_what_cannot_be_used_is_passed_over(content: str) -> None:
    """A damaged file, or one of another day's make: as if there were none; the next run writes it anew."""
    file = of_tenant(RUN, "quotas", "-reset-password.json")
    file.parent.mkdir(parents=True)
    file.write_text(content, encoding="utf-8")
    assert recall(RUN) is None
    remember(RUN, LEARNED)
    assert recall(RUN) is not None


def test_a_place_that_cannot_be_written_is_told_and_stops_nothing(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a file stands in the folder's place, nothing is kept."""
    (state / "batchreset").mkdir()
    (state / "batchreset" / "quotas").write_text("in the way", encoding="utf-8")
    remember(RUN, LEARNED)
    assert recall(RUN) is None
    assert "quota not remembered" in caplog.text
