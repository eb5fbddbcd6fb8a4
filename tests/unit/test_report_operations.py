from __future__ import annotations

from typing import Any

import pandas as pd

from batchreset.report.operations import Operations


def lines(*seconds: float, **facts: Any) -> pd.DataFrame:
    """Make lines of operations that took so long."""
    line = {"outcome": "succeeded", "operation_url": "https://x.example/1", "verified_at": ""}
    times = [
        {
            "accepted_at": "2026-11-21T12:00:00.000Z",
            "finished_at": f"2026-11-21T12:{int(each) // 60:02}:{each % 60:06.3f}Z",
        }
        for each in seconds
    ]
    return pd.DataFrame([line | each | facts for each in times], dtype=object)


def test_how_long_operations_took_is_told_by_rank() -> None:
    """A hundred of 1 to 100 seconds, in two chunks: half within 50, and each bar has what lies between its ends."""
    found = Operations()
    found.add(lines(*range(1, 41)))
    found.add(lines(*range(41, 101), outcome="failed"))
    assert found.figures() == [
        *(
            ("Half within", "50 s"),
            ("90% within", "1 min 30 s"),
            ("99% within", "1 min 39 s"),
            ("Longest", "1 min 40 s"),
        ),
    ]
    assert [(bar.label, bar.operations) for bar in found.bars()] == [
        *(("1 s to 2 s", 1), ("2 s to 5 s", 3), ("5 s to 10 s", 5), ("10 s to 20 s", 10), ("20 s to 30 s", 10)),
        *(("30 s to 1 min", 30), ("1 min to 2 min", 41)),
    ]
    assert max(bar.share for bar in found.bars()) == 1.0


def test_nobody_claims_to_know_how_long_what_the_directory_told_took() -> None:
    """It is counted apart; a later confirmation of what its operation had told takes nothing away."""
    found = Operations()
    found.add(lines(30, verified_at="2026-11-21T12:00:29.999Z"))
    found.add(lines(3, verified_at="2026-11-21T12:00:59.000Z"))
    found.add(lines(4, operation_url=""))
    found.add(lines(5, outcome="unresolved"))
    found.add(lines(6, finished_at=""))
    assert (found.total, found.by_directory) == (1, 1)
    assert found.figures()[0] == ("Half within", "3 s")
    assert not found.bars()


def test_a_hundred_thousand_are_counted_in_little_memory() -> None:
    """Times are kept to three figures: some hundreds of numbers for each power of ten."""
    found = Operations()
    many = lines(0)
    many = many.loc[many.index.repeat(10_000)].reset_index(drop=True)
    milliseconds = pd.Series(range(10_000), dtype=object) * 7
    many["finished_at"] = [f"2026-11-21T12:00:{each // 1000:02}.{each % 1000:03}Z" for each in milliseconds % 60_000]
    found.add(many)
    assert found.total == 10_000
    assert len(found._seconds) < 3_000
