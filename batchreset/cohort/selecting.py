"""Which rows a run is about: a pandas query over the cohort's own columns.

It is read before it is evaluated, and only what decides row by row is understood: columns, values, comparisons and a
few methods of text. Nothing in it reaches beyond the cells, so it may come from a config file; and rows can be judged
in chunks, since none is judged by another. Texts are compared with texts and numbers with numbers: in pandas any
other comparison is false without a word, and its contrary true for everybody.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchreset.errors import CohortError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

_EXAMPLE = "such as \"department == 'Sales'\", with `backticks` around a name that holds blanks"
#: Texts, which may hold anything; names in backticks; signs that a pandas query takes for `and` and `or`; a comment.
_TOKEN = re.compile(r"""(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|`(?P<name>[^`]*)`|(?P<sign>[&|#])""", re.DOTALL)
_SIGNS = MappingProxyType({"&": " and ", "|": " or "})
#: Characters of an expression, and columns, that a sentence holds.
_MOST_SHOWN, _MOST_NAMED = 200, 20
#: These say nothing of texts or numbers, or of one value only.
_NO_ORDER = (ast.Is, ast.IsNot, ast.In, ast.NotIn)


class _Kind(StrEnum):
    """What an expression is of, for each row."""

    TEXT = "a text"
    NUMBER = "a number"
    TRUTH = "true or false"


#: By the name in the query, which is the same on every system.
_NUMBERS = MappingProxyType({"int": "int64", "float": "float64"})
_METHODS = ("astype", "between", "isin")
_TEXT_METHODS: Mapping[str, _Kind] = MappingProxyType(
    dict.fromkeys(("casefold", "lower", "lstrip", "rstrip", "slice", "strip", "upper"), _Kind.TEXT)
    | dict.fromkeys(("contains", "endswith", "fullmatch", "isdigit", "match", "startswith"), _Kind.TRUTH)
    | {"len": _Kind.NUMBER}
)


@dataclass(frozen=True, slots=True)
class Where:
    """An expression that was understood; `text` is what is shown of it, `columns` are the headers that it names."""

    text: str
    columns: tuple[str, ...]
    #: The same with `c0`, `c1` and on in their places: a header may be anything.
    _numbered: str = field(repr=False)
    #: What of it is read as numbers with fractions.
    _fractions: tuple[str, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Where:
        """Understand an expression. Raises `UsageError` that says what in it cannot be used."""
        reader = _Reader(text)
        try:
            tree = ast.parse(f"({_TOKEN.sub(reader.readable, text)})" if text.strip() else "", mode="eval")
            if reader.kind(tree.body) is not _Kind.TRUTH:
                raise reader.refusal(f"this is not true or false for each row; write one {_EXAMPLE}")
            numbered = ast.unparse(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise UsageError(f"--where {_shown(text)}: this is no expression; write one {_EXAMPLE}.") from None
        return cls(_shown(text), tuple(reader.columns), numbered, tuple(reader.fractions))

    def refuse_unknown(self, source: str, columns: Sequence[str]) -> None:
        """Raise `CohortError` where a source, of these columns, lacks one that is named: its rows cannot be judged."""
        for column in self.columns:
            if column not in columns:
                raise CohortError(f"--where: {source} has no column '{column}'; those that it has: {_named(columns)}.")
            if columns.count(column) > 1:
                raise CohortError(f"--where: {source} has two columns '{column}', so rename one of them.")

    def mask(self, source: str, cells: Mapping[str, Sequence[str]]) -> list[bool]:
        """Say of each row whether it is meant; `cells` are the texts of the columns that are named.

        Raises `CohortError` where that cannot be said.
        """
        import pandas as pd  # noqa: PLC0415  a second to import, and seldom needed

        # That a pattern has groups is told. For good, since undoing that is not safe beside other threads.
        warnings.filterwarnings("ignore", "This pattern is interpreted as a regular expression", UserWarning)
        frame = pd.DataFrame({f"c{n}": cells[column] for n, column in enumerate(self.columns)}, dtype=object)
        with suppress(Exception):  # of any kind, by whatever method, and it would show the cell
            # To pandas `nan` is a number, and unlike all others.
            if all(_evaluated(frame, each).abs().lt(math.inf).all() for each in self._fractions):
                return [bool(each) for each in _evaluated(frame, self._numbered)]
        raise CohortError(
            f"--where {self.text}: it does not fit the cells of {source}; .astype(int) and .astype(float) are for "
            "columns where every cell is a number, and patterns have to be regular expressions."
        )


class _Reader:
    """Puts numbered names in the columns' places, and refuses what is not understood."""

    def __init__(self, text: str) -> None:
        self._text = _shown(text)
        #: The headers, each with its number, and by what stands for those in backticks.
        self.columns: dict[str, int] = {}
        self._quoted: dict[str, str] = {}
        self.fractions: list[str] = []

    def readable(self, found: re.Match[str]) -> str:
        """Return a text as it is, and for what else pandas reads otherwise than Python what Python can read."""
        if found["sign"] == "#":
            raise self.refusal("leave the comment out, since nobody could tell in the plan where it ends")
        if found["sign"]:
            return _SIGNS[found["sign"]]
        if found["name"] is None:
            return found[0]
        name = f"_quoted_{len(self._quoted)}"
        self._quoted[name] = found["name"].strip()
        return name

    def kind(self, node: ast.expr) -> _Kind:  # noqa: C901, PLR0911, PLR0912  a case for each kind of node
        """Say of what kind an expression is, and put the names in it in their places, once."""
        match node:
            case ast.Name():
                header = self._quoted.get(node.id, node.id)
                node.id = f"c{self.columns.setdefault(header, len(self.columns))}"
                return _Kind.TEXT
            case ast.Constant(str()):
                return _Kind.TEXT
            case ast.Constant(int() | float() as value) if not isinstance(value, bool):
                return _Kind.NUMBER
            case ast.Constant():
                raise self.refusal(f"{ast.unparse(node)} is neither a text nor a number")
            case ast.UnaryOp(ast.USub(), each):
                return self._all(_Kind.NUMBER, each)
            case ast.BinOp(left, ast.Add() | ast.Sub(), right):
                return self._all(_Kind.NUMBER, left, right)
            case ast.UnaryOp(ast.Not() | ast.Invert(), each):
                return self._all(_Kind.TRUTH, each)
            case ast.BoolOp(_, each):
                return self._all(_Kind.TRUTH, *each)
            case ast.Compare(left, [ast.In() | ast.NotIn()], [right]):
                return self._among(left, right)
            case ast.Compare(left, operators, others) if not any(isinstance(each, _NO_ORDER) for each in operators):
                return self._compared(left, *others)
            case ast.Call(ast.Attribute(ast.Attribute(of, "str"), name), values, options) if name in _TEXT_METHODS:
                return self._of_text(name, of, [*values, *(each.value for each in options)])
            case ast.Call(ast.Attribute(of, "astype"), values, options):
                return self._as_number(node, of, [*values, *options])
            case ast.Call(ast.Attribute(of, "isin"), [values], []):
                return self._among(of, values)
            case ast.Call(ast.Attribute(of, "between"), [least, most], []):
                return self._compared(of, least, most)
            case ast.Call(ast.Attribute() as method) | (ast.Attribute() as method):
                known = ", ".join((*(f".{each}" for each in _METHODS), *(f".str.{each}" for each in _TEXT_METHODS)))
                raise self.refusal(f".{method.attr} cannot be used here, or not so; what can: {known}")
            case ast.Call():
                raise self.refusal("only methods of columns can be called")
            case _:
                raise self.refusal(f"{type(node).__name__.lower()} is nothing that it can use here")

    def refusal(self, why: str) -> UsageError:
        """Return why the expression cannot be used."""
        return UsageError(f"--where {self._text}: {why}.")

    def _all(self, wanted: _Kind, *nodes: ast.expr) -> _Kind:
        for node in nodes:
            if (found := self.kind(node)) is not wanted:
                raise self.refusal(f"{found} stands where {wanted} is needed")
        return wanted

    def _compared(self, *sides: ast.expr) -> _Kind:
        self._alike([self.kind(side) for side in sides])
        self._of_a_row(*sides)
        return _Kind.TRUTH

    def _among(self, of: ast.expr, values: ast.expr) -> _Kind:
        if not isinstance(values, ast.List | ast.Tuple) or any(map(_names, values.elts)):
            raise self.refusal("give a list of values, such as ['Sales', 'IT']")
        self._alike([self.kind(of), *map(self.kind, values.elts)])
        self._of_a_row(of)
        return _Kind.TRUTH

    def _alike(self, kinds: Sequence[_Kind]) -> None:
        if _Kind.TRUTH in kinds:
            raise self.refusal("what is true or false is combined by and, or, not")
        if len(set(kinds)) > 1:
            raise self.refusal(
                "a text is compared with a number; cells are text, so put the number in quotes, or .astype(int) behind "
                "the column"
            )

    def _of_a_row(self, *nodes: ast.expr) -> None:
        if not any(map(_names, nodes)):
            raise self.refusal("a comparison without a column is the same for each row")

    def _of_text(self, name: str, of: ast.expr, values: Sequence[ast.expr]) -> _Kind:
        self._all(_Kind.TEXT, of)
        self._of_a_row(of)
        if not all(isinstance(each, ast.Constant) for each in values):
            raise self.refusal(f"give .str.{name}() texts or numbers, and nothing else")
        return _TEXT_METHODS[name]

    def _as_number(self, node: ast.Call, of: ast.expr, values: Sequence[ast.AST]) -> _Kind:
        self._all(_Kind.TEXT, of)
        self._of_a_row(of)
        match values:
            case [ast.Name(name)] if name in _NUMBERS:
                node.args = [ast.Constant(_NUMBERS[name])]
            case _:
                raise self.refusal("give .astype(int) or .astype(float)")
        if name == "float":
            self.fractions.append(ast.unparse(node))
        return _Kind.NUMBER


def _evaluated(frame: pd.DataFrame, text: str) -> Any:
    return frame.eval(text, engine="python", local_dict={}, global_dict={})


def _names(node: ast.expr) -> bool:
    """Say whether an expression names a column."""
    return any(isinstance(each, ast.Name) for each in ast.walk(node))


def _named(columns: Sequence[str]) -> str:
    """Name columns in a sentence, the rest of them counted."""
    more = len(columns) - _MOST_NAMED
    return ", ".join(columns[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _shown(text: str) -> str:
    """Return an expression fit for a sentence."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}…"
