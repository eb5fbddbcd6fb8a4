"""Figures in words, for the page and the terminal alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from batchreset.model import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchreset.report.summary import Summary

#: Left out without harm, and without a name worth reading.
NAMELESS = frozenset({Reason.DUPLICATE, Reason.BLANK})

_PLAIN = re.compile(r"[\w @.,:;/()#_-]*", re.ASCII)


def describe(seconds: float) -> str:
    """Say a duration in its two largest units: `1 h 5 min`, `12 s`."""
    left = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number or (parts and unit != "s"):
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or f"{seconds:.1f} s"


def quota_text(summary: Summary) -> str:
    """Say what was learned of the quota, and what that cost; empty where nothing was sent."""
    quota = summary.quota
    sent, refused, learned = quota["sent"], quota["refused"], quota["learned"]
    if not sent:
        return ""
    cost = f"{refused:,} of {sent:,} writes refused ({quota['share']:.1%})" if refused else "no write refused"
    if learned is None:
        return f"not measured; {cost}"
    return f"{learned:.1f} writes a second; {cost}"


def time_text(summary: Summary) -> str:
    """Say where the time went, what took none left out; empty where that is not known."""
    told = [f"{describe(seconds)} for {what}" for what, seconds in summary.time_spent.items() if round(seconds)]
    return f"waiting {', '.join(told)}" if told else ""


def at(time: str) -> str:
    """Say an ISO 8601 time as people read it, in UTC to the second."""
    return f"{time[:10]} {time[11:19]} UTC"


def sessions_text(summary: Summary, between: tuple[str, str]) -> str:
    """Say what became of the sessions, and `between` which times; empty where they were not to be revoked."""
    revoked, failed, left = (summary.sessions[name] for name in ("revoked", "failed", "left"))
    told = []
    if revoked:
        first, last = map(at, between)
        day, _, hours = last.partition(" ")
        begun = first.removesuffix(" UTC")
        until = hours if begun.startswith(day) else last
        told.append(f"{revoked:,} revoked " + (f"at {first}" if first == last else f"from {begun} to {until}"))
    if failed:
        told.append(f"{failed:,} could not be revoked")
    if left:
        told.append(f"{left:,} not revoked yet")
    return "; ".join(told)


def shortcomings(summary: Summary) -> list[str]:
    """Say what the outcomes do not: sessions that go on, sign-in that was left open or is left blocked."""
    unrevoked = summary.sessions["failed"] + summary.sessions["left"]
    told = [f"sessions of {unrevoked:,} not revoked"] if unrevoked else []
    unblocked = [f"{summary.not_blocked:,} not blocked before the reset"] if summary.not_blocked else []
    return told + unblocked + ([f"{summary.blocked:,} left with sign-in blocked"] if summary.blocked else [])


def cut(text: str, most: int) -> str:
    """Return a foreign text that takes up so many bytes at most as HTML and JSON write it, cut where it has to be."""
    if len(text) <= most and _PLAIN.fullmatch(text):
        return text
    room = most
    for place, character in enumerate(text):
        is_escaped = character in "<>&\"'\\" or character < " "
        room -= 6 if is_escaped else len(character.encode(errors="replace"))
        if room < 0:
            return text[:place].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
    return text


def accounts(number: int, kind: str = "") -> str:
    """Write a number of accounts, of a `kind` (with the space behind it) if any."""
    return f"{number:,} {kind}account{'' if number == 1 else 's'}"


def joined(texts: Sequence[str]) -> str:
    """Enumerate: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def listed(names: Sequence[str], most: int) -> str:
    """Name so many, and say how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def duration(seconds: float) -> str:
    """Write seconds that are foreseen, and so not to be had exactly."""
    if seconds < 90:  # noqa: PLR2004  a minute and a half
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:  # noqa: PLR2004  an hour and a half
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
