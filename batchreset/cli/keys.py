"""keys: who can open sealed passwords."""

from __future__ import annotations

from typing import Annotated

import typer

from batchreset.cli.terminal import show


def keys(*, make: Annotated[bool, typer.Option("--make", help="Make a key where there is none.")] = False) -> None:
    """Show the key that opens sealed passwords, or make it.

    It lies in the user's configuration folder, or where BATCHRESET_IDENTITY says.

    Examples:
      batchreset keys
      batchreset keys --make
    """
    from batchreset.vault import identity

    own = identity.load()
    if own is None and make:
        own = identity.make()
    if own is None:
        show(f"There is no key yet; the first run makes it, or `batchreset keys --make`. Its place: {identity.path()}")
    else:
        show(f"key:        {identity.path()}\npublic key: {own.to_public()}")
