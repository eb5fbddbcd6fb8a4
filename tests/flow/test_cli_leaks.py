"""Passwords and tokens live in memory only: nothing that a run writes or prints holds one."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from batchreset.engine.keys import key_needed
from batchreset.rehearsal.behaviour import UNHINDERED, Fault
from batchreset.rehearsal.population import populate
from batchreset.rehearsal.tenant import Tenant
from batchreset.status import database, schema
from tests.support.program import at_home, call, sign_in, tenant_beside
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_AWKWARD = (
    Fault.REJECTED,
    Fault.OPERATION_FAILS,
    Fault.OPERATION_REJECTS,
    Fault.LOST_AFTER,
    Fault.HTML_PAGE,
    Fault.NO_LOCATION,
    Fault.OPERATION_UNREADABLE,
)


@pytest.mark.parametrize("source", ["generated", "system", "column"])
def test_nothing_written_or_printed_holds_a_secret(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """However a reset goes, neither its password nor the token is in any byte of the run folder or of the output."""
    at_home(tmp_path, monkeypatch)
    first, *others = populate(upns(len(_AWKWARD) + 1), plain=True)
    users = [first, *(replace(user, faults=(fault,)) for user, fault in zip(others, _AWKWARD, strict=True))]
    lines = [f"{user.user_principal_name},Given-{number:02}-quartz!" for number, user in enumerate(users)]
    (tmp_path / "cohort.csv").write_text("\n".join(["upn,New password", *lines]), encoding="utf-8")
    tenant = Tenant(users, UNHINDERED)
    options = ["--password-source", source, *(["--password-column", "New password"] if source == "column" else [])]
    with tenant_beside(tenant) as url:
        sign_in(monkeypatch, tenant, url)
        patience = ["--directory-lag", "1s", "--deadline", "2s", "--max-failures", "100%"]
        ended = call(capfd, "run", "cohort.csv", "--yes", "--json", *patience, *options)
    assert ended.status == 3, ended.err
    assert json.loads(ended.out)["counts"]["failed"] >= 3

    (folder,) = (tmp_path / "reports").iterdir()
    secrets = {tenant.token, *_passwords_of(tenant), *_passwords_sealed_in(folder)}
    assert len(secrets) > len(users) - len(_AWKWARD)
    if source == "column":
        assert {line.partition(",")[2] for line in lines} <= secrets
    written = {"standard output": ended.out.encode(), "standard error": ended.err.encode(), **dict(_bytes_in(folder))}
    assert {"status.sqlite", "reconciliation.xlsx/xl/workbook.xml", "report.html", "audit.jsonl"} <= set(written)
    leaks = [name for name, content in written.items() for secret in secrets if secret.encode() in content]
    assert leaks == []


def _passwords_of(tenant: Tenant) -> set[str]:
    """Return every password that an operation of the tenant was to put in force."""
    return {operation.password for operation in tenant.operations.values()}


def _passwords_sealed_in(folder: Path) -> set[str]:
    """Return every password that the run made or was told, those that were refused too."""
    key, engine = key_needed(folder), database.connect(folder)
    try:
        with engine.connect() as connection:
            sealed = connection.execute(select(schema.candidates.c.sealed)).scalars().all()
    finally:
        engine.dispose()
    return {key.unseal(each).reveal() for each in sealed if each}


def _bytes_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the content of every file, that of a workbook part by part as well."""
    for path in folder.rglob("*"):
        yield path.name, path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                yield from ((f"{path.name}/{name}", book.read(name)) for name in book.namelist())
