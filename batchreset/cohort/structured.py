"""Accounts in JSON: arrays of objects, what Graph and PowerShell answer, and one object a line, read piece by piece."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from batchreset.cohort import charset, delimited, headers
from batchreset.cohort.reading import Unlike
from batchreset.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from batchreset.cohort.origin import HashedStream, Origin

#: The members that hold the objects: Graph's answers and PowerShell's wrapped arrays, Defender's hunting, and the
#: domain search of Have I Been Pwned; and the one that holds tables, in answers of Azure Monitor's Logs query API.
_LISTS, _TABLES = frozenset({"value", "results", "breachsearchresults"}), "tables"
#: Characters of one object.
_LARGEST = 4 * 1024 * 1024
_CHUNK = 64 * 1024
_BLANKS = re.compile(r"[ \t\r\n]*")
_BEGINNING = re.compile(r"\s*(?:\[\s*[\[{\"\]]|\{\s*[\"}])")
_EXPECTED_BEGINNING = re.compile(r"\s*[\[{]")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Structured:
    """How a JSON file is written, and the names of its objects' members in order, which are no record of the file."""

    encoding: str
    columns: tuple[str, ...]
    is_headed: ClassVar[bool] = True

    @property
    def guessed(self) -> str:
        """The encoding, where it was guessed at."""
        return charset.guessed(self.encoding)

    def records(self, stream: HashedStream, name: str) -> Iterator[list[str]]:
        """Yield the members' names, then each object's members as text. Raises as `Delimited.records` does."""
        yield list(self.columns)
        for cells in _objects(stream, self.encoding, name):
            yield [cells.get(column, "") for column in self.columns]


def begins_like_json(head: bytes, *, is_expected: bool) -> bool:
    """Say whether bytes begin as JSON does, and not, unless JSON `is_expected`, as a list of object ids in braces."""
    beginning = _EXPECTED_BEGINNING if is_expected else _BEGINNING
    return bool(beginning.match(head.decode(charset.stated(head), "replace")))


def understood(origin: Origin) -> Iterator[Structured]:
    """Yield how a JSON file is written; nothing where its encoding is not known. Raises `CohortError` naming it."""
    with origin.open() as stream:
        head = stream.read(_CHUNK) or b""
    for encoding in charset.encodings(origin, head):
        columns: dict[str, None] = {}
        try:
            with origin.open() as stream:
                for cells in _objects(stream, encoding, origin.name):
                    columns.update(dict.fromkeys(cells))
                    if len(columns) > delimited.MOST_CELLS:
                        raise CohortError(
                            f"{origin.name}: its objects have more than {delimited.MOST_CELLS:,} members."
                        )
        except UnicodeDecodeError:
            continue
        yield Structured(encoding, tuple(columns))


def _objects(stream: HashedStream, encoding: str, name: str) -> Iterator[dict[str, str]]:
    text = _Text(io.TextIOWrapper(io.BufferedReader(stream), encoding), name)
    for value in _values(text):
        text.item += 1
        if not isinstance(value, dict | str | None):
            raise CohortError(f"{name}, item {text.item}: neither an object nor a text, so it names no account.")
        if isinstance(value, dict) and _is_by_alias(value):
            raise CohortError(
                f"{name} has aliases without their domain, as the API of Have I Been Pwned answers: give a list with "
                "alias@domain in each line, or the domain search as it is downloaded, which names both."
            )
        cells = {"account": value or ""} if not isinstance(value, dict) else _cells(value)
        whole = "".join((*cells, *cells.values()))
        if "\0" in whole or not _is_unicode(whole):
            raise CohortError(f"{name}, item {text.item}: a NUL or half a character, so this is no text; correct it.")
        yield cells


def _cells(item: dict[str, Any]) -> dict[str, str]:
    """Return an object's members as text, and the account where it takes two of them, or stands deeper, to name it."""
    cells = {name: _text(value) for name, value in item.items()}
    if {"Alias", "DomainName"} <= cells.keys():  # the domain search of Have I Been Pwned
        cells["Alias@DomainName"] = f"{cells['Alias']}@{cells['DomainName']}"
    targets = item.get("targetResources")  # Graph's directoryAudits; the portal's CSV has these columns instead
    for number, target in enumerate(targets if isinstance(targets, list) else (), start=1):
        if isinstance(target, dict) and target.get("type") == "User":
            cells[f"Target{number}UserPrincipalName"] = _text(target.get("userPrincipalName"))
            cells[f"Target{number}ObjectId"] = _text(target.get("id"))
    return cells


def _is_by_alias(item: dict[str, Any]) -> bool:
    """Say whether each member is a list of names: the breaches of an alias, which stands as the member's own name."""
    lists = [each for each in item.values() if isinstance(each, list) and each]
    is_listed = bool(item) and len(lists) == len(item) and all(isinstance(name, str) for each in lists for name in each)
    return is_listed and all(headers.rank(alias) is None for alias in item)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case float():
            return Unlike(value)
        case _:
            return json.dumps(_without_secrets(value), ensure_ascii=False)


def _without_secrets(value: Any) -> Any:
    """Return a nested value without the members that are headed like credentials."""
    match value:
        case dict():
            return {name: _without_secrets(each) for name, each in value.items() if not headers.is_secret(name)}
        case list():
            return [_without_secrets(each) for each in value]
        case _:
            return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _values(text: _Text) -> Iterator[Any]:
    """Yield each object of the text, be it of an array, of an answer's list, or alone."""
    while letter := text.peek():
        if letter == "[":
            yield from _elements(text)
        elif letter == "{":
            yield from _document(text)
        else:
            yield text.value()


def _elements(text: _Text) -> Iterator[Any]:
    text.expect("[")
    if text.take("]"):
        return
    yield text.value()
    while text.take(","):
        yield text.value()
    text.expect("]")


def _document(text: _Text) -> Iterator[Any]:
    """Yield what an object lists, or the object itself."""
    members: dict[str, Any] = {}
    has_list, begin = False, text.position
    text.expect("{")
    while text.peek() == '"':
        name = text.value()
        text.expect(":")
        if headers.fold(name) in _LISTS and text.peek() == "[":
            yield from _elements(text)
            has_list = True
        elif headers.fold(name) == _TABLES and text.peek() == "[":
            yield from _tables(text)
            has_list = True
        else:
            members[name] = text.value()
        if has_list:
            members.clear()
        elif text.position - begin > _LARGEST:
            raise text.malformed()
        if not text.take(","):
            break
    text.expect("}")
    if not has_list:
        yield members


def _tables(text: _Text) -> Iterator[Any]:
    """Yield each row of each table as an object."""
    text.expect("[")
    while text.peek() == "{":
        yield from _table(text)
        if not text.take(","):
            break
    text.expect("]")


def _table(text: _Text) -> Iterator[Any]:
    columns: list[str] = []
    text.expect("{")
    while text.peek() == '"':
        member = headers.fold(text.value())
        text.expect(":")
        if member == "rows" and not columns:
            raise text.malformed()  # nobody knows yet what its cells are
        if member == "rows":
            for row in _elements(text):
                if not isinstance(row, list):
                    raise text.malformed()
                yield dict(zip(columns, row, strict=False))
        elif member == "columns":
            try:
                columns = [str(column["name"]) for column in text.value()]
            except (TypeError, KeyError):
                raise text.malformed() from None
        else:
            text.value()
        if not text.take(","):
            break
    text.expect("}")


class _Text:
    """JSON text of which no more is held than one value takes."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._held, self._at, self._passed = "", 0, 0
        #: How many objects were taken.
        self.item = 0

    @property
    def position(self) -> int:
        """How many characters were taken."""
        return self._passed + self._at

    def peek(self) -> str:
        """Return the next character that is no white space; nothing at the end."""
        while True:
            self._at = _BLANKS.match(self._held, self._at).end()  # type: ignore[union-attr]  # it matches anywhere
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def take(self, letter: str) -> bool:
        """Take a character, and say whether it was there."""
        is_there = self.peek() == letter
        self._at += is_there
        return is_there

    def expect(self, letter: str) -> None:
        """Take a character that must be there."""
        if not self.take(letter):
            raise self.malformed()

    def value(self) -> Any:
        """Take the next value, whole."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._at)
            except (ValueError, RecursionError):
                # Not from it: the error holds the text.
                if len(self._held) - self._at > _LARGEST or not self._more():
                    raise self.malformed() from None
                continue
            if end == len(self._held) and self._more():  # a number may go on
                continue
            self._at = end
            return value

    def malformed(self) -> CohortError:
        """Return the refusal of what comes next."""
        return CohortError(
            f"{self._name}, item {self.item + 1}: not well-formed JSON, or larger than {_LARGEST:,} characters; "
            "export it again."
        )

    def _more(self) -> bool:
        """Hold more of the text, twice as much each time that it is not enough."""
        chunk = self._stream.read(max(_CHUNK, len(self._held) - self._at))
        if chunk:
            self._passed += self._at
            self._held, self._at = self._held[self._at :] + chunk, 0
        return bool(chunk)
