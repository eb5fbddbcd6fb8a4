"""Imports point one way: cli -> engine -> the rooms that do things -> policy -> the words."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "batchreset"

#: From the bottom to the top. A room imports from its own level and from those below.
LEVELS = (
    {"model", "errors", "settings", "secret", "clock", "gather", "network", "recipe", "version", "values"},
    {"policy"},
    {"graph", "status", "cohort", "report", "vault", "auth"},
    {"engine"},
    {"__init__", "cli"},
    {"__main__"},
)
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
#: What the simulated tenant may use besides the standard library: to serve HTTP, and to mint tokens.
SERVING = {"aiohttp", "multidict", "yarl", "cryptography", "jwt"}
#: Too slow to be imported before a command is entered.
HEAVY = {
    *("aiohttp", "asyncio", "jinja2", "matplotlib", "openpyxl", "pandas", "platformdirs", "pyrage", "python_calamine"),
    *("cryptography", "msal", "msal_extensions", "requests", "rich", "sqlalchemy", "tenacity", "truststore", "uvloop"),
    "xlsxwriter",
}


@dataclass(frozen=True)
class Import:
    """One import: in which file, of what, and whether a function or `TYPE_CHECKING` puts it off."""

    file: Path
    line: int
    target: str
    is_deferred: bool

    @property
    def source_room(self) -> str:
        return self.file.relative_to(PACKAGE).parts[0].removesuffix(".py")

    @property
    def target_room(self) -> str:
        parts = self.target.split(".")
        return parts[1] if len(parts) > 1 else "__init__"

    @property
    def is_ours(self) -> bool:
        return self.target.split(".")[0] == "batchreset"

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.target}"


class _Finder(ast.NodeVisitor):
    def __init__(self, file: Path) -> None:
        self.file = file
        self.found: list[Import] = []
        self._depth = 0

    def visit_Import(self, node: ast.Import) -> None:
        for name in node.names:
            self._add(node, name.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"{self.file}:{node.lineno}: imports are absolute here"
        module = node.module or ""
        for name in node.names:
            # `from batchreset.cli import runs` imports a module, `from batchreset.settings import Auth` a name in one.
            whole = f"{module}.{name.name}"
            path = ROOT.joinpath(*whole.split("."))
            self._add(node, whole if path.is_dir() or path.with_suffix(".py").is_file() else module)

    def generic_visit(self, node: ast.AST) -> None:
        is_checking = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        puts_off = is_checking or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        self._depth += puts_off
        super().generic_visit(node)
        self._depth -= puts_off

    def _add(self, node: ast.stmt, target: str) -> None:
        self.found.append(Import(self.file, node.lineno, target, is_deferred=self._depth > 0))


@cache
def everything() -> list[Import]:
    found: list[Import] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        finder = _Finder(file)
        finder.visit(ast.parse(file.read_text(encoding="utf-8")))
        found += dict.fromkeys(finder.found)
    return found


def ours() -> list[Import]:
    return [each for each in everything() if each.is_ours]


def test_every_room_has_its_level() -> None:
    """A new room is given its place here before it is built."""
    assert {each.source_room for each in everything()} - {"rehearsal"} <= set(LEVEL_OF)


def test_imports_point_down() -> None:
    """No room knows one above it: imports in functions and for the type checker count as well."""
    wrong = [
        str(each)
        for each in ours()
        if "rehearsal" not in {each.source_room, each.target_room}
        and LEVEL_OF[each.target_room] > LEVEL_OF[each.source_room]
    ]
    assert wrong == []


def test_no_two_rooms_need_each_other() -> None:
    """Rooms of one level may import each other one way only."""
    needs: dict[str, set[str]] = {}
    for each in ours():
        if each.source_room != each.target_room:
            needs.setdefault(each.source_room, set()).add(each.target_room)
    TopologicalSorter(needs).prepare()  # raises where there is a cycle


def test_no_two_modules_import_each_other() -> None:
    """Within a room too, what is imported at once makes no cycle."""
    needs: dict[str, set[str]] = {}
    for each in ours():
        if not each.is_deferred:
            module = ".".join(each.file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            needs.setdefault(module, set()).add(each.target)
    TopologicalSorter(needs).prepare()


def test_policy_decides_and_does_nothing() -> None:
    """The room of decisions imports no input or output, no clock and no chance."""
    doers = {"asyncio", "io", "os", "pathlib", "random", "secrets", "socket", "sqlite3", "subprocess", "time"}
    wrong = [
        str(each)
        for each in everything()
        if each.source_room == "policy"
        and (each.target.split(".")[0] in doers | HEAVY or each.target == "batchreset.clock")
    ]
    assert wrong == []


def test_the_simulated_tenant_knows_the_words_only() -> None:
    """What stands in for Microsoft must not agree with us by sharing our code: it knows `model`, and how to serve."""
    wrong = [
        str(each)
        for each in everything()
        if each.source_room == "rehearsal"
        and each.target_room not in {"rehearsal", "model"}
        and each.target.split(".")[0] not in sys.stdlib_module_names | SERVING
    ]
    assert wrong == []


def test_the_simulated_tenant_is_met_in_a_rehearsal_only() -> None:
    """Nobody but the command line imports it, and that when the command is entered."""
    guests = [each for each in ours() if each.target_room == "rehearsal" and each.source_room != "rehearsal"]
    assert guests
    assert [str(each) for each in guests if each.source_room != "cli" or not each.is_deferred] == []


@pytest.mark.parametrize("module", ["batchreset", "batchreset.cli"])
def test_importing_imports_nothing_heavy(module: str) -> None:
    """Help comes at once, and importing the library costs next to nothing."""
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(  # noqa: S603  our own module
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    assert HEAVY & set(json.loads(done.stdout)) == set()
