"""In which order a run's rows are sent: written down when it is planned, and begun with a few when it starts."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeAlias

from batchreset.cohort.headers import fold
from batchreset.errors import CohortError
from batchreset.model import IN_FLIGHT, State
from batchreset.policy.opening import Opening, canaries_wanted
from batchreset.status import rows, turns

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Engine

    from batchreset.cohort import Source
    from batchreset.policy.opening import Waiting
    from batchreset.status.turns import Cells

#: What texts are ordered by: whether they are blank, which comes last, then the number or the folded text.
Key: TypeAlias = "tuple[bool, Decimal | str]"


def refuse_unknown(sources: Sequence[Source], column: str | None) -> None:
    """Raise `CohortError` where --order-by names a column that the cohort does not have."""
    if column is None or _alike(column, _columns(sources)):
        return
    known = ", ".join(dict.fromkeys(_columns(sources)))
    raise CohortError(f"--order-by {column}: the cohort has no such column; it has: {known}.")


def arrange(engine: Engine, sources: Sequence[Source], column: str | None) -> None:
    """Write the order of sending of the ready rows: privileged ones first, then by `column`, then as given.

    Raises `CohortError` where --order-by names a column that the cohort does not have.
    """
    if column is None:
        turns.privileged_first(engine)
        return
    refuse_unknown(sources, column)
    names = _alike(column, _columns(sources))
    is_by_account = any(source.account_column in names for source in sources)
    ids, ranks, texts = [], [], []
    for row in turns.cells(engine):
        ids.append(row.id)
        ranks.append(not row.is_privileged)
        texts.append(_text(row, names, is_by_account=is_by_account))
    keys = list(zip(ranks, sort_keys(texts), strict=True))
    turn = {key: number for number, key in enumerate(sorted(set(keys)))}
    turns.give_turns(engine, ((reset_id, turn[key]) for reset_id, key in zip(ids, keys, strict=True)))


def _text(row: Cells, names: Collection[str], *, is_by_account: bool) -> str:
    """Return the cell that a row is ordered by; its source may not have the column that another one has."""
    return next((row.cohort[name] for name in names if name in row.cohort), row.identifier if is_by_account else "")


def _columns(sources: Sequence[Source]) -> list[str]:
    return [name for source in sources for name in (source.account_column, *source.columns)]


def _alike(column: str, columns: Sequence[str]) -> list[str]:
    """Return the columns of that name, else those that differ from it by case, blanks and punctuation at the most."""
    return [name for name in columns if name == column] or [name for name in columns if fold(name) == fold(column)]


def sort_keys(texts: Sequence[str]) -> list[Key]:
    """Return by what these texts are ordered: by number where all that are not blank are numbers."""
    plain = [text.strip() for text in texts]
    try:
        keys: list[Decimal | str] = [_number(text) for text in plain]
    except InvalidOperation:
        keys = [text.casefold() for text in plain]
    return [(not text, key) for text, key in zip(plain, keys, strict=True)]


def _number(text: str) -> Decimal:
    """Return a number exactly, so that long ones stay apart. Raises `InvalidOperation` where it is none."""
    number = Decimal(text or 0)
    if not number.is_finite():
        raise InvalidOperation(text)
    return number


def opening_of(engine: Engine, asked: int | None, advice: Mapping[str, str]) -> Opening:
    """Say who goes first in a start of a run, and who waits for that; `asked` is --canary."""
    turns.take_up_again(engine)
    proven, counts = turns.domains(engine, State.SUCCEEDED), rows.counts(engine)
    chosen = canaries(engine, asked)
    return Opening(
        chosen,
        proven,
        under_way=turns.under_way(engine, proven, [row.id for row in chosen]),
        unconfirmed=sum(counts[state] for state in IN_FLIGHT),
        advice=advice,
    )


def canaries(engine: Engine, asked: int | None, left_out: Collection[int] = ()) -> list[Waiting]:
    """Return the accounts that a start is to risk first: ordinary ones, of each kind one as far as there are, in turn.

    Those that an earlier start sent, and whose end it did not see, are still the canaries. Rows that are about to be
    `left_out`, by their ids, are none.
    """
    counts = rows.counts(engine)
    unended = counts[State.READY] + sum(counts[state] for state in IN_FLIGHT) - len(left_out)
    number = canaries_wanted(asked, unended, counts[State.SUCCEEDED])
    if not number:
        return []
    under_way = turns.ordinary_under_way(engine, number)
    most = number + len(left_out)
    placed = sorted(each for domain in turns.domains(engine) for each in turns.ordinary(engine, domain, most))
    in_turn = [row for _, row in placed if row.id not in left_out]
    cloud, synchronised = (
        next((row for row in in_turn if bool(row.domain) is wanted), None) for wanted in (False, True)
    )
    return list(filter(None, dict.fromkeys([*under_way, cloud, synchronised, *in_turn])))[:number]
