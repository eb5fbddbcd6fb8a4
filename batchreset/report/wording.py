"""Figures in words, for the page and the terminal alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchreset.report.summary import Summary


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
