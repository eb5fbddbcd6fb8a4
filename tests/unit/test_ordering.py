from __future__ import annotations

import pytest

from batchreset.engine.ordering import sort_keys


@pytest.mark.parametrize(("texts", "order"), [
    (["10", "", "9", "9.5", "-1", " 9 "], [4, 2, 5, 3, 0, 1]),
    (["b", "10", " A", "", "9", "a"], [1, 4, 2, 5, 0, 3]),
    (["12345678901234567892", "12345678901234567891"], [1, 0]),
    (["2", "nan", "10"], [2, 0, 1]),
    (["2026-11-02", "2026-01-30"], [1, 0]),
    (["", " "], [0, 1]),
    ([], []),
])  # fmt: skip
def test_how_a_column_is_ordered(texts: list[str], order: list[int]) -> None:
    """As numbers, exactly, where all are; else as texts without regard to case. Blanks last, equal ones as given."""
    keys = sort_keys(texts)
    assert sorted(range(len(texts)), key=keys.__getitem__) == order
