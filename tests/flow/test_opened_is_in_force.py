"""What the sealed passwords open to is what the directory has, whoever made them and however they were sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchreset.model import Method, PasswordSource
from batchreset.rehearsal.behaviour import Fault
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, object_id, user

if TYPE_CHECKING:
    from pathlib import Path

#: What may leave a row reset that was refused, lost or doubted on the way.
_FAULTS = tuple(fault for fault in Fault if fault not in {Fault.REJECTED, Fault.OPERATION_NEVER_ENDS})


@pytest.mark.parametrize(
    ("source", "method"),
    [
        *((source, Method.RESET_PASSWORD) for source in PasswordSource),
        (PasswordSource.GENERATED, Method.PASSWORD_PROFILE),
        (PasswordSource.COLUMN, Method.PASSWORD_PROFILE),
    ],
)
def test_every_succeeded_rows_password_opens_to_the_one_in_force(
    source: PasswordSource, method: Method, tmp_path: Path
) -> None:
    """After every fault, and a stop in the middle that another start went on from."""

    async def go() -> Run:
        given: dict[str, Any] = {"password_column": "Password"} if source is PasswordSource.COLUMN else {}
        patience: dict[str, Any] = {"deadline": "10m", "directory_lag": "1m", "max_failures": "100%"}
        accounts = [user("ana"), *(user(fault, fault) for fault in _FAULTS)]
        names = [each.user_principal_name for each in accounts]
        lines = [f"{name},Quartz-{40 + number}-meadow" if given else name for number, name in enumerate(names)]
        async with at_desk(tmp_path, accounts, password_source=source, method=method, **patience, **given) as desk:
            desk.settings = desk.settings.but(limit=len(accounts) // 2, workers=3)
            halfway = await desk.run(*lines, header="upn,Password" if given else "upn")
            assert halfway.status == 130  # cut short
            desk.settings = desk.settings.but(limit=None)
            return await desk.resume(halfway.folder)

    run = run_virtual(go())
    succeeded = {row["object_id"] for row in run.rows if row["outcome"] == "succeeded"}
    assert len(succeeded) > len(_FAULTS) // 2
    in_force = {(account, run.tenant.password_of(account)) for account in succeeded}
    sure = {(each.object_id, each.password.reveal()) for each in run.passwords if each.certainty == "sure"}
    opened = {(each.object_id, each.password.reveal()) for each in run.passwords}
    assert sure <= in_force
    assert (object_id("ana"), run.tenant.password_of(object_id("ana"))) in sure
    if source is not PasswordSource.SYSTEM:  # what the service made and told in an answer that was lost, nobody knows
        assert in_force <= opened
    assert not run.disagreements()
