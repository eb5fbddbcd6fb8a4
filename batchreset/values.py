"""Reading what is given as text: durations, sizes, moments, pairs, URLs. `option` names it in the error."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from types import MappingProxyType

from batchreset.errors import UsageError

LABEL = r"[\w-]{1,63}"
_ROOT = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{LABEL}(\.{LABEL})*\.?|\[::1\])(:(?P<port>\d{{1,5}}))?(/[\w.~-]+)*",
    re.ASCII | re.IGNORECASE,
)
_LAST_PORT = 65535
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|m|h|d)?", re.ASCII)
_UNIT_SECONDS = MappingProxyType({"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0})
_SIZE = re.compile(r"(?P<number>\d{1,18}(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?P<binary>i?)b?", re.ASCII)


def seconds(text: str, option: str) -> float:
    """Read a duration such as `90s`, `15m`, `2h` or `1d` (a bare number is seconds); `option` names it in the error."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(f"{option} {text}: give a duration such as 90s, 15m or 2h.")
    return float(match["number"]) * _UNIT_SECONDS[match["unit"] or "s"]


def size(text: str, option: str) -> int:
    """Read bytes such as `512MiB` or `1.5GB` (units of 1000, with an i of 1024); `option` names it in the error."""
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None or (match["binary"] and not match["unit"]):
        raise UsageError(f"{option} {text}: give a size such as 512MiB or 2GB.")
    power = "kmgt".find(match["unit"]) + 1 if match["unit"] else 0
    return int(float(match["number"]) * (1024 if match["binary"] else 1000) ** power)


def moment(text: str, option: str) -> datetime:
    """Read a date or a time (ISO 8601), in UTC where it says no zone; `option` names it in the error."""
    try:
        found = datetime.fromisoformat(text.strip())
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter where its zone leads out of the calendar
        raise UsageError(f"{option} {text}: give a date or time such as 2026-11-20 or 2026-11-20T14:30Z.") from None


def pairs(texts: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    """Split each `K=V`; `option` names it in the error, which does not quote a value: it may be secret."""
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not text.isprintable():
            shown = re.split(r"[\s:=]", text.strip(), maxsplit=1)[0]
            raise UsageError(f"{option} {shown}: give it as NAME=VALUE, on one line.")
        found.append((name.strip(), value))
    return found


def check_graph_url(url: str) -> None:
    """Refuse what is no root of Graph's, and one that a token would travel to unencrypted."""
    match = _ROOT.fullmatch(url)
    if match is None or int(match["port"] or 0) > _LAST_PORT:
        raise UsageError("--graph-url: give Graph's root and nothing more, such as https://graph.microsoft.com.")
    if match["scheme"].lower() == "http" and not is_loopback(match["host"]):
        raise UsageError(
            f"--graph-url {url}: http:// is for a loopback host only, since a token and passwords travel; use https://."
        )


def is_loopback(host: str) -> bool:
    """Say whether a host's name or address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
