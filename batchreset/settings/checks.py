"""What settings cannot be: out of range, or in contradiction to each other."""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from batchreset.errors import UsageError
from batchreset.model import PasswordSource
from batchreset.recipe import check
from batchreset.values import LABEL, check_graph_url, moment, pairs, seconds, size

if TYPE_CHECKING:
    from batchreset.settings import Settings

#: Headers that a user may not set on a reset: the client owns them.
_OWN_HEADERS = frozenset({"authorization", "host", "client-request-id"})
#: Properties that hold the password, by either route.
_OWN_PROPERTIES = MappingProxyType({"newpassword": "newPassword", "password": "password"})
#: More than any tenant has accounts, and no more than a database counts.
_MOST = 1_000_000_000
#: A header's name, by RFC 9110.
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_TENANT = re.compile(r"[\w.-]+", re.ASCII)
_AUTHORITY = re.compile(rf"https://{LABEL}(\.{LABEL})*(:\d{{1,5}})?/[\w.-]+/?", re.ASCII | re.IGNORECASE)


def refuse(settings: Settings) -> None:
    """Raise `UsageError` for what cannot be meant, and for settings that contradict each other."""
    _check_numbers(settings)
    _check_times(settings)
    _check_passwords(settings)
    _check_sealing(settings)
    if settings.enable and not settings.disable:
        raise UsageError("--enable: there is nothing to open again without --disable; add it, or leave both out.")
    if settings.min_risk is not None and not settings.risky_users:
        raise UsageError("--min-risk is for --risky-users: add it, or leave both out.")
    check(settings.password_source, settings.password_style, settings.password_length, settings.password_alphabet)
    _check_additions(settings)
    _check_places(settings)


def _check_numbers(settings: Settings) -> None:
    if settings.workers < 1:
        raise UsageError(f"--workers {settings.workers}: at least one worker is needed.")
    if settings.rate is not None and not 0 < settings.rate < math.inf:
        raise UsageError(f"--rate {settings.rate}: the rate must be a number above zero.")
    if settings.limit is not None and settings.limit < 1:
        raise UsageError(f"--limit {settings.limit}: at least one account is needed.")
    if settings.canary is not None and settings.canary < 0:
        raise UsageError(f"--canary {settings.canary}: give 0 or more accounts.")
    for name in ("workers", "limit", "canary"):
        if (number := getattr(settings, name)) is not None and number > _MOST:
            raise UsageError(f"--{name} {number}: give {_MOST:,} at the most.")
    if settings.max_unpacked is not None:
        size(settings.max_unpacked, "--max-unpacked")
    if settings.max_failures is not None and not re.fullmatch(r"\d+(\.\d+)?%|\d+", settings.max_failures):
        raise UsageError(
            f"--max-failures {settings.max_failures}: give a number such as 25, or a percentage such as 5%."
        )


def _check_times(settings: Settings) -> None:
    for name in ("deadline", "directory_lag", "stop_after", "max_plan_age"):
        if (text := getattr(settings, name)) is not None:
            seconds(text, f"--{name.replace('_', '-')}")
    if settings.skip_changed_since is not None:
        moment(settings.skip_changed_since, "--skip-changed-since")


def _check_passwords(settings: Settings) -> None:
    if settings.password_source is PasswordSource.COLUMN and not settings.password_column:
        raise UsageError("--password-source column needs --password-column NAME to say which column.")
    if settings.password_column and settings.password_source is not PasswordSource.COLUMN:
        raise UsageError("--password-column is for --password-source column: add it, or leave both out.")
    if settings.password_column and (settings.group or settings.risky_users):
        raise UsageError("--password-column: a group, or a list of users at risk, has no passwords; use a file alone.")


def _check_places(settings: Settings) -> None:
    check_graph_url(settings.graph_root)
    if settings.tenant is not None and not _TENANT.fullmatch(settings.tenant):
        raise UsageError("--tenant: give the tenant's id, or one of its domains such as contoso.example.")
    if settings.authority is not None and not _AUTHORITY.fullmatch(settings.authority):
        raise UsageError(
            "--authority: give the sign-in service's URL with the tenant, "
            "such as https://login.microsoftonline.com/contoso.example; it begins with https://."
        )


def _check_sealing(settings: Settings) -> None:
    if settings.recipient and settings.seal_with_passphrase:
        raise UsageError("--seal-with-passphrase and --recipient: age seals to one or the other; leave one out.")
    if not settings.discard_passwords:
        return
    for option, is_given in (
        ("--recipient", settings.recipient),
        ("--seal-with-passphrase", settings.seal_with_passphrase),
        ("--password-source column", settings.password_source is PasswordSource.COLUMN),
    ):
        if is_given:
            raise UsageError(
                f"--discard-passwords and {option}: nothing is kept that anybody could open; leave one out."
            )


def _check_additions(settings: Settings) -> None:
    for name, _ in pairs(settings.header, "--header"):
        if not _TOKEN.fullmatch(name):
            raise UsageError(f"--header {name}: this is no name of a header.")
        if name.lower() in _OWN_HEADERS or name.lower().startswith("content-"):
            raise UsageError(f"--header {name}: this header is set by batchreset and cannot be replaced.")
    for name, _ in pairs(settings.body_property, "--body-property"):
        if own := _OWN_PROPERTIES.get(name.lower()):
            raise UsageError(
                f"--body-property {own}: passwords never go on a command line; use --password-source column."
            )
