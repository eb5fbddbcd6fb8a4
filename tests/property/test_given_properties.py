from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from batchreset import cohort
from batchreset.engine.given import judge
from batchreset.engine.loading import load
from batchreset.model import Account, Kind, PasswordPolicy, Reason, State
from batchreset.policy.passwords import broken_rule, parts_of
from batchreset.status import database, screening
from batchreset.status.schema import resets
from batchreset.vault.sealing import RunKey, Sealer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from sqlalchemy import Engine

NAMES = ("Ana Meadow", "Bea Quartz", "Cem")
#: Long enough to be found in a file by themselves only; some are drawn again and again.
PASSWORDS = st.one_of(
    st.sampled_from(
        ("", "Copper-8-harbour", "Quartz 7 meadow", "copper harbour", "Sh0rt!-", "Päss-88-wort", "ANA-8-cop")
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=8, max_size=40),
    st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), min_size=8, max_size=40),
)
COHORTS = st.lists(st.tuples(st.sampled_from(NAMES), PASSWORDS), min_size=1, max_size=15)


def screened(folder: Path, key: RunKey, given_to: list[tuple[str, str]]) -> Engine:
    """Read these passwords from a file into a status table, and know the accounts, as planning does it."""
    path = folder / "cohort.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = ((f"u{number}@x.com", password) for number, (_, password) in enumerate(given_to))
        csv.writer(file).writerows([("upn", "New password"), *lines])
    sources = cohort.inspect([str(path)], password_column="New password")
    (folder / "run").mkdir()
    engine = database.create(folder / "run")
    load(engine, sources, Sealer(key.recipient))
    accounts = (
        Account(str(uuid4()), f"u{number}@x.com", name, Kind.CLOUD, enabled=True, password_changed_at=None)
        for number, (name, _) in enumerate(given_to)
    )
    screening.screened(
        engine, [screening.Screened(number, account) for number, account in enumerate(accounts, start=1)]
    )
    return engine


@settings(max_examples=20, deadline=None)
@given(given_to=COHORTS, policy=st.sampled_from(PasswordPolicy))
def test_rejected_is_what_breaks_a_rule_or_is_shared(
    tmp_path_factory: pytest.TempPathFactory, given_to: list[tuple[str, str]], policy: PasswordPolicy
) -> None:
    """That and nothing else, by the policy `cloud` alone; no byte that was written holds a password."""
    folder, key = tmp_path_factory.mktemp("given"), RunKey.generate()
    engine = screened(folder, key, given_to)
    try:
        told = judge(engine, key, policy)
        with engine.connect() as connection:
            lines = connection.execute(select(resets).order_by(resets.c.id)).all()
            written = b"".join(path.read_bytes() for path in (folder / "run").iterdir())
    finally:
        engine.dispose()

    shared = Counter(password for _, password in given_to)
    expected = []
    for name, password in given_to:
        is_bad = shared[password] > 1 or broken_rule(password, parts_of(name)) is not None
        why = Reason.PASSWORD_REJECTED if is_bad and policy is PasswordPolicy.CLOUD else None
        expected.append(why if password.strip() else Reason.PASSWORD_MISSING)
    assert [line.reason for line in lines] == expected
    assert all((line.state == State.READY) is (line.reason is None) for line in lines)
    assert all((line.detail is not None) is (line.reason == Reason.PASSWORD_REJECTED) for line in lines)
    assert bool(told) is (Reason.PASSWORD_REJECTED in expected) or policy is PasswordPolicy.WARN
    assert policy is not PasswordPolicy.NONE or not told
    assert b"u0@x.com" in written
    texts = "\n".join((*told, *(line.detail or "" for line in lines)))
    passwords = {password for _, password in given_to if password.strip()}
    assert not [password for password in passwords if password.encode() in written or password in texts]
