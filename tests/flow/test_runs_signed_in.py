"""Whole runs of the program, signed in over TLS by the real MSAL, while things happen to that sign-in."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from batchreset.rehearsal.behaviour import UNHINDERED, Route, Spread
from batchreset.rehearsal.population import User, populate
from batchreset.rehearsal.signin import Application, GrantType, SignIn
from batchreset.rehearsal.tenant import Tenant, What
from tests.support.certificates import PrivateAuthority, application_certificate
from tests.support.door import Door, at_the_door
from tests.support.program import Ended, wait_until
from tests.support.steps import resets_received, revocations
from tests.support.tenant_process import upns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.program import Call


ACCOUNTS = 24
SECRET = "a-secret-of-the-application"
QUICK = SignIn(poll_seconds=0, approved_after_polls=1)
#: A run of a few seconds: time for something to happen. Half the rate is for the sessions.
UNHURRIED = ("--rate", "16", "--workers", "8")


@pytest.fixture
def sign_in() -> SignIn:
    return QUICK


@pytest.fixture
def users() -> Sequence[User]:
    return list(populate(upns(ACCOUNTS), plain=True))


@pytest.fixture
def door(
    private: PrivateAuthority,
    sign_in: SignIn,
    users: Sequence[User],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Door]:
    """Serve a tenant with its cohort at hand; look afterwards for what has leaked: no test leaves a token behind."""
    tenant = Tenant(users, replace(UNHINDERED, sign_in=sign_in, cloud_operation=Spread(0.2)))
    names = [user.user_principal_name for user in users]
    (tmp_path / "cohort.csv").write_text("\n".join(["upn", *names]), encoding="utf-8")
    with at_the_door(tmp_path, monkeypatch, private, tenant) as found:
        yield found
        assert found.leaks() == []


def log_in(here: Call) -> None:
    assert here("login", "--auth", "device-code").status == 0


def counts(ended: Ended) -> dict[str, int]:
    """Return the rows by outcome, those that occur."""
    return {outcome: rows for outcome, rows in json.loads(ended.out)["counts"].items() if rows}


def meanwhile(door: Door, here: Call, happens: Callable[[], None], *arguments: str) -> Ended:
    """Run the program, and let something happen once it has reset four accounts."""
    is_over = Event()

    def let_it_happen() -> None:
        wait_until(lambda: applied(door.tenant) >= 4 or is_over.is_set())
        happens()

    with ThreadPoolExecutor() as beside:
        happening = beside.submit(let_it_happen)
        try:
            ended = here(*arguments)
        finally:
            is_over.set()
        happening.result()
    assert door.leaks(ended.out, ended.err) == []
    return ended


def applied(tenant: Tenant) -> int:
    return sum(happened.count(What.APPLIED) for happened in histories(tenant))


def histories(tenant: Tenant) -> list[list[What]]:
    """Return what happened to each account but the operator's."""
    return [[event.what for event in account.events] for account in list(tenant.accounts.values())[1:]]


def each_once(tenant: Tenant) -> bool:
    """Say whether everybody has a new password and was signed out, and nobody twice."""
    return all(happened.count(What.APPLIED) == happened.count(What.REVOKED) == 1 for happened in histories(tenant))


def renewals(tenant: Tenant) -> int:
    return tenant.sign_ins.requests[GrantType.REFRESH_TOKEN, 200]


@pytest.mark.parametrize("sign_in", [replace(QUICK, access_token_seconds=4.0)])
def test_a_run_outlives_its_token(door: Door, here: Call) -> None:
    """Tokens of four seconds, a run of six: renewed ahead, by one request at a time, and nobody is refused a thing."""
    log_in(here)
    began = monotonic()
    ended = here("run", "cohort.csv", "--yes", "--json", "--rate", "4", "--workers", "8", "--revoke-sessions", "never")
    took = monotonic() - began
    assert (ended.status, counts(ended)) == (0, {"succeeded": ACCOUNTS})
    assert [happened.count(What.APPLIED) for happened in histories(door.tenant)] == [1] * ACCOUNTS
    assert 1 <= renewals(door.tenant) <= 2 + took / 2, "each is used for half of its time"
    assert door.tenant.requests[Route.RESET, 401] == 0
    assert door.leaks(ended.out, ended.err) == []


def test_a_challenge_in_mid_run_is_answered_and_the_run_goes_on(door: Door, here: Call) -> None:
    """As when a policy changes: the token is taken no more, the claims are asked for, and everybody is reset once."""
    log_in(here)
    ended = meanwhile(door, here, door.tenant.challenge, "run", "cohort.csv", "--yes", "--json", *UNHURRIED)
    assert (ended.status, counts(ended)) == (0, {"succeeded": ACCOUNTS})
    assert each_once(door.tenant)
    refused = sum(count for (_, status), count in door.tenant.requests.items() if status == 401)
    assert refused > 0
    folder = json.loads(ended.out)["folder"]
    audited = [json.loads(line) for line in (door.home / folder / "audit.jsonl").read_text("utf-8").splitlines()]
    assert sum(line.get("status") == 401 for line in audited) == refused


def test_a_sign_in_that_is_gone_halts_the_run_until_somebody_signs_in(door: Door, here: Call) -> None:
    """Exit 4 with what to do, and every row accounted for; after `login` the rest is reset, nobody twice."""
    log_in(here)
    halted = meanwhile(door, here, door.tenant.end_sign_in, "run", "cohort.csv", "--yes", "--json", *UNHURRIED)
    assert halted.status == 4
    told = json.loads(halted.out)
    assert sum(told["counts"].values()) == ACCOUNTS
    assert told["counts"]["failed"] == 0
    assert told["counts"]["not_attempted"] > 0
    status = here("status", told["run_id"]).out
    assert "the sign-in was lost (The sign-in was revoked" in status
    assert "batchreset login" in status
    again = here("resume", told["run_id"], "--yes")
    assert again.status == 5
    assert "batchreset login" in again.err
    log_in(here)
    resumed = here("resume", told["run_id"], "--yes", "--json")
    assert (resumed.status, counts(resumed)) == (0, {"succeeded": ACCOUNTS})
    assert each_once(door.tenant)
    assert door.leaks(status, again.err, resumed.out, resumed.err) == []


def test_a_role_that_is_gone_halts_the_run_until_it_is_active_again(door: Door, here: Call) -> None:
    """Exit 4, nobody `forbidden`, and the end says to activate it and how to go on."""
    log_in(here)
    halted = meanwhile(
        door, here, door.tenant.end_role, "run", "cohort.csv", "--yes", *UNHURRIED, "--directory-lag", "1s"
    )
    assert halted.status == 4
    assert "the role of whoever is signed in may have expired" in halted.out
    assert "batchreset resume" in halted.out
    assert "failed" not in halted.out.partition("\n")[0]
    door.tenant.activate_role()
    resumed = here("resume", json.loads(here("status", "--json").out)["run_id"], "--yes", "--json")
    assert (resumed.status, counts(resumed)) == (0, {"succeeded": ACCOUNTS})
    assert each_once(door.tenant)


CERTIFICATE = application_certificate()
FROM_AD = User(
    id="7c3f5d7e-7d0b-4b57-9d11-2f6f8f3a1b5c",
    user_principal_name="ana.ad@contoso.example",
    display_name="Ana",
    synchronised=True,
)


@pytest.mark.parametrize(
    "sign_in", [SignIn(applications=(Application(secrets=(SECRET,), certificates=(CERTIFICATE.pem,)),))]
)
@pytest.mark.parametrize("users", [[*populate(upns(ACCOUNTS), plain=True), FROM_AD]])
@pytest.mark.parametrize("way", ["secret", "certificate"])
def test_an_application_runs_at_night(door: Door, here: Call, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No person, no terminal: by password-profile, without those of AD; no secret of the application's is written."""
    if way == "secret":
        monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", SECRET)
    else:
        pfx = CERTIFICATE.write_pfx(door.home, "open sesame")
        monkeypatch.setenv("BATCHRESET_CLIENT_CERTIFICATE", str(pfx))
        monkeypatch.setenv("BATCHRESET_CLIENT_CERTIFICATE_PASSWORD", "open sesame")
    ended = here("run", "cohort.csv", "--yes", "--json", "--auth", way, "--log-format", "json")
    assert ended.status == 6, ended.err
    told = json.loads(ended.out)
    assert (told["method"], counts(ended)) == ("password-profile", {"succeeded": ACCOUNTS, "excluded": 1})
    assert told["reasons"] == {"synchronised": 1}
    assert resets_received(door.tenant) == revocations(door.tenant) == [1] * ACCOUNTS + [0]
    assert applied(door.tenant) == door.tenant.requests[Route.UPDATE, 204] == ACCOUNTS
    assert door.tenant.sign_ins.requests[GrantType.CLIENT_CREDENTIALS, 200] == 1
    written = b"".join(path.read_bytes() for path in door.home.rglob("*") if path.is_file() and path.suffix != ".pfx")
    for secret in (SECRET, "open sesame"):
        assert secret.encode() not in written
        assert secret not in ended.out + ended.err
    assert door.leaks(ended.out, ended.err) == []


@pytest.mark.usefixtures("door")
def test_a_failure_leaks_nothing(here: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is told of a refused client secret, nor of a sign-in service that is away, holds a secret."""
    monkeypatch.setenv("BATCHRESET_CLIENT_SECRET", "not-" + SECRET)
    refused = here("run", "cohort.csv", "--yes", "--auth", "secret")
    assert refused.status == 5
    monkeypatch.setenv("BATCHRESET_AUTHORITY", "https://localhost:1/contoso.example")
    away = here("run", "cohort.csv", "--yes", "--auth", "secret")
    assert away.status == 5
    assert "localhost could not be reached" in away.err
    for ended in (refused, away):
        assert SECRET not in ended.out + ended.err
        assert ended.err.count("\n") == 1
