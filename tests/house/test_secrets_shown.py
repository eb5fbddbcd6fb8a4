"""Where plain texts are seen: each place that reveals a secret is known, and none of them is a log's."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "batchreset"

#: What may see a plain text, and what for.
SEES = {
    "auth/bearer.py": "reads what a token says of itself",
    "cli/exporting.py": "writes the files that were asked for",
    "cli/rehearse.py": "asks the simulated tenant whether they are in force",
    "cli/showing.py": "shows passwords one by one",
    "engine/executables.py": "masks what a command says of a password",
    "engine/given.py": "judges passwords that came with the cohort",
    "engine/handing_over.py": "hands passwords over",
    "graph/resets.py": "sends passwords",
    "graph/session.py": "sends tokens",
    "vault/exports.py": "encrypts workbooks with a passphrase",
    "vault/sealing.py": "seals passwords, and keys with a passphrase",
}
#: Writes to a log, the audit trail, the status table or the screen.
TELLERS = {
    *("tell", "decide", "logged", "requested", "note", "noted", "entry", "say", "show"),
    *("debug", "info", "warning", "error", "exception", "critical", "log"),
}


@cache
def calls() -> list[tuple[str, ast.Call]]:
    return [
        (file.relative_to(PACKAGE).as_posix(), node)
        for file in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _reveals(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Call) and _name(each) == "reveal" for each in ast.walk(node))


def test_who_reveals_a_secret_is_known() -> None:
    """A new place is given its line here, with what it is for, and one that is gone loses it."""
    revealing = {file for file, call in calls() if _name(call) == "reveal"}
    assert revealing == set(SEES)


def test_no_log_is_told_what_a_secret_holds() -> None:
    """Nor the audit trail, the screen, or an error."""
    told = [
        f"{file}:{call.lineno} {_name(call)}"
        for file, call in calls()
        if (_name(call) in TELLERS or _name(call).endswith("Error")) and _reveals(call)
    ]
    assert told == []


def test_nobody_reaches_past_reveal() -> None:
    """The attribute behind it is for the class itself."""
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in PACKAGE.rglob("*.py")
        if file.name != "secret.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "_text" and not _is_self(node)
    ]
    assert wrong == []


def _is_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"
