"""One frozen `Settings`: what a user may choose, declared once.

Each field carries its own help, so the command line, the environment (`BATCHRESET_<FIELD>`) and the config file
are all derived from this class: flag over environment over file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from batchreset.model import Method, PasswordPolicy, PasswordSource, PasswordStyle, RevokeSessions, Risk
from batchreset.settings.checks import refuse
from batchreset.settings.choices import GRAPH_ROOTS, Auth, Cloud, IfEmpty, LogFormat

__all__ = ["GRAPH_ROOTS", "Auth", "Cloud", "IfEmpty", "LogFormat", "Settings"]


def _option(default: Any, text: str, *, group: str, metavar: str | None = None, flag_only: bool = False) -> Any:
    """Declare a setting: its help, the commands that take it (`group`), and whether only a flag may set it."""
    metadata = {"help": text, "group": group, "metavar": metavar, "flag_only": flag_only}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user may choose. Durations are text such as `90s`, `15m`, `2h`; `values.seconds` reads them.

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
    where: str | None = _option(
        None,
        "Only the rows for which this is true, such as \"department == 'Sales'\": a pandas query over the cohort's own "
        "columns. Names with blanks go in `backticks`; all cells are text: `Job title`.str.startswith('Chief'), "
        "sign_ins.astype(int) > 5.",
        group="cohort",
        metavar="EXPR",
    )
    max_unpacked: str | None = _option(
        None,
        "What a workbook may unpack to, such as 512MiB or 2GB. [default: 1GiB, and 100 times its own size]",
        group="cohort",
        metavar="SIZE",
    )
    protect: tuple[str, ...] = _option(
        (),
        "An account never to touch, by object id, UPN, mail or DOMAIN\\user; repeatable.",
        group="cohort",
        metavar="ID",
    )
    protect_group: tuple[str, ...] = _option(
        (), "A group whose members are never to be touched, by id or name; repeatable.", group="cohort", metavar="ID"
    )
    group: tuple[str, ...] = _option(
        (),
        "Reset the members of a group too, nested ones included, by its id or name; repeatable.",
        group="cohort",
        metavar="ID",
    )
    risky_users: bool = _option(False, "Reset the users that Identity Protection has at risk too.", group="cohort")
    min_risk: Risk | None = _option(
        None,
        "With --risky-users: from which risk on: low | medium | high. [default: low]",
        group="cohort",
        metavar="NAME",
    )
    except_: tuple[str, ...] = _option(
        (), "A cohort file whose accounts are left out; repeatable.", group="cohort", metavar="FILE"
    )
    except_group: tuple[str, ...] = _option(
        (), "A group whose members are left out, by id or name; repeatable.", group="cohort", metavar="ID"
    )
    include_privileged: bool = _option(
        False,
        "Reset accounts that hold, or may activate, a directory role too; asks again, with their number.",
        group="cohort",
        flag_only=True,
    )
    include_restricted: bool = _option(
        False,
        "Reset accounts of restricted management administrative units too.",
        group="cohort",
        flag_only=True,
    )
    skip_disabled: bool = _option(False, "Leave out accounts whose sign-in is blocked.", group="cohort")
    skip_changed_since: str | None = _option(
        None,
        "Leave out accounts whose password has changed since then: a date or time, in UTC where it says no zone.",
        group="cohort",
        metavar="TIME",
    )
    order_by: str | None = _option(None, "Send in the order of this cohort column.", group="cohort", metavar="COLUMN")
    allow_not_found: bool = _option(
        False,
        "Go on although over a tenth of the accounts are not in the tenant.",
        group="consent",
        flag_only=True,
    )
    allow_unchecked: bool = _option(
        False, "With --yes, go on although something could not be checked.", group="consent", flag_only=True
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

    # What goes with a reset.
    revoke_sessions: RevokeSessions = _option(
        RevokeSessions.AFTER,
        "Revoke the sessions of each account: never | after (its reset has succeeded) | both (before it, too).",
        group="route",
        metavar="WHEN",
    )
    disable: bool = _option(False, "Block sign-in before the reset.", group="route")
    enable: bool = _option(
        False,
        "With --disable: open sign-in again after the reset, for accounts that were open before.",
        group="go",
    )

    # How fast, how far.
    workers: int = _option(32, "Requests under way at once.", group="go", metavar="N")
    rate: float | None = _option(None, "Never more writes a second than this.", group="go", metavar="N")
    canary: int | None = _option(
        None,
        "Reset so many ordinary accounts first, and go on only when each has succeeded. "
        "[default: 3 above 50 accounts, else 0]",
        group="go",
        metavar="N",
    )
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
        refuse(self)

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
