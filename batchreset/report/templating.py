"""Pages for people: filled in from a template, with style and script inside, and never with anything to load."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import jinja2

from batchreset.report.wording import at, cut, describe

_TEMPLATES = files("batchreset.report") / "templates"


def fill(name: str, **values: Any) -> str:
    """Fill the template `name` in, which may include others and import their macros; every text is escaped.

    It is given `style` and `script` too, and the hash of each for its Content-Security-Policy.
    """
    style, script = _read("report.css"), _read("report.js")
    values |= {"style": style, "style_hash": _hash(style), "script": script, "script_hash": _hash(script)}
    return _environment().get_template(name).render(values)


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"at": at, "number": "{:,}".format, "duration": describe, "cut": cut}
    return environment


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text("utf-8")
