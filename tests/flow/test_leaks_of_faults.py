"""Every fault there is, and a service that quotes what it is told: no password or token in anything that is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.cli import logs
from batchreset.engine.runner import Means, carry_out
from batchreset.model import Method, PasswordSource
from batchreset.rehearsal.behaviour import Fault
from batchreset.settings import LogFormat, Settings
from tests.support.clock import run_virtual
from tests.support.desk import at_desk, object_id, upn, user, users
from tests.support.program import at_home, call
from tests.support.quoting import WAYS, Quoting
from tests.support.searching import leaks, written_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PASSPHRASE = "a-Passphrase, of 27 letters"
_QUOTED = 4 * len(WAYS)
#: Whose reset succeeds before any other is sent: a run of which nothing but refusals came so far would halt.
CANARY = "canary"


@dataclass(frozen=True)
class Case:
    """Where passwords come from, the route they take, and who may open them."""

    source: PasswordSource
    method: Method = Method.RESET_PASSWORD
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join((self.source, self.method, *self.settings))


_COLUMN = {"password_column": "Password"}
CASES = (
    Case(PasswordSource.GENERATED),
    Case(PasswordSource.GENERATED, settings={"discard_passwords": True}),
    Case(PasswordSource.SYSTEM),
    Case(PasswordSource.COLUMN, settings=_COLUMN),
    Case(PasswordSource.GENERATED, Method.PASSWORD_PROFILE, {"seal_with_passphrase": True}),
    Case(PasswordSource.COLUMN, Method.PASSWORD_PROFILE, _COLUMN),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_fault_makes_a_secret_show(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in the run folder, the log with each request, the state folder, or anything said: in no form."""
    at_home(tmp_path, monkeypatch)
    if "seal_with_passphrase" in case.settings:
        monkeypatch.setenv("BATCHRESET_PASSPHRASE", PASSPHRASE)
    quoting = Quoting(spared=object_id(CANARY))
    with logs.until_exit():
        log = Settings(log_file=tmp_path / "own.log", log_format=LogFormat.JSON)
        logs.begin(log, verbosity=2)
        counts, token = run_virtual(_run(case, quoting, tmp_path))
    assert quoting.quoted > _QUOTED
    assert counts["succeeded"]
    assert counts["failed"]

    told = [call(capfd, *words, "--out", ".", "--json") for words in (("status",), ("runs",))]
    printed = {"standard output": "".join(each.out for each in told), "standard error": "".join(e.err for e in told)}
    written = written_in(tmp_path, but=[tmp_path / "cohort.csv", tmp_path / "identity.txt"])
    assert b'"event": "request"' in written[f"{tmp_path.name}/own.log"]
    secrets = {token, PASSPHRASE, *quoting.heard}
    assert len(secrets) >= 1 + len(Fault) + _QUOTED
    assert leaks({**{name: text.encode() for name, text in printed.items()}, **written}, secrets) == []


async def _run(case: Case, quoting: Quoting, out: Path) -> tuple[Mapping[str, int], str]:
    accounts = [user(CANARY), *users(_QUOTED), *(user(fault, fault) for fault in Fault)]
    names = [CANARY, *(f"user{number:03}" for number in range(_QUOTED)), *Fault]
    is_given = case.source is PasswordSource.COLUMN
    lines = [f"{upn(name)},{_awkward(number)}" if is_given else upn(name) for number, name in enumerate(names)]
    patience: dict[str, Any] = {"deadline": "3m", "directory_lag": "1m", "max_failures": "100%", "canary": 1}
    async with at_desk(
        out, accounts, password_source=case.source, method=case.method, **patience, **case.settings
    ) as desk:
        desk.tenant.troubles = quoting
        plan = await desk.plan(*lines, header="upn,Password" if is_given else "upn")
        summary = await carry_out(plan.folder, desk.settings, Means(desk.tokens, plan.key))
        return summary.counts, desk.tenant.token


def _awkward(number: int) -> str:
    """Write a password that every kind of escape changes, as a CSV cell."""
    return f"Zq%41+<&{5000 + 37 * number}>\\'~?x"
