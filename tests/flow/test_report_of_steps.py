"""What goes with a reset, as the report tells it: blocked accounts, sessions, and both again once they are seen to."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from batchreset.model import RevokeSessions
from batchreset.rehearsal.behaviour import Fault
from batchreset.rehearsal.tenant import What
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, happened, object_id, user

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNTS = [
    user("ana"),
    user("bea", synchronised=True),
    user("cem", step_faults=(Fault.FORBIDDEN,)),
    user("dan", Fault.OPERATION_FAILS),
    user("eva", enabled=False),
]


def top_of(run: Run) -> list[str]:
    """Return whom the report opens with, as left blocked."""
    html = (run.folder / "report.html").read_text("utf-8")
    opening = html.split("</header>")[1].split("</section>")[0]
    return re.findall(r"<bdi>(\w+)@", opening) if 'class="blocked"' in opening else []


def test_the_report_knows_whom_the_tenant_knows_as_blocked_and_whose_sessions_go_on(tmp_path: Path) -> None:
    """Blocked accounts are told until they are open again; a refusal is told, and neither is a failed reset."""

    async def go() -> tuple[Run, Run]:
        async with at_desk(tmp_path, ACCOUNTS, revoke_sessions=RevokeSessions.BOTH, disable=True) as desk:
            run = await desk.run()
            assert top_of(run) == [name for name in ("ana", "bea", "dan") if is_left_blocked(run, name)]
            assert sum(What.REVOKED in happened(desk.tenant, each) for each in ("ana", "bea", "eva")) == 3
            accounts = desk.tenant.accounts
            accounts[object_id("cem")].user = user("cem")
            desk.settings = desk.settings.but(enable=True)
            return run, await desk.resume(run.folder)

    first, then = run_virtual(go())
    assert first.counts == {"succeeded": 4, "failed": 1}
    told = json.loads((first.folder / "summary.json").read_text("utf-8"))
    assert told == then.summary.recorded()
    assert (first.summary.sessions, first.summary.blocked) == ({"revoked": 3, "failed": 1, "left": 0}, 3)
    assert first.summary.not_blocked == then.summary.not_blocked == 1
    cem, eva, dan = first.row("cem"), first.row("eva"), first.row("dan")
    assert (cem["outcome"], cem["disabled_at"], cem["sessions_revoked_at"]) == ("succeeded", "", "")
    for what in (
        "sign-in was not blocked before the reset: HTTP 403",
        "sessions were not revoked before the reset: HTTP 403",
        "sessions could not be revoked:",
    ):
        assert what in cem["detail"]
    assert "HTTP 403" in cem["detail"]
    assert (eva["disabled_at"], eva["attempts"]) == ("", "1")
    assert eva["sessions_revoked_before_at"] < eva["accepted_at"] < eva["sessions_revoked_at"]
    assert dan["sessions_revoked_at"] == ""
    assert dan["disabled_at"]
    assert then.counts == first.counts
    assert (then.summary.sessions, then.summary.blocked) == ({"revoked": 4, "failed": 0, "left": 0}, 1)
    assert top_of(then) == ["dan"]
    assert then.row("ana")["enabled_at"] > then.row("ana")["sessions_revoked_at"]
    assert then.row("eva")["enabled_at"] == ""
    assert not then.disagreements()


def is_left_blocked(run: Run, name: str) -> bool:
    """Ask the tenant who cannot sign in that could before."""
    switches = [what for what in happened(run.tenant, name) if what in {What.DISABLED, What.ENABLED}]
    return switches[-1:] == [What.DISABLED]
