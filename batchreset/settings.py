"""One frozen `Settings`: what a user may choose, declared once.

Each field carries its own help, so the command line, the environment (`BATCHRESET_<FIELD>`) and the config file
are all derived from this class: flag over environment over file.
"""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from batchreset.errors import UsageError
from batchreset.model import Method, PasswordPolicy, PasswordSource, PasswordStyle
from batchreset.recipe import check

if TYPE_CHECKING:
    from collections.abc import Mapping


class Auth(StrEnum):
    """How to sign in: as a person, as an application, or with a token that somebody else obtained."""

    INTERACTIVE = "interactive"
    DEVICE_CODE = "device-code"
    SECRET = "secret"  # noqa: S105  a way to sign in, no secret
    CERTIFICATE = "certificate"
    MANAGED_IDENTITY = "managed-identity"
    TOKEN = "token"  # noqa: S105  a way to sign in, no token


class IfEmpty(StrEnum):
    """What a cohort without rows is."""

    ERROR = "error"
    OK = "ok"


class LogFormat(StrEnum):
    """How the log is written."""

    TEXT = "text"
    JSON = "json"


class Cloud(StrEnum):
    """The national clouds of Microsoft Graph."""

    GLOBAL = "global"
    USGOV = "usgov"
    DOD = "dod"
    CHINA = "china"


#: Graph's root in each cloud. Source: Microsoft's "National cloud deployments".
GRAPH_ROOTS: Mapping[Cloud, str] = MappingProxyType(
    {
        Cloud.GLOBAL: "https://graph.microsoft.com",
        Cloud.USGOV: "https://graph.microsoft.us",
        Cloud.DOD: "https://dod-graph.microsoft.us",
        Cloud.CHINA: "https://microsoftgraph.chinacloudapi.cn",
    }
)

#: Headers that a user may not set on a reset: the client owns them.
_OWN_HEADERS = frozenset({"authorization", "host", "client-request-id"})
#: Properties that hold the password, by either route.
_OWN_PROPERTIES = MappingProxyType({"newpassword": "newPassword", "password": "password"})
#: A header's name, by RFC 9110.
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_LABEL = r"[\w-]{1,63}"
_ROOT = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(\.{_LABEL})*\.?|\[::1\])(:(?P<port>\d{{1,5}}))?(/[\w.~-]+)*",
    re.ASCII | re.IGNORECASE,
)
_TENANT = re.compile(r"[\w.-]+", re.ASCII)
_AUTHORITY = re.compile(rf"https://{_LABEL}(\.{_LABEL})*(:\d{{1,5}})?/[\w.-]+/?", re.ASCII | re.IGNORECASE)
_LAST_PORT = 65535
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|m|h|d)?", re.ASCII)
_UNIT_SECONDS = MappingProxyType({"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0})


def _option(default: Any, text: str, *, group: str, metavar: str | None = None, flag_only: bool = False) -> Any:
    """Declare a setting: its help, the commands that take it (`group`), and whether only a flag may set it."""
    metadata = {"help": text, "group": group, "metavar": metavar, "flag_only": flag_only}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user may choose. Durations are text such as `90s`, `15m`, `2h`; `seconds()` reads them.

    Raises `UsageError` when a value is out of range or two of them contradict each other.
    """

    # Where things are.
    out: Path = _option(Path("reports"), "Where run folders go.", group="out", metavar="DIR")
    graph_url: str | None = _option(
        None,
        "Graph's root without version, if not the cloud's; http:// only for a loopback host.",
        group="graph",
        metavar="URL",
    )
    cloud: Cloud = _option(
        Cloud.GLOBAL,
        "The national cloud: global | usgov | dod | china (which has no resetPassword).",
        group="cloud",
        metavar="NAME",
    )

    # Who signs in, and how.
    auth: Auth | None = _option(
        None,
        "How to sign in: interactive | device-code | secret | certificate | managed-identity | token. "
        "[default: token where BATCHRESET_ACCESS_TOKEN is set, else interactive]",
        group="signin",
        metavar="NAME",
    )
    tenant: str | None = _option(
        None, "The tenant to sign in to: its id, or one of its domains.", group="signin", metavar="ID"
    )
    client_id: str | None = _option(
        None,
        "The application to sign in with, by its client id; of a managed identity, the user-assigned one.",
        group="signin",
        metavar="ID",
    )
    account: str | None = _option(
        None, "The account to sign in with, by UPN: not the one of every day.", group="account", metavar="UPN"
    )
    authority: str | None = _option(
        None, "The sign-in service's URL, tenant included, if not the cloud's.", group="signin", metavar="URL"
    )

    # Who is reset.
    column: str | None = _option(None, "The cohort column that names the account.", group="cohort", metavar="NAME")
    protect: tuple[str, ...] = _option(
        (), "An account never to touch, by object id or UPN; repeatable.", group="cohort", metavar="ID"
    )
    include_privileged: bool = _option(
        False, "Reset accounts that hold a directory role too.", group="cohort", flag_only=True
    )
    allow_unchecked: bool = _option(
        False, "With --yes, go on although a look-up was refused.", group="consent", flag_only=True
    )
    accept_excluded: tuple[str, ...] = _option(
        (), "Reasons of exclusion that are as intended, comma-separated.", group="go", metavar="R,..."
    )

    # How they are reset.
    method: Method = _option(
        Method.AUTO,
        "The route: auto (reset-password for a person, password-profile for an application) | reset-password | "
        "password-profile.",
        group="route",
        metavar="NAME",
    )
    password_source: PasswordSource = _option(
        PasswordSource.GENERATED,
        "generated (made here) | system (made by the service) | column (from the cohort).",
        group="cohort",
        metavar="NAME",
    )
    password_column: str | None = _option(
        None, "The cohort column that holds the new passwords.", group="cohort", metavar="NAME"
    )
    password_style: PasswordStyle = _option(
        PasswordStyle.RANDOM,
        "How generated passwords look: random (characters) | passphrase (words).",
        group="cohort",
        metavar="NAME",
    )
    password_length: int | None = _option(
        None,
        "How long generated passwords are: characters of a random one [default: 20], words of a passphrase "
        "[default: 5].",
        group="cohort",
        metavar="N",
    )
    password_alphabet: str | None = _option(
        None,
        "The characters that random passwords are made of. [default: letters, digits and !#$%*+-=?@_ without those "
        "that look alike]",
        group="cohort",
        metavar="CHARS",
    )
    password_policy: PasswordPolicy = _option(
        PasswordPolicy.CLOUD,
        "What becomes of given passwords that the cloud would refuse: cloud (the row is left out) | warn (the plan "
        "says so) | none (not looked at).",
        group="cohort",
        metavar="NAME",
    )
    discard_passwords: bool = _option(False, "Keep none of the new passwords: nobody is to know them.", group="cohort")
    recipient: tuple[str, ...] = _option(
        (), "An age public key that may open the sealed passwords; repeatable.", group="cohort", metavar="KEY"
    )
    seal_with_passphrase: bool = _option(
        False,
        "Seal the passwords to a passphrase, asked for or from BATCHRESET_PASSPHRASE, instead of to recipients.",
        group="cohort",
    )
    header: tuple[str, ...] = _option(
        (), "A header added to every reset request; repeatable.", group="cohort", metavar="K=V"
    )
    body_property: tuple[str, ...] = _option(
        (), "A property added to every reset request's body; repeatable.", group="cohort", metavar="K=V"
    )
    ticket: str | None = _option(None, "Recorded in plan, report and audit trail.", group="cohort", metavar="TEXT")
    justification: str | None = _option(
        None, "Recorded in plan, report and audit trail.", group="cohort", metavar="TEXT"
    )

    require_mfa: bool = _option(
        False,
        "Have users pass multifactor authentication before they choose their own password (password-profile).",
        group="cohort",
    )

    # How fast, how far.
    workers: int = _option(32, "Requests under way at once.", group="go", metavar="N")
    rate: float | None = _option(None, "Never more writes a second than this.", group="go", metavar="N")
    max_failures: str | None = _option(
        None,
        "Halt when more than this have failed of the rows ended since this start: a number, or a percentage. "
        "[default: 20%, and at least 10]",
        group="go",
        metavar="N|N%",
    )
    deadline: str = _option(
        "1h", "How long an operation is followed before the directory is asked.", group="go", metavar="DURATION"
    )
    directory_lag: str = _option(
        "5m",
        "How long an unchanged lastPasswordChangeDateTime proves nothing.",
        group="go",
        metavar="DURATION",
    )
    limit: int | None = _option(
        None, "Send at most this many accounts now; the rest waits for resume.", group="go", metavar="N"
    )
    stop_after: str | None = _option(
        None, "Stop sending after this long; the rest waits for resume.", group="go", metavar="DURATION"
    )
    max_plan_age: str = _option(
        "24h", "A plan older than this is not carried out without --anyway.", group="plan", metavar="DURATION"
    )
    yes: bool = _option(False, "Do not ask.", group="consent", flag_only=True)
    again: bool = _option(
        False,
        "Carry out a cohort again that has not changed since its last finished run.",
        group="consent",
        flag_only=True,
    )

    # For runs that nobody watches.
    if_empty: IfEmpty = _option(
        IfEmpty.ERROR, "What a cohort without rows is: ok | error.", group="cohort", metavar="WHAT"
    )
    log_format: LogFormat = _option(
        LogFormat.TEXT,
        "How the log is written: text | json (one object a line, on standard error unless --log-file names a file).",
        group="log",
        metavar="NAME",
    )
    log_file: Path | None = _option(None, "Write a log to this file, appending.", group="log", metavar="FILE")

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, before anything is read or sent."""
        if self.workers < 1:
            raise UsageError(f"--workers {self.workers}: at least one worker is needed.")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise UsageError(f"--rate {self.rate}: the rate must be a number above zero.")
        if self.password_source is PasswordSource.COLUMN and not self.password_column:
            raise UsageError("--password-source column needs --password-column NAME to say which column.")
        if self.password_column and self.password_source is not PasswordSource.COLUMN:
            raise UsageError("--password-column is for --password-source column: add it, or leave both out.")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit {self.limit}: at least one account is needed.")
        for name in ("deadline", "directory_lag", "stop_after", "max_plan_age"):
            if (text := getattr(self, name)) is not None:
                seconds(text, f"--{name.replace('_', '-')}")
        if self.max_failures is not None and not re.fullmatch(r"\d+(\.\d+)?%|\d+", self.max_failures):
            raise UsageError(
                f"--max-failures {self.max_failures}: give a number such as 25, or a percentage such as 5%."
            )
        self._check_sealing()
        check(self.password_source, self.password_style, self.password_length, self.password_alphabet)
        self._check_additions()
        self._check_places()

    def _check_places(self) -> None:
        _check_graph_url(self.graph_root)
        if self.tenant is not None and not _TENANT.fullmatch(self.tenant):
            raise UsageError("--tenant: give the tenant's id, or one of its domains such as contoso.example.")
        if self.authority is not None and not _AUTHORITY.fullmatch(self.authority):
            raise UsageError(
                "--authority: give the sign-in service's URL with the tenant, "
                "such as https://login.microsoftonline.com/contoso.example; it begins with https://."
            )

    def _check_sealing(self) -> None:
        if self.recipient and self.seal_with_passphrase:
            raise UsageError("--seal-with-passphrase and --recipient: age seals to one or the other; leave one out.")
        if not self.discard_passwords:
            return
        for option, is_given in (
            ("--recipient", self.recipient),
            ("--seal-with-passphrase", self.seal_with_passphrase),
            ("--password-source column", self.password_source is PasswordSource.COLUMN),
        ):
            if is_given:
                raise UsageError(
                    f"--discard-passwords and {option}: nothing is kept that anybody could open; leave one out."
                )

    def _check_additions(self) -> None:
        for name, _ in pairs(self.header, "--header"):
            if not _TOKEN.fullmatch(name):
                raise UsageError(f"--header {name}: this is no name of a header.")
            if name.lower() in _OWN_HEADERS or name.lower().startswith("content-"):
                raise UsageError(f"--header {name}: this header is set by batchreset and cannot be replaced.")
        for name, _ in pairs(self.body_property, "--body-property"):
            if own := _OWN_PROPERTIES.get(name.lower()):
                raise UsageError(
                    f"--body-property {own}: passwords never go on a command line; use --password-source column."
                )

    @property
    def graph_root(self) -> str:
        """Graph's root without version and without a trailing slash."""
        return (self.graph_url or GRAPH_ROOTS[self.cloud]).rstrip("/")

    def but(self, **changes: Any) -> Self:
        """Return these settings with some replaced."""
        return replace(self, **changes)

    def recorded(self) -> dict[str, Any]:
        """Return the settings as JSON values, for the run's own record."""
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}


def seconds(text: str, option: str) -> float:
    """Read a duration such as `90s`, `15m`, `2h` or `1d` (a bare number is seconds); `option` names it in the error."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(f"{option} {text}: give a duration such as 90s, 15m or 2h.")
    return float(match["number"]) * _UNIT_SECONDS[match["unit"] or "s"]


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


def _check_graph_url(url: str) -> None:
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
