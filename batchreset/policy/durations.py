"""How long operations take here, learned from the looks at them, and when to look next. Seconds throughout.

No duration is published, and none is ever seen: a look that finds an operation running says that it takes longer than
its age, one that finds it ended says that it ended since the look before. Both are counted in cells of age, of equal
width on a logarithmic scale: how much of each cell was lived through, and how many endings fell into it. Their quotient
is the cell's rate of ending, and needs no operation to have been followed to its end (Kaplan and Meier's estimate, in
cells). To which of the cells between two looks an ending belongs, the rates themselves say (Turnbull's).

An operation is looked at when the rates it has lived through since the last look add up to a given patience: then half
of all operations have ended, and after the first look two in five of those still running, whether they take
milliseconds or minutes. So looks fall where endings do, and every tenant costs about as many of them an operation:
1 + exp(-FIRST_PATIENCE) / (1 - exp(-PATIENCE)) = 2.3.

The times in an operation's own body are left alone. Microsoft does not say what the `lastActionDateTime` of an ended
operation stands for, nor how finely it is kept; and what counts here is when an end can be noticed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Cells are of equal width in log(1 + age / _SCALE): about a fifth of a second at first, a tenth of the age later.
_SCALE = 2.0
_CELLS_A_FOLD = 10.0
#: The last cell ends at 4.5 hours; longer than that nothing is learned, and looks are `_LONGEST` apart.
_CELLS = 90
#: What is believed before anything was seen, and how many operations' worth it is: looks at 1.5 seconds, then 3, 5, 9.
_PRIOR_RATE, _PRIOR_WEIGHT = 0.128, 1.0
#: A cell remembers about as many operations: fewer follow a drift sooner, more are steadier.
_MEMORY = 60.0
#: No cell is thought emptier than this when an ending is shared out: otherwise operations that have become faster
#: would all be put down to just before the first look, and nobody would ever look earlier.
_LEAST_SHARE = 0.05
#: More takes fewer looks, and notices ends later. The first look, which most operations need no other after, may wait
#: longer: found by trial, it notices half of all ends sooner at the same cost, and the earliest ends a little later.
FIRST_PATIENCE, PATIENCE = 0.7, 0.48
#: Jitter shortens and lengthens patience by this share. It spreads looks that would fall due together, and without
#: looks at different ages no rates between them could be told.
_SPREAD = 0.2
#: Nobody is looked at twice within half a second, nor within a twelfth of the age.
_SHORTEST, _SHORTEST_SHARE = 0.5, 1 / 12
#: However sure: a first look within a minute, then none later than at three times the age, nor after five minutes.
_LONGEST_FIRST, _LONGEST_SHARE, _LONGEST = 60.0, 2.0, 300.0


class Durations:
    """What is known of one kind of operation; ages count from when it was accepted."""

    def __init__(self) -> None:
        """Start from a belief that fits anything from a second to minutes, and gives way to what is seen."""
        self._endings = [_PRIOR_RATE * _PRIOR_WEIGHT] * _CELLS
        self._lived = [_PRIOR_WEIGHT] * _CELLS

    def __repr__(self) -> str:
        first = self.next_wait(0.0, None, 0.5)
        return f"<Durations first={first:.1f} second={first + self.next_wait(first, None, 0.5):.1f}>"

    def next_wait(self, age: float, retry_after: float | None, jitter: float, passed: float = 0.0) -> float:
        """Say how long to wait before looking (again) at an operation that was running at `age`, 0 for a new one.

        `passed` is how long ago it had that age: the time the answer took. What the service asked for counts from now,
        and is the least. `jitter` is drawn from [0, 1) by the caller.
        """
        patience = PATIENCE if age > 0 else FIRST_PATIENCE
        learned = self._learned_wait(age, patience * (1 + _SPREAD * (2 * jitter - 1)))
        learned = max(learned, min(_SHORTEST_SHARE * age, _LONGEST)) - passed
        asked = 0.0 if retry_after is None else retry_after * (1 + 0.1 * jitter)
        return max(learned, asked, _SHORTEST)

    def was_running(self, since: float, age: float) -> None:
        """Learn from a look at `age` that found it running, as it was at `since` (0 before the first look)."""
        for cell, width in _cells(_place(since), _place(age)):
            self._add(cell, 0.0, width)

    def had_ended(self, since: float, age: float) -> None:
        """Learn from a look at `age` that found it ended, while it was running at `since` (0 before the first look)."""
        cells = list(_cells(_place(since), _place(age)))
        running, ends = 1.0, []
        for cell, width in cells:
            share = running * -math.expm1(-max(self._rate(cell), _LEAST_SHARE) * width)
            ends.append(share)
            running -= share
        later = total = sum(ends)
        for (cell, width), share in zip(cells, ends, strict=True):
            later -= share
            self._add(cell, share / total, width * (later + share / 2) / total)

    def _learned_wait(self, age: float, patience: float) -> float:
        """Go through the cells from `age` on until their rates have used up the patience."""
        longest = min(_LONGEST_SHARE * age, _LONGEST) if age > 0 else _LONGEST_FIRST
        start = _place(age)
        for cell, width in _cells(start, _place(age + longest)):
            rate = self._rate(cell)
            if rate * width >= patience:
                return min(_age(max(start, cell) + patience / rate) - age, longest)
            patience -= rate * width
        return longest

    def _rate(self, cell: int) -> float:
        return self._endings[cell] / self._lived[cell]

    def _add(self, cell: int, endings: float, lived: float) -> None:
        """Count, and forget as much as there is too much of."""
        self._endings[cell] += endings
        self._lived[cell] += lived
        if self._lived[cell] > _MEMORY:
            self._endings[cell] *= _MEMORY / self._lived[cell]
            self._lived[cell] = _MEMORY


def _place(age: float) -> float:
    """Return where an age lies, in cells."""
    return min(_CELLS_A_FOLD * math.log1p(max(age, 0.0) / _SCALE), _CELLS)


def _age(place: float) -> float:
    return _SCALE * math.expm1(place / _CELLS_A_FOLD)


def _cells(start: float, stop: float) -> Iterator[tuple[int, float]]:
    """Cut a stretch into its cells: each one's number, and how much of it lies within."""
    if start >= stop:
        return
    for cell in range(int(start), math.ceil(stop)):
        yield cell, min(stop, cell + 1.0) - max(start, cell)
