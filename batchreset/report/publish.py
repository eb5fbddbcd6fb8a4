"""Writing the report: everything is drafted beside the old files first, and takes their place only once it adds up."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sqlalchemy.exc import DatabaseError

from batchreset.errors import BatchResetError, RefusedError, StatusTableError
from batchreset.report import page, record
from batchreset.report.findings import Findings, quiet_reasons
from batchreset.report.reconciliation import COHORT_PREFIX, COLUMNS, reconcile
from batchreset.report.steps import taken
from batchreset.report.summary import Summary, quota_of, summarise
from batchreset.report.tables import CsvTable, retry_header, retry_lines
from batchreset.report.verdict import verdict
from batchreset.report.verify import FILES, MANIFEST, OF_THE_PLAN, fingerprint
from batchreset.report.workbook import Workbook
from batchreset.status.database import unusable
from batchreset.status.record import read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from sqlalchemy import Connection, Engine

    from batchreset.status.record import RunRecord


def write(folder: Path, engine: Engine) -> Summary:
    """See `batchreset.report.write`."""
    try:
        # Private from the start, and in the folder itself: a file can be moved from here in one step.
        with TemporaryDirectory(prefix=".report-", dir=folder) as draft:
            summary = _draft(Path(draft), engine, folder.name)
            _put_in_place(Path(draft), folder)
            return summary
    except DatabaseError as error:
        raise StatusTableError(unusable(folder, error, "cannot be read")) from error
    except OSError as error:
        raise RefusedError(
            f"{folder}: the report cannot be written ({error.strerror}); make room or check who may write there, "
            f"then run `batchreset report {folder.name}`."
        ) from error


def _draft(draft: Path, engine: Engine, name: str) -> Summary:
    """Write every file of the report into `draft`."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")  # one snapshot for all that is read: the run may be going on
        run = read(connection)
        findings = Findings(run)
        with (
            _create(draft / "reconciliation.xlsx").open("wb") as file,
            Workbook(file, scratch=draft, created=run.created_at) as workbook,
        ):
            _write_rows(draft, connection, run, workbook, findings)
            _check(name, findings.tally.total(), record.count_rows(connection), run.records)
            by_second = record.read_timeline(connection)
            spent = record.read_time_spent(connection)
            summary = summarise(run, findings, record.read_traffic(connection), quota_of(by_second), spent)
            workbook.finish(summary, verdict(summary, findings.tally, quiet_reasons(run)).sentence, by_second)
        html = page.render(run, summary, findings, by_second)
        _write_lines(draft / "report.html", [html])
        _write_lines(draft / "summary.json", [json.dumps(summary.recorded(), indent=2)])
        _write_lines(draft / "audit.jsonl", map(json.dumps, record.read_audit(connection)))
        _write_lines(draft / "evidence.jsonl", map(json.dumps, record.read_evidence(connection)))
    told = [*(draft / name for name in FILES), *(draft.parent / name for name in OF_THE_PLAN)]
    manifest = {"run_id": run.run_id, "files": {path.name: asdict(fingerprint(path)) for path in told if path.exists()}}
    _write_lines(draft / MANIFEST, [json.dumps(manifest, indent=2)])
    return replace(summary, manifest_sha256=fingerprint(draft / MANIFEST).sha256)


def _write_rows(draft: Path, connection: Connection, run: RunRecord, workbook: Workbook, findings: Findings) -> None:
    """Write the reconciliation in one pass, and tell `findings` of each row."""
    header = [*COLUMNS, *(COHORT_PREFIX + column for column in run.cohort_columns)]
    retry_path = _create(draft / "retry.csv")
    with _table(_create(draft / "reconciliation.csv")) as file, _table(retry_path) as retry_file:
        table, retry = CsvTable(file, header), CsvTable(retry_file, retry_header(run.cohort_columns))
        workbook.begin(header, record.count_outcomes(connection))
        for resets, sends in record.read_rows(connection):
            steps = taken(resets, sends, run)
            lines = reconcile(resets, sends, steps, run)
            cells = list(lines.itertuples(index=False, name=None))
            table.add(cells)
            workbook.add(cells)
            retry.add(retry_lines(lines).itertuples(index=False, name=None))
            findings.add(resets, steps, lines)
    if not retry.rows:
        retry_path.unlink()


def _check(name: str, told: int, held: int, read: int) -> None:
    if not told == held == read:
        raise BatchResetError(
            f"{name}: the report would account for {told} rows, the status table holds {held} and the cohort had "
            f"{read}; no report was written."
        )


def _create(path: Path) -> Path:
    path.touch(mode=0o600, exist_ok=False)
    return path


def _table(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8-sig", errors="replace", newline="")


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with _create(path).open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def _put_in_place(draft: Path, folder: Path) -> None:
    for name in (*FILES, MANIFEST):
        try:
            if (draft / name).exists():
                (draft / name).replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise RefusedError(
                f"{folder / name} cannot be replaced ({error.strerror}); close it where it is open (Excel locks what "
                f"it shows), then run `batchreset report {folder.name}`."
            ) from error
