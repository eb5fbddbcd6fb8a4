"""Options of the commands, made from what `Settings` says of itself."""

from __future__ import annotations

import inspect
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from batchreset.gather import flag_of, is_list, type_of
from batchreset.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

#: What was given on the command line, by the names of the settings.
Flags: TypeAlias = dict[str, Any]
#: What the help of a command says of its arguments. They are hidden below, where their Python types would be shown.
ARGUMENTS = {
    "cohort": "COHORT is one or more .csv, .tsv, .txt, .xlsx, .xls, .ods, .json or .jsonl files; - is standard input.",
    "run": "RUN is a run folder or a run id.",
}
#: Absent where --group or --risky-users takes its place.
Cohort = Annotated[list[str], typer.Argument(metavar="COHORT", hidden=True, default_factory=list)]
#: Never absent.
CohortFiles = Annotated[list[str], typer.Argument(metavar="COHORT", hidden=True)]
Run = Annotated[str, typer.Argument(metavar="RUN", hidden=True)]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="One JSON object on standard output instead of text.",
        envvar="BATCHRESET_JSON",
        show_envvar=False,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="A TOML file with settings, instead of the user's own.",
        metavar="FILE",
        envvar="BATCHRESET_CONFIG",
        show_envvar=False,
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        help="Tell each decision on standard error; twice (-vv), each request too.",
        show_default=False,
    ),
]


def takes(*groups: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of these groups of settings; it gets what was given as the mapping `flags`."""
    names = [item.name for item in fields(Settings) if item.metadata["group"] in groups]
    parameters = [_parameter(name) for name in names]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_flags(**given: Any) -> None:
            flags = {name: given.pop(name) for name in names}
            command(**given, flags=flags)

        own = [
            parameter
            for parameter in inspect.signature(command, eval_str=True).parameters.values()
            if parameter.name != "flags"
        ]
        signature = inspect.Signature(own + parameters)
        with_flags.__signature__ = signature  # type: ignore[attr-defined]  # what typer reads
        with_flags.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        return with_flags

    return decorate


def _parameter(name: str) -> inspect.Parameter:
    item = next(each for each in fields(Settings) if each.name == name)
    kind = type_of(name)
    default: Any = None
    if is_list(name):
        annotation: Any = list[str] | None
    elif kind is bool:
        annotation, default = bool, False
    else:
        annotation = (kind if kind in (int, float) else str) | None
    text = item.metadata["help"]
    if item.default not in (None, False, ()) and "default" not in text:
        text += f" [default: {item.default}]"
    option = typer.Option(flag_of(name), help=text, metavar=item.metadata["metavar"], show_default=False)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )
