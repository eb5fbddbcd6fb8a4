"""A worked example for `batchreset passwords RUN --hand-over`: a ticket with a link that opens a password once.

    batchreset passwords RUN --hand-over "python3 sample_inputs/hand-over-one-time-link.py FOLDER"
    python3 sample_inputs/hand-over-one-time-link.py FOLDER --open LINK

It stands for two services that you have: FOLDER/links for one of one-time links, FOLDER/tickets for one of tickets.
The key of what a link opens is in the link alone, so that neither service holds a password that it can read.
What you would put in their place are the two calls of `keep`.
"""
# ruff: noqa: INP001  a script to be copied, in no package

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sys
from pathlib import Path

TICKET = """To: {contact}
Subject: New password for {display_name}

The password of {account} was reset. Open this link once, and tell them in person or by telephone:
{link}
"""


def main() -> None:
    """Do what the command line says; anything that is raised ends it with a status other than 0: not handed over."""
    if not sys.argv[1:]:
        sys.exit("name the folder that stands for the services")
    folder = Path(sys.argv[1])
    if sys.argv[2:3] == ["--open"]:
        sys.stdout.write(opened(folder, sys.argv[3]) + "\n")
    else:
        hand_over(folder, json.load(sys.stdin))


def hand_over(folder: Path, told: dict[str, str | int]) -> None:
    """Make the link and the ticket. Handing the same account over again replaces both, as it may after a crash."""
    if not told["contact"]:
        sys.exit("a ticket needs somebody to go to: name a column with --contact")
    name = hashlib.sha256(f"{told['run_id']} {told['object_id']}".encode()).hexdigest()[:16]
    password = str(told["password"]).encode()
    key = secrets.token_bytes(len(password))  # as long as the password and used once: without it nothing is known
    link = f"https://links.contoso.example/{name}#{base64.urlsafe_b64encode(key).decode()}"
    keep(folder / "links" / name, bytes(one ^ other for one, other in zip(password, key, strict=True)))
    keep(folder / "tickets" / f"{name}.txt", TICKET.format(**told, link=link).encode())


def opened(folder: Path, link: str) -> str:
    """Return what a link opens, which it does once."""
    name, _, key = link.rpartition("/")[2].partition("#")
    path = folder / "links" / name
    sealed = path.read_bytes()
    path.unlink()
    return bytes(one ^ other for one, other in zip(sealed, base64.urlsafe_b64decode(key), strict=True)).decode()


def keep(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600), "wb"
    ) as file:
        file.write(content)


if __name__ == "__main__":
    main()
