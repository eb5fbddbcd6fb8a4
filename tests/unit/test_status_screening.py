"""Rows on their way through screening: duplicates, what the directory said, and what this run did itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from batchreset.model import Account, Kind, Mark, Reason, State, Step
from batchreset.policy.screening import Exclusion
from batchreset.status import excepted, rows
from batchreset.status.schema import evidence, resets, sends
from batchreset.status.screening import Screened, exclude_repeats, leave_out, screened, unscreened
from tests.support.runs import make_run, put, send

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

READY: dict[str, Any] = {"state": State.READY}
ANA = Account(
    "id-1",
    "ana@contoso.example",
    "Ana",
    Kind.SYNCHRONISED,
    enabled=False,
    password_changed_at="2025-01-01T00:00:00Z",
    domain="corp.contoso.example",
    said='{"id": "id-1"}',
)


def table(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(resets).order_by(resets.c.id)))


def said(engine: Engine) -> list[tuple[int, str, str]]:
    """Return the lines of evidence."""
    with engine.connect() as connection:
        columns = (evidence.c.reset_id, evidence.c.moment, evidence.c.said)
        return [tuple(line) for line in connection.execute(select(*columns).order_by(evidence.c.reset_id))]


def named(*identifiers: str, **facts: Any) -> list[dict[str, Any]]:
    return [READY | {"identifier": identifier} | facts for identifier in identifiers]


def test_the_same_key_twice_is_a_duplicate(tmp_path: Path) -> None:
    """The first is reset, each later one names it; rows without a key repeat nobody."""
    lines = [
        *named("ana@contoso.example", "ben@contoso.example", "ANA@contoso.example", "Ana@contoso.example"),
        *named("", ""),
    ]
    engine = make_run(tmp_path, lines)
    exclude_repeats(engine, by_object_id=False)
    assert [(row.state, row.reason) for row in table(engine)] == [
        ("ready", None),
        ("ready", None),
        ("excluded", "duplicate"),
        ("excluded", "duplicate"),
        ("ready", None),
        ("ready", None),
    ]
    assert {row.detail for row in table(engine) if row.reason} == {"the same account as cohort.csv row 2"}
    engine.dispose()


def test_the_same_account_by_another_name_is_a_duplicate(tmp_path: Path) -> None:
    """By object id, once the directory has told it; accounts it does not know repeat nobody."""
    engine = make_run(tmp_path, [READY | {"object_id": found} for found in ("id-1", None, "id-2", None, "id-1")])
    exclude_repeats(engine, by_object_id=True)
    assert [row.state for row in table(engine)] == ["ready"] * 4 + ["excluded"]
    exclude_repeats(engine, by_object_id=True)
    assert [row.reason for row in table(engine) if row.state == State.EXCLUDED] == [Reason.DUPLICATE]
    engine.dispose()


def test_a_row_that_is_left_out_is_nobodys_first(tmp_path: Path) -> None:
    """Where the first one has no password, the second one is reset; where the first is done already, it is not."""
    ana, ben = "ana@contoso.example", "ben@contoso.example"
    missing = {"identifier": ana, "state": State.EXCLUDED, "reason": Reason.PASSWORD_MISSING}
    done = {"identifier": ben, "state": State.SUCCEEDED}
    engine = make_run(tmp_path, [missing, *named(ana, ana), done, *named(ben)])
    exclude_repeats(engine, by_object_id=False)
    assert [row.reason for row in table(engine)] == ["password_missing", None, "duplicate", None, "duplicate"]
    engine.dispose()


def test_ready_rows_come_in_chunks(tmp_path: Path) -> None:
    """In input order, each once, also where rows are excluded in between."""
    engine = make_run(tmp_path, [READY] * 5 + [{"state": State.FAILED}] + [READY] * 2)
    chunks = []
    for chunk in unscreened(engine, 3):
        chunks.append([row.id for row in chunk])
        leave_out(engine, {row.id: Exclusion(Reason.NOT_FOUND) for row in chunk})
    assert chunks == [[1, 2, 3], [4, 5, 7], [8]]
    assert rows.counts(engine) == dict.fromkeys(State, 0) | {State.EXCLUDED: 7, State.FAILED: 1}
    engine.dispose()


def test_what_the_directory_said_is_kept(tmp_path: Path) -> None:
    """With the row it was said of, and moves none; those that are to be left out then are, if they are ready."""
    engine = make_run(tmp_path, [READY, READY, READY, {"state": State.ACCEPTED}])
    marks = {Mark.PRIVILEGED, Mark.DISABLED}
    screened(
        engine,
        [
            Screened(1, ANA),
            Screened(2, ANA, marks),
            Screened(4, ANA),
        ],
    )
    screened(engine, [])
    assert [(row.state, row.reason) for row in table(engine)] == [("ready", None)] * 3 + [("accepted", None)]
    leave_out(
        engine,
        {
            2: Exclusion(Reason.PRIVILEGED, "holds a directory role"),
            3: Exclusion(Reason.NOT_FOUND),
            4: Exclusion(Reason.PROTECTED),
        },
    )
    leave_out(engine, {})
    first, second, third, fourth = table(engine)
    for row in (first, second, fourth):
        assert (row.object_id, row.user, row.display_name, row.kind, row.domain) == (
            *("id-1", "ana@contoso.example", "Ana", "synchronised"),
            "corp.contoso.example",
        )
        assert (row.enabled_before, row.password_changed_before) == (0, "2025-01-01T00:00:00Z")
    assert (first.marks, second.marks) == ("[]", '["disabled", "privileged"]')
    assert third.object_id is None
    assert [row.state for row in (first, second, third, fourth)] == ["ready", "excluded", "excluded", "accepted"]
    assert [row.reason for row in (first, second, third, fourth)] == [None, "privileged", "not_found", None]
    assert [row.detail for row in (first, second, third, fourth)] == [None, "holds a directory role", None, None]
    engine.dispose()


def test_evidence_from_before_is_of_before(tmp_path: Path) -> None:
    """One line a row, the latest, until something was sent for it: from then on it stays."""
    engine = make_run(tmp_path, [READY] * 3)
    later = replace(ANA, said='{"id": "later"}')
    screened(engine, [Screened(1, ANA), Screened(2, ANA)])
    screened(engine, [Screened(1, later)])
    assert said(engine) == [(1, "before", later.said), (2, "before", ANA.said)]
    put(engine, sends, [send(1, step=Step.DISABLE, verdict=None)])
    screened(engine, [Screened(1, ANA)])
    assert said(engine) == [(1, "before", later.said), (2, "before", ANA.said)]
    engine.dispose()


def test_what_this_run_did_is_not_what_it_found(tmp_path: Path) -> None:
    """An account that it blocked, or may have, counts as it was found; so does the password of one in doubt."""
    before = {"enabled_before": 1, "password_changed_before": "2024-01-01T00:00:00Z"}
    verdicts = ("accepted", "ambiguous", None, "refused", "throttled", "unsent")
    engine = make_run(
        tmp_path, [READY | before] * 7 + [before | {"state": State.DOUBTFUL}, READY | dict.fromkeys(before)]
    )
    blocked = [send(number, step=Step.DISABLE, verdict=verdict) for number, verdict in enumerate(verdicts, start=1)]
    put(engine, sends, [*blocked, send(7, step=Step.RESET), send(9, step=Step.DISABLE)])
    (chunk,) = unscreened(engine, 300, {State.DOUBTFUL})
    known = [row.as_it_was(ANA) for row in chunk]
    assert [account.enabled for account in known] == [True, True, True, False, False, False, False, False, None]
    changed = [account.password_changed_at for account in known]
    assert changed == [ANA.password_changed_at] * 7 + ["2024-01-01T00:00:00Z", ANA.password_changed_at]
    engine.dispose()


def test_whom_a_run_excepts_is_kept_with_it(tmp_path: Path) -> None:
    """Each with where that was said; nobody is excepted where nobody was."""
    engine = make_run(tmp_path)
    assert excepted.read(engine) == {}
    sources = {"ana@contoso.example": "named in staff.csv", "id-7": "member of group Board"}
    with engine.begin() as connection:
        excepted.write(connection, {})
        excepted.write(connection, sources)
    assert excepted.read(engine) == sources
    engine.dispose()
