from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchreset.errors import UsageError
from batchreset.model import PasswordSource, Risk
from batchreset.settings import Cloud, Settings
from batchreset.values import is_loopback, pairs, seconds, size


def test_the_defaults_are_those_that_are_promised() -> None:
    """As the command line's help and the README name them."""
    settings = Settings()
    assert settings.out == Path("reports")
    assert settings.graph_root == "https://graph.microsoft.com"
    assert settings.workers == 32
    assert settings.password_source is PasswordSource.GENERATED
    assert (settings.deadline, settings.directory_lag) == ("1h", "5m")


@pytest.mark.parametrize(
    ("cloud", "root"),
    [
        (Cloud.GLOBAL, "https://graph.microsoft.com"),
        (Cloud.USGOV, "https://graph.microsoft.us"),
        (Cloud.DOD, "https://dod-graph.microsoft.us"),
        (Cloud.CHINA, "https://microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_each_cloud_has_its_graph(cloud: Cloud, root: str) -> None:
    """And --graph-url goes before it."""
    assert Settings(cloud=cloud).graph_root == root
    assert (
        Settings(cloud=cloud, graph_url="https://proxy.contoso.example/").graph_root == "https://proxy.contoso.example"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400), ("1.5h", 5400), ("45", 45), (" 2 H ", 7200), ("0s", 0)],
)
def test_durations(text: str, wanted: float) -> None:
    """Seconds, minutes, hours, days; a bare number is seconds."""
    assert seconds(text, "--deadline") == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("512MiB", 512 << 20), ("2GB", 2 * 10**9), ("1.5 gib", 3 << 29), ("10k", 10_000), ("4096", 4096), ("7B", 7)],
)
def test_sizes(text: str, wanted: int) -> None:
    """Units of 1000, and with an i of 1024; a bare number is bytes."""
    assert size(text, "--max-unpacked") == wanted
    assert Settings(max_unpacked=text).max_unpacked == text


@pytest.mark.parametrize("text", ["", "MB", "-1", "1 TiBB", "1ib", "one", "1e9", "9" * 400, "\u0665k"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Naming the option that it was given for."""
    with pytest.raises(UsageError, match="--max-unpacked"):
        Settings(max_unpacked=text)


@pytest.mark.parametrize("text", ["", "h", "-5m", "1h30m", "an hour", "5 minutes", "1e3", "nan", "\u0665m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Naming the option that it was given for."""
    with pytest.raises(UsageError, match="--directory-lag"):
        Settings(directory_lag=text)
    with pytest.raises(UsageError, match="--deadline"):
        Settings(deadline=text)


@pytest.mark.parametrize(
    "url",
    [
        "https://graph.microsoft.com",
        "HTTPS://Graph.Microsoft.com/",
        "https://graph.contoso.example:8443/proxied/graph",
        "http://localhost:8765",
        "http://LOCALHOST",
        "http://127.0.0.1:1",
        "http://127.4.5.6",
        "http://[::1]:8765",
    ],
)
def test_roots_that_may_be_used(url: str) -> None:
    """https:// anywhere, http:// on this machine."""
    assert Settings(graph_url=url).graph_root == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://graph.microsoft.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "graph.microsoft.com",
        "ftp://graph.microsoft.com",
        "https://",
        "https:///v1.0",
        "https://graph.microsoft.com?x=1",
        "https://graph.microsoft.com#x",
        "https://graph.microsoft.com:99999",
        "https://graph.microsoft.com:x",
        "https://user:hunter2@graph.microsoft.com",
        "https://:hunter2@graph.microsoft.com",
        "https://graph.microsoft.com\\@evil.example",
        "https://graph microsoft.com",
        "https://graph.\nmicrosoft.com",
        "https://..",
        "https://" + "a" * 64 + ".example",
        "https://[::1",
        "http://[::1",
        "https://grâph.example",
        "javascript:alert(1)",
    ],
)
def test_roots_that_may_not(url: str) -> None:
    """Plain http:// beyond this machine and whatever is no URL are refused by name, without quoting a password."""
    with pytest.raises(UsageError, match="--graph-url") as refusal:
        Settings(graph_url=url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("127.evil.example", False),
        ("8.8.8.8", False),
        ("", False),
    ],
)
def test_loopback_is_told_by_address_not_by_looks(host: str, own: bool) -> None:  # noqa: FBT001  a parameter of pytest's
    """A name that begins like an address is a name."""
    assert is_loopback(host) == own


@pytest.mark.parametrize(
    "given",
    [
        {"workers": 0},
        {"workers": -1},
        {"rate": 0.0},
        {"rate": -1.0},
        {"rate": float("nan")},
        {"rate": float("inf")},
        {"max_failures": "many"},
        {"max_failures": "-1"},
        {"max_failures": "5.5"},
        {"max_failures": "%"},
        {"password_source": PasswordSource.COLUMN},
        {"password_column": "pw"},
        {"password_source": PasswordSource.SYSTEM, "password_column": "pw"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(given: dict[str, object]) -> None:
    """Out of range, or against each other; the option is named."""
    option = "--" + next(iter(given)).replace("_", "-")
    with pytest.raises(UsageError, match=option):
        Settings().but(**given)


@pytest.mark.parametrize("text", ["25", "0", "5%", "0.5%", "100%"])
def test_failures_are_counted_or_in_per_cent(text: str) -> None:
    """Both forms are taken."""
    assert Settings(max_failures=text).max_failures == text


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "AUTHORIZATION", " authorization ", "Host", "client-request-id", "Client-Request-Id"),
        *("Content-Type", "content-length", "Content-Anything", "with space", "colon:", "ümlaut"),
    ],
)
def test_headers_that_are_ours_or_none_are_refused(name: str) -> None:
    """What the client sets itself cannot be replaced."""
    with pytest.raises(UsageError, match="--header"):
        Settings(header=(f"{name}=x",))


def test_passwords_do_not_come_on_the_command_line() -> None:
    """A newPassword is refused in any case, and its value not repeated."""
    for name in ("newPassword", "NEWPASSWORD", " newpassword "):
        with pytest.raises(UsageError, match="--body-property newPassword") as refusal:
            Settings(body_property=(f"{name}=Quartz-7",))
        assert "Quartz" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer eyJ0.eyJh",
        "X-Key eyJ0.eyJh",
        "X-Key=eyJ0.eyJh\r\nHost: evil",
        "=eyJ0.eyJh",
        "X=\0eyJ0.eyJh",
    ],
)
def test_a_malformed_addition_is_refused_without_its_value(text: str) -> None:
    """The value may be secret."""
    for field in ("header", "body_property"):
        with pytest.raises(UsageError, match="NAME=VALUE") as refusal:
            Settings().but(**{field: (text,)})
        assert "eyJ0" not in str(refusal.value)


def test_additions_are_split_at_the_first_sign() -> None:
    """A value may hold more of them, or be empty."""
    assert pairs(("A=b=c", " B = d", "C="), "--header") == [("A", "b=c"), ("B", " d"), ("C", "")]


def test_settings_are_recorded_as_json() -> None:
    """The run's own record of them goes through JSON unharmed."""
    recorded = Settings(protect=("ana@contoso.example",), rate=2.5).recorded()
    assert json.loads(json.dumps(recorded))["protect"] == ["ana@contoso.example"]
    assert recorded["out"] == "reports"


@pytest.mark.parametrize(
    "url",
    [
        "https://login.microsoftonline.com/contoso.example",
        "https://login.microsoftonline.us/6f1c0d2e-0000-4000-8000-000000000000/",
        "https://localhost:8443/tenant",
    ],
)
def test_authorities_that_may_be_used(url: str) -> None:
    """A sign-in service of one's own, with the tenant."""
    assert Settings(authority=url).authority == url


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8443/tenant",
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.com/a/b",
        "https://user:pass@login.microsoftonline.com/contoso.example",
        "login.microsoftonline.com/contoso.example",
        "https://login.microsoftonline.com/contoso.example?x=1",
    ],
)
def test_authorities_that_may_not(url: str) -> None:
    """Codes and secrets travel there, so never without TLS; what is given besides host and tenant is a mistake."""
    with pytest.raises(UsageError, match="--authority"):
        Settings(authority=url)


def test_nothing_is_sent_to_nobody() -> None:
    """A limit of none is refused, and so is a time to stop that is none."""
    with pytest.raises(UsageError, match="--limit 0"):
        Settings(limit=0)
    with pytest.raises(UsageError, match="--stop-after soon"):
        Settings(stop_after="soon")


def test_what_no_tenant_and_no_calendar_has_is_refused() -> None:
    """Numbers that no database counts to, and moments before the first; a level of risk without anybody at risk."""
    for name in ("canary", "limit", "workers"):
        with pytest.raises(UsageError, match=rf"--{name} 9{{20}}: give 1,000,000,000 at the most"):
            Settings().but(**{name: int("9" * 20)})
    for text in ("0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"):
        with pytest.raises(UsageError, match=r"--skip-changed-since .*: give a date or time"):
            Settings(skip_changed_since=text)
    with pytest.raises(UsageError, match="--min-risk is for --risky-users"):
        Settings(min_risk=Risk.LOW)
    assert Settings(risky_users=True, min_risk=Risk.HIGH).min_risk is Risk.HIGH
