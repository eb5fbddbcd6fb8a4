"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    PROBLEM = "problem"
    #: It could not be told, mostly since it depends on something that is a problem itself.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found, and what to do where it is not as it should be."""

    name: str
    verdict: Verdict
    told: str
    advice: str = ""

    def recorded(self) -> dict[str, str]:
        """Return it as JSON values."""
        return asdict(self)


def ok(name: str, told: str) -> Check:
    """Say that a thing is as it should be."""
    return Check(name, Verdict.OK, told)


def problem(name: str, told: str, advice: str = "") -> Check:
    """Say what is wrong with a thing."""
    return Check(name, Verdict.PROBLEM, told, advice)


def unknown(name: str, told: str) -> Check:
    """Say why a thing could not be looked at."""
    return Check(name, Verdict.UNKNOWN, told)
